//! Checksums that numbers carry, over ASCII digits and capitals.

/// The value of a digit; of a capital, ten and more.
pub(super) fn value(byte: u8) -> u32 {
    char::from(byte).to_digit(36).unwrap_or_default()
}

/// ISO/IEC 7812-1, annex B.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit.wrapping_mul(2).wrapping_sub(9) } else { digit.wrapping_mul(2) };
    let mut is_even = false;
    let sum: u32 = digits
        .iter()
        .rev()
        .map(|digit| {
            let digit = value(*digit);
            let share = if is_even { doubled(digit) } else { digit };
            is_even = !is_even;
            share
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The sum of the digits, each times its weight.
pub(super) fn weighted(digits: &[u8], weights: &[u8]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| value(*digit).wrapping_mul(u32::from(*weight))).sum()
}

/// The remainder of a number by 97, a capital counting as two digits (ISO/IEC 7064).
pub(super) fn modulo_97(number: impl Iterator<Item = u8>) -> u32 {
    number.fold(0, |remainder, byte| {
        let value = value(byte);
        let shift = if value > 9 { 100 } else { 10u32 };
        remainder.wrapping_mul(shift).wrapping_add(value) % 97
    })
}

/// ISO/IEC 7064, MOD 11-2, whose last character may be an X.
pub(super) fn iso_7064_mod_11_2(digits: &[u8]) -> bool {
    let digit = |byte: u8| if byte == b'X' { 10 } else { value(byte) };
    digits.iter().fold(0u32, |sum, byte| sum.wrapping_mul(2).wrapping_add(digit(*byte)) % 11) == 1
}

/// ISO/IEC 7064, MOD 11,10.
pub(super) fn iso_7064_mod_11_10(digits: &[u8]) -> bool {
    let [body @ .., check] = digits else { return false };
    let product = body.iter().fold(10u32, |product, digit| {
        let sum = product.wrapping_add(value(*digit)) % 10;
        (if sum == 0 { 10 } else { sum }).wrapping_mul(2) % 11
    });
    product.wrapping_add(value(*check)) % 10 == 1
}

/// Verhoeff's code: the digits, permuted by their place, multiply to zero in the dihedral group of order ten.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTATION: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let permuted = |digit: u32, place: usize| {
        (0..place % 8).fold(digit, |digit, _| PERMUTATION.get(digit as usize).copied().unwrap_or_default())
    };
    let product = digits.iter().rev().enumerate().fold(0u32, |product, (place, digit)| {
        let factor = permuted(value(*digit), place);
        let turned =
            if product < 5 { product.wrapping_add(factor) } else { product.wrapping_add(10).wrapping_sub(factor) };
        let is_mirrored = (product < 5) != (factor < 5);
        (turned % 5).wrapping_add(if is_mirrored { 5 } else { 0 })
    });
    product == 0
}

/// Whether the calendar has this day; a year of two digits in which there may have been a 29 February has it.
pub(super) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// The number that the digits write.
pub(super) fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number: u32, digit| number.wrapping_mul(10).wrapping_add(value(*digit)))
}

/// The number that the digits at these places write.
pub(super) fn number_at(digits: &[u8], from: usize, to: usize) -> u32 {
    number(digits.get(from..to).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_checksum_accepts_a_published_number_and_refuses_each_digit_changed() {
        // Wikipedia: Luhn algorithm, Verhoeff algorithm, International Bank Account Number, Resident Identity Card;
        // Bundeszentralamt fuer Steuern, the check digit of the identification number.
        type Check = fn(&[u8]) -> bool;
        let published: [(&[u8], Check); 5] = [
            (b"17893729974", luhn),
            (b"2363", verhoeff),
            (b"11010519491231002X", iso_7064_mod_11_2),
            (b"86095742719", iso_7064_mod_11_10),
            (b"3214282912345698765432161182", |number| modulo_97(number.iter().copied()) == 1),
        ];
        for (number, check) in published {
            assert!(check(number), "{}", String::from_utf8_lossy(number));
            for place in 0..number.len() {
                for digit in b'0'..=b'9' {
                    let mut changed = number.to_vec();
                    changed[place] = digit;
                    assert_eq!(check(&changed), changed == number, "{}", String::from_utf8_lossy(&changed));
                }
            }
        }
    }

    #[test]
    fn the_calendar_is_gregorian() {
        assert!(is_date(2000, 2, 29) && is_date(2024, 2, 29) && is_date(1999, 12, 31));
        assert!(!is_date(1900, 2, 29) && !is_date(2023, 2, 29) && !is_date(2024, 4, 31));
        assert!(!is_date(2024, 0, 1) && !is_date(2024, 13, 1) && !is_date(2024, 1, 0) && !is_date(2024, 1, 32));
    }
}
