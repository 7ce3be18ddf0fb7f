//! Form: `application/x-www-form-urlencoded`, as RFC 6749, appendix B, has it.

/// Encodes a value.
pub(super) fn encoded(value: &[u8]) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value {
        match byte {
            b' ' => encoded.push('+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => encoded.push(char::from(*byte)),
            _ => {
                encoded.push('%');
                for nibble in [byte >> 4, byte & 0xF] {
                    encoded.extend(char::from_digit(nibble.into(), 16).map(|digit| digit.to_ascii_uppercase()));
                }
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use palisade_sdk::matching::{Field, forms};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_the_rfc_holds() {
        assert_eq!(encoded(" %&+£€".as_bytes()), "+%25%26%2B%C2%A3%E2%82%AC");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_as_it_was(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let form = ["token=", &encoded(&value)].concat();
            let read = forms::parameter(form.as_bytes(), "token");
            prop_assert!(matches!(read, Field::One(read) if *read == *value));
        }
    }
}
