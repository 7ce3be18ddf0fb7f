//! Signatures that the host verifies: many times faster than the module does it.
//!
//! A host may lack the function, and an answer that is always "yes" would be the end of all authentication. So an
//! algorithm is given to the host only after it has told a good signature from a bad one.

mod vectors;

use super::{Algorithm, Hash, Key, KeySet};
use crate::base64url;

/// A host that may verify signatures.
pub trait HostSignatures {
    /// Whether the signature is the text's: RSASSA-PKCS1-v1_5, or ECDSA with a signature in DER. `key` is a
    /// `SubjectPublicKeyInfo` in DER. `None` says that the host does not do it.
    fn verify(&self, hash: Hash, key: &[u8], signature: &[u8], text: &[u8]) -> Option<bool>;
}

/// The algorithms that a host has shown to verify.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proven(Vec<Algorithm>);

impl Proven {
    /// Puts a host to the proof for those of the algorithms that hosts can verify.
    ///
    /// `verify` has the host check one signature.
    pub(super) fn find(
        algorithms: &[Algorithm],
        verify: impl Fn(Algorithm, &Key, &[u8], &[u8]) -> Option<bool>,
    ) -> Self {
        let Ok(keys) = KeySet::parse(vectors::KEYS) else { return Self::default() };
        let is_proven = |(algorithm, signature): &(Algorithm, &str)| {
            let key = keys.key_for(*algorithm)?;
            let mut signature = base64url::decode(signature.as_bytes())?;
            let good = verify(*algorithm, key, vectors::TEXT, &signature)?;
            let of_another_text = verify(*algorithm, key, b"parapet", &signature)?;
            let last = signature.last_mut()?;
            *last ^= 1;
            let broken = verify(*algorithm, key, vectors::TEXT, &signature)?;
            Some((good, of_another_text, broken) == (true, false, false))
        };
        let wanted = vectors::SIGNATURES.iter().filter(|(algorithm, _)| algorithms.contains(algorithm));
        Self(wanted.filter(|vector| is_proven(vector) == Some(true)).map(|(algorithm, _)| *algorithm).collect())
    }

    /// Whether the host verifies this algorithm.
    #[must_use]
    pub fn contains(&self, algorithm: Algorithm) -> bool {
        self.0.contains(&algorithm)
    }
}
