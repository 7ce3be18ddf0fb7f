//! The compact serialisation of a signed token (RFC 7515, section 7.1).

use super::Error;
use crate::base64url;

/// A token's parts, decoded; nothing about them is verified.
pub struct Compact<'a> {
    /// What the signature is about: header and payload, as they were sent.
    pub signed: &'a [u8],
    /// The header's text.
    pub header: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
    /// The signature, which has at least one byte.
    pub signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Reads a token: exactly three parts, each in canonical base64url. The JSON serialisations and encrypted tokens
    /// (five parts) are refused.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`].
    pub fn parse(token: &'a [u8]) -> Result<Self, Error> {
        Self::read(token).ok_or(Error::Malformed)
    }

    fn read(token: &'a [u8]) -> Option<Self> {
        let dot = |byte: &u8| *byte == b'.';
        let (signed, signature) = token.split_at_checked(token.iter().rposition(dot)?)?;
        // A third dot makes one of the two parts no base64url.
        let (header, payload) = signed.split_at_checked(signed.iter().position(dot)?)?;
        let [header, payload, signature] = [header, payload.get(1..)?, signature.get(1..)?].map(base64url::decode);
        let token = Self { signed, header: header?, payload: payload?, signature: signature? };
        (!token.signature.is_empty()).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(token: &str) -> Option<[Vec<u8>; 3]> {
        let Compact { header, payload, signature, .. } = Compact::parse(token.as_bytes()).ok()?;
        Some([header, payload, signature])
    }

    #[test]
    fn a_token_has_three_parts() {
        assert_eq!(parts("e30.Zm9v.Zg"), Some([b"{}".to_vec(), b"foo".to_vec(), b"f".to_vec()]));
        assert_eq!(Compact::parse(b"e30.Zm9v.Zg").unwrap().signed, b"e30.Zm9v");
        for token in [
            "",
            ".",
            "..",
            "...",
            "e30",
            "e30.Zm9v",
            "e30.Zm9v.",
            "e30.Zm9v.Zg.",
            ".e30.Zm9v.Zg",
            "e30.e30.e30.e30.e30",
        ] {
            assert_eq!(parts(token), None, "{token:?}");
        }
        // The payload may be empty as far as the serialisation is concerned.
        assert!(parts("e30..Zg").is_some());
    }

    #[test]
    fn a_second_spelling_of_a_token_is_refused() {
        for token in ["e30.Zm9v.Zg==", "e30.Zm9v.Zh", "e30=.Zm9v.Zg", " e30.Zm9v.Zg", "e30.Zm9v.Zg\n", "e30.Zm9v.Zg,x"]
        {
            assert_eq!(parts(token), None, "{token:?}");
        }
    }

    #[test]
    fn the_json_serialisations_are_refused() {
        assert_eq!(parts(r#"{"payload":"Zm9v","protected":"e30","signature":"Zg"}"#), None);
    }

    proptest! {
        #[test]
        fn whatever_parses_is_spelled_in_one_way(token in "[A-Za-z0-9_=.-]{0,60}") {
            if let Ok(compact) = Compact::parse(token.as_bytes()) {
                let parts = [compact.header, compact.payload, compact.signature].map(|part| base64url::encode(&part));
                prop_assert_eq!(parts.join("."), token);
            }
        }

        #[test]
        fn no_bytes_are_too_strange(token: Vec<u8>) {
            let _ = Compact::parse(&token);
        }
    }
}
