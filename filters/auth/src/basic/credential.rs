//! Credential: user and password as a client sends them (RFC 7617).

use crate::base64;

/// How long an encoded credential may be, in bytes.
pub(crate) const LONGEST: usize = 1_024;

/// How long a password may be, in bytes. What some hashes cost grows with it.
pub(crate) const LONGEST_PASSWORD: usize = 256;

/// A user and a password.
pub struct Credential {
    text: Vec<u8>,
    colon: usize,
}

impl Credential {
    /// Reads the `token68` behind `Basic`: Base64 with its padding, of a user that is not empty, a colon and a password. Both
    /// are bytes, without control characters.
    #[must_use]
    pub fn parse(token: &[u8]) -> Option<Self> {
        if token.len() > LONGEST {
            return None;
        }
        let text = base64::decode(token)?;
        let colon = text.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0)?;
        let credential = Self { text, colon };
        let is_clean = !credential.text.iter().any(u8::is_ascii_control);
        (is_clean && credential.password().len() <= LONGEST_PASSWORD).then_some(credential)
    }

    /// What stands before the first colon.
    #[must_use]
    pub fn user(&self) -> &[u8] {
        self.text.get(..self.colon).unwrap_or_default()
    }

    /// What stands behind it.
    #[must_use]
    pub fn password(&self) -> &[u8] {
        self.text.get(self.colon..).and_then(<[u8]>::split_first).map_or(&[], |(_, password)| password)
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding};
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let credential = Credential::parse(Base64::encode_string(text).as_bytes())?;
        Some((credential.user().to_vec(), credential.password().to_vec()))
    }

    fn pair(user: &[u8], password: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        Some((user.to_vec(), password.to_vec()))
    }

    #[test]
    fn the_first_colon_separates_user_and_password() {
        assert_eq!(parse(b"alice:secret"), pair(b"alice", b"secret"));
        assert_eq!(parse(b"alice:a:b:"), pair(b"alice", b"a:b:"));
        assert_eq!(parse(b"alice:"), pair(b"alice", b""));
        assert_eq!(parse(b"al ice: x "), pair(b"al ice", b" x "));
        assert_eq!(parse(b"\xE9:\xC3\xA9"), pair(b"\xE9", b"\xC3\xA9"));
    }

    #[test]
    fn without_a_user_or_a_colon_there_is_no_credential() {
        for text in [&b""[..], b":", b":secret", b"alice", b"a\0:b", b"a:b\n", b"a:\x7F"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_canonical_base64_is_read() {
        assert!(Credential::parse(b"YTpi").is_some());
        assert!(Credential::parse(b"YTo=").is_some());
        for token in
            ["YTo", "YTo==", "YTp=", "YTpi=", "YT pi", "YTpi ", "YTpi\n", "YT-_", "YTpi,YTpi", "=YTpi", "Y\u{e9}pi"]
        {
            assert!(Credential::parse(token.as_bytes()).is_none(), "{token}");
        }
    }

    #[test]
    fn a_credential_has_a_greatest_length() {
        let of_length = |length| parse(&[b"a:", vec![b'x'; length].as_slice()].concat());
        assert!(of_length(LONGEST_PASSWORD).is_some());
        assert!(of_length(LONGEST_PASSWORD + 1).is_none());
        assert!(parse(&[vec![b'x'; LONGEST].as_slice(), b":"].concat()).is_none());
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_again(user in "[^:\0-\x1F\x7F]{1,20}", password in "[^\0-\x1F\x7F]{0,20}") {
            let text = format!("{user}:{password}");
            prop_assert_eq!(parse(text.as_bytes()), pair(user.as_bytes(), password.as_bytes()));
        }

        #[test]
        fn what_is_read_is_canonical(token in "[A-Za-z0-9+/=]{0,24}") {
            if let Some(credential) = Credential::parse(token.as_bytes()) {
                prop_assert_eq!(Base64::encode_string(&credential.text), token);
            }
        }
    }
}
