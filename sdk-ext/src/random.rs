//! Randomness: bytes from the host's cryptographic source, a fast generator seeded from it, and maps that cannot be
//! flooded.
//!
//! On `wasm32-unknown-unknown` the standard library's `HashMap` takes its keys from two addresses, which a client can
//! know; a map keyed by anything a client sends must be a [`SeededMap`].

use crate::abi;
use crate::status::HostError;
use rand::SeedableRng;
pub use rand::rngs::SmallRng;
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher13;
use std::hash::BuildHasher;

/// Fills `bytes` from the host's cryptographic random source (BoringSSL's in Envoy).
///
/// # Errors
///
/// The host refused: `random_get` is withheld from this module.
pub fn fill(bytes: &mut [u8]) -> Result<(), HostError> {
    abi::fill_random(bytes)
}

/// A fast generator, seeded by the host: for jitter and sampling, not for secrets.
///
/// # Errors
///
/// As for [`fill`].
pub fn generator() -> Result<SmallRng, HostError> {
    let mut seed = <SmallRng as SeedableRng>::Seed::default();
    fill(&mut seed)?;
    Ok(SmallRng::from_seed(seed))
}

/// A map whose keys come from clients.
#[expect(clippy::disallowed_types, reason = "its hasher is seeded")]
pub type SeededMap<K, V> = std::collections::HashMap<K, V, Seed>;

/// The secret of a [`SeededMap`]'s hasher (SipHash-1-3): `SeededMap::with_hasher(Seed::new()?)`.
#[derive(Clone)]
pub struct Seed(u64, u64);

impl Seed {
    /// A seed from the host's random source.
    ///
    /// # Errors
    ///
    /// As for [`fill`].
    pub fn new() -> Result<Self, HostError> {
        let (mut high, mut low) = ([0; 8], [0; 8]);
        fill(&mut high)?;
        fill(&mut low)?;
        Ok(Self(u64::from_le_bytes(high), u64::from_le_bytes(low)))
    }

    /// The seed that a text stands for: the same in all workers, processes and releases.
    ///
    /// For what all of them must judge alike, such as which tenth of all users a rule is enforced for. It is no secret:
    /// who knows the text can choose values by their hash, so it is nothing for a [`SeededMap`].
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let (mut seed, digest) = ([0; 16], Sha256::digest(text));
        seed.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self::from_bytes(seed)
    }

    /// The hash of some bytes, the same on every target (that of [`BuildHasher::hash_one`] is not).
    #[must_use]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        self.build_hasher().hash(bytes)
    }

    /// A seed that was drawn elsewhere, from a cryptographic source.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let bits = u128::from_le_bytes(bytes);
        Self(bits as u64, (bits >> 64) as u64)
    }

    pub(crate) fn to_bytes(&self) -> [u8; 16] {
        (u128::from(self.0) | u128::from(self.1) << 64).to_le_bytes()
    }
}

impl BuildHasher for Seed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seeds_hash_differently() {
        assert_ne!(Seed(1, 2).hash_one("key"), Seed(3, 4).hash_one("key"));
        assert_eq!(Seed(1, 2).hash_one("key"), Seed(1, 2).hash_one("key"));
    }

    /// What all workers of a fleet agree on must not change with a release.
    #[test]
    fn the_seed_of_a_text_is_always_the_same() {
        let hash = |text: &str, bytes: &str| Seed::of(text.as_bytes()).hash(bytes.as_bytes());
        assert_eq!(hash("rule", "alice"), 0xa6fc_6bc6_4642_963e);
        assert_ne!(hash("rule", "alice"), hash("rule", "bob"));
        assert_ne!(hash("rule", "alice"), hash("other", "alice"));
    }

    #[test]
    fn without_a_random_source_there_is_an_error_and_no_weak_seed() {
        assert!(Seed::new().is_err());
        assert!(generator().is_err());
    }
}
