//! Lowercase hexadecimal digits, the only ones that `traceparent`, `th` and `rv` know.

/// Reads up to 16 digits as one number; `None` for any other byte, no digit or too many.
pub(crate) fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit.wrapping_sub(b'0'),
            b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
            _ => return None,
        };
        Some((number << 4) | u64::from(value))
    })
}

/// Fills `out` with the last digits of `number`, the least significant one at the end.
pub(crate) fn write(mut number: u64, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = match (number & 0xf) as u8 {
            value @ 0..=9 => b'0'.wrapping_add(value),
            value => b'a'.wrapping_sub(10).wrapping_add(value),
        };
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn uppercase_signs_and_blanks_are_no_digits() {
        for digits in ["A", "0x", "+1", "-1", " 1", "1 ", "g", ".", ""] {
            assert_eq!(parse(digits.as_bytes()), None, "{digits:?}");
        }
    }

    #[test]
    fn seventeen_digits_are_too_many() {
        assert_eq!(parse(&[b'f'; 16]), Some(u64::MAX));
        assert_eq!(parse(&[b'0'; 17]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(number: u64) {
            let mut digits = [0; 16];
            write(number, &mut digits);
            prop_assert_eq!(String::from_utf8_lossy(&digits), format!("{number:016x}"));
            prop_assert_eq!(parse(&digits), Some(number));
        }
    }
}
