//! The force header: a caller who knows a secret token gets its request traced.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::ows;

/// Longer values are refused unread, so that nobody makes the filter hash for him.
const LONGEST_TOKEN: usize = 256;

/// The SHA-256 digest of a token.
pub type TokenDigest = [u8; 32];

/// Who may force a trace, and by which header.
#[derive(Clone)]
pub struct Force {
    header: String,
    accepted: Vec<TokenDigest>,
}

impl Force {
    /// Traces a request whose `header` holds a token with one of the `accepted` digests.
    pub fn new(header: String, accepted: Vec<TokenDigest>) -> Self {
        Self { header, accepted }
    }

    /// The name of the header.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Whether `token` is one of the accepted ones.
    ///
    /// The time this takes does not depend on how much of a digest agrees.
    pub fn accepts(&self, token: &[u8]) -> bool {
        let token = ows::trim(token);
        if token.len() > LONGEST_TOKEN {
            return false;
        }
        let digest = Sha256::digest(token);
        self.accepted.iter().fold(false, |found, accepted| found | equal(accepted, &digest))
    }
}

fn equal(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b));
    core::hint::black_box(difference) == 0 && a.len() == b.len()
}

impl fmt::Debug for Force {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Force").field("header", &self.header).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn force(tokens: &[&str]) -> Force {
        let digests = tokens.iter().map(|token| Sha256::digest(token).into()).collect();
        Force::new("x-debug-trace".to_owned(), digests)
    }

    #[test]
    fn only_the_token_with_the_digest_is_accepted() {
        let force = force(&["open sesame"]);
        assert!(force.accepts(b"open sesame"));
        assert!(force.accepts(b" open sesame\t"));
        for other in ["open sesam", "open sesame!", "Open sesame", ""] {
            assert!(!force.accepts(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn the_digest_is_plain_sha_256() {
        let digest = hex::decode("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824").unwrap();
        let force = Force::new("x-debug-trace".to_owned(), vec![digest.try_into().unwrap()]);
        assert!(force.accepts(b"hello"));
    }

    #[test]
    fn each_of_several_tokens_is_accepted() {
        let force = force(&["first", "second"]);
        assert!(force.accepts(b"first"));
        assert!(force.accepts(b"second"));
        assert!(!force.accepts(b"first,second"), "which is how a duplicated header reads");
    }

    #[test]
    fn an_overlong_token_is_refused_even_if_its_digest_is_known() {
        for (length, is_accepted) in [(LONGEST_TOKEN, true), (LONGEST_TOKEN.saturating_add(1), false)] {
            let token = "x".repeat(length);
            assert_eq!(force(&[&token]).accepts(token.as_bytes()), is_accepted);
        }
    }

    #[test]
    fn debug_output_shows_no_digest() {
        assert_eq!(format!("{:?}", force(&["x"])), "Force { header: \"x-debug-trace\", .. }");
    }
}
