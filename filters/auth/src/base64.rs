//! Base64 with padding (RFC 4648, section 4), in its one canonical spelling.
//!
//! It goes by way of [`base64url`]: a second alphabet of `base64ct` would add 4 KiB to a module. What it makes on the way
//! is wiped, for it may be a secret.

use zeroize::Zeroizing;

use crate::base64url;

/// The bytes that the text stands for; `None` for every spelling but the canonical one.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let is_whole = text.len() & 3 == 0 && !digits.iter().any(|digit| matches!(digit, b'-' | b'_'));
    if !is_whole {
        return None;
    }
    let digits: Zeroizing<Vec<_>> =
        Zeroizing::new(digits.iter().map(|digit| exchanged(*digit, b"+/", b"-_")).collect());
    base64url::decode(&digits)
}

/// The canonical spelling of the bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let digits = Zeroizing::new(base64url::encode(bytes));
    let padding = ["", "", "==", "="].get(digits.len() & 3).copied().unwrap_or_default();
    digits.bytes().map(|digit| char::from(exchanged(digit, b"-_", b"+/"))).chain(padding.chars()).collect()
}

/// The digit for 62 or 63 of one alphabet in another; all others are the same in both.
fn exchanged(digit: u8, [from62, from63]: &[u8; 2], [to62, to63]: &[u8; 2]) -> u8 {
    match digit {
        _ if digit == *from62 => *to62,
        _ if digit == *from63 => *to63,
        _ => digit,
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding as _};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(decode(b"+/+/"), Some(vec![0xFB, 0xFF, 0xBF]));
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for text in [
            "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "=Zg=", "-_-_", "Zm9v====", "====", "Zm9v\n", "Zm 9", "Z===", "=",
            "\u{e9}==",
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_does_what_base64ct_does(bytes: Vec<u8>, text in "[A-Za-z0-9_+/=-]{0,24}") {
            prop_assert_eq!(encode(&bytes), Base64::encode_string(&bytes));
            prop_assert_eq!(decode(encode(&bytes).as_bytes()), Some(bytes));
            prop_assert_eq!(decode(text.as_bytes()), Base64::decode_vec(&text).ok());
        }
    }
}
