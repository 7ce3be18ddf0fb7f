//! Base64url without padding (RFC 4648, section 5), in its one canonical spelling.
//!
//! A decoder that lets padding, white space or stray trailing bits pass gives one token many spellings, of which a
//! deny list knows one.

use base64ct::{Base64UrlUnpadded, Encoding as _};

/// The bytes that the text stands for; `None` for every spelling but the canonical one.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    // Unlike this one, `decode_in_place` does not look at the bits that are left over.
    Base64UrlUnpadded::decode_vec(str::from_utf8(text).ok()?).ok()
}

/// The canonical spelling of the bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")]
        {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(decode(b"-_-_"), Some(vec![0xFB, 0xFF, 0xBF]));
    }

    #[test]
    fn every_other_spelling_is_refused() {
        // Padding, stray trailing bits, an impossible length, the other alphabet, white space, what is no letter.
        for text in
            ["Zg==", "Zm8=", "Zh", "Zm9", "Z", "Zm9vZ", "+/+/", "Zm9v\n", " Zm9v", "Zm 9v", "Zm9v.", "\u{e9}", "\0\0"]
        {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn all_bytes_survive_the_round_trip(bytes: Vec<u8>) {
            prop_assert_eq!(decode(encode(&bytes).as_bytes()), Some(bytes));
        }

        #[test]
        fn a_text_that_decodes_is_the_only_one_for_its_bytes(text in "[A-Za-z0-9_=+/-]{0,40}") {
            if let Some(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
