//! `Content-Digest` (RFC 9530): whether a body is the one that was signed.

use sha2::{Digest as _, Sha256, Sha512};

use super::structured::{Bare, Member, dictionary};

/// Why a digest does not vouch for a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// It is no dictionary of digests, or holds neither `sha-256` nor `sha-512`.
    Malformed,
    /// It is the digest of another body.
    Mismatch,
}

/// What a `Content-Digest` says of a body: at least one of the digests that count, each of its length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentDigest {
    sha256: Option<[u8; 32]>,
    sha512: Option<[u8; 64]>,
}

impl ContentDigest {
    /// Reads the field's value. Digests of algorithms other than `sha-256` and `sha-512` do not count.
    ///
    /// # Errors
    ///
    /// [`Unproven::Malformed`]
    pub fn parse(field: &[u8]) -> Result<Self, Unproven> {
        let mut digest = Self::default();
        for (algorithm, member) in dictionary(field).ok_or(Unproven::Malformed)? {
            let Member::Item(item) = member else { return Err(Unproven::Malformed) };
            let Bare::Bytes(bytes) = item.bare else { return Err(Unproven::Malformed) };
            match algorithm.as_str() {
                "sha-256" => digest.sha256 = Some(bytes.try_into().map_err(|_| Unproven::Malformed)?),
                "sha-512" => digest.sha512 = Some(bytes.try_into().map_err(|_| Unproven::Malformed)?),
                _ => {}
            }
        }
        match digest {
            Self { sha256: None, sha512: None } => Err(Unproven::Malformed),
            digest => Ok(digest),
        }
    }

    /// Holds each of the digests against the body. What is compared is no secret: the digest is the client's own.
    ///
    /// # Errors
    ///
    /// [`Unproven::Mismatch`]
    pub fn verify(&self, body: &[u8]) -> Result<(), Unproven> {
        let sha256 = self.sha256.is_none_or(|expected| Sha256::digest(body)[..] == expected);
        let sha512 = self.sha512.is_none_or(|expected| Sha512::digest(body)[..] == expected);
        if sha256 && sha512 { Ok(()) } else { Err(Unproven::Mismatch) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 9530, appendix B.1 and D: `{"hello": "world"}` and a line feed.
    const BODY: &[u8] = b"{\"hello\": \"world\"}\n";
    const SHA_256: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    const SHA_512: &str =
        "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:";

    fn verdict(field: &str, body: &[u8]) -> Result<(), Unproven> {
        ContentDigest::parse(field.as_bytes())?.verify(body)
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        for field in [SHA_256, SHA_512, &format!("{SHA_256}, {SHA_512}"), &format!("md5=:AAAA:, {SHA_256}")] {
            assert_eq!(verdict(field, BODY), Ok(()), "{field}");
            assert_eq!(verdict(field, b"{\"hello\": \"world\"}"), Err(Unproven::Mismatch), "{field}");
        }
    }

    #[test]
    fn every_digest_that_counts_has_to_hold() {
        let wrong = format!("sha-512=:{}==:, {SHA_256}", "A".repeat(86));
        assert_eq!(verdict(&wrong, BODY), Err(Unproven::Mismatch));
    }

    #[test]
    fn what_vouches_for_nothing_is_malformed() {
        for field in [
            "",
            "sha-256",
            "sha-256=?1",
            "sha-256=\"x\"",
            "sha-256=::",
            "sha-256=:AAAA:",
            "md5=:AAAA:",
            "sha=:AAAA:",
            "sha-256=(:AAAA:)",
            "sha-1=1",
            "SHA-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
            &format!("{SHA_256}, {SHA_256}"),
            &format!("{SHA_256},"),
        ] {
            assert_eq!(verdict(field, BODY), Err(Unproven::Malformed), "{field}");
        }
    }

    proptest! {
        #[test]
        fn a_digest_holds_for_its_body_alone(body in proptest::collection::vec(any::<u8>(), 0..99), other in proptest::collection::vec(any::<u8>(), 0..99)) {
            let mut field = b"sha-256=".to_vec();
            super::super::structured::write_bytes(&Sha256::digest(&body), &mut field);
            let digest = ContentDigest::parse(&field).unwrap();
            prop_assert_eq!(digest.verify(&body), Ok(()));
            prop_assert_eq!(digest.verify(&other).is_ok(), body == other);
        }
    }
}
