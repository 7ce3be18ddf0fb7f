//! Key: who has a budget of its own, as a hash that nobody outside of the process can aim at.

use std::fmt;
use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::calendar::Unit;
use crate::policy::Policy;

/// The secret of this process's hashes.
#[derive(Clone, Copy)]
pub struct Seed([u64; 2]);

/// A key in the making: parts are added one by one.
#[derive(Clone)]
pub struct Key(SipHasher24);

/// What all keys of a grant begin with, hashed once for all of them.
#[derive(Clone)]
pub(crate) struct Beginning {
    pub(crate) key: Key,
    /// The hash of a key without parts, which those share who find no room.
    pub(crate) hash: (u64, u64),
}

// === impl Seed ===

impl Seed {
    /// The length in bytes.
    pub const LENGTH: usize = 16;

    /// What is no secret, for what all processes are to agree on.
    pub const PUBLIC: Self = Self([0, 0]);

    /// The seed of these bytes, of which there must be enough.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [first, second] = bytes.as_chunks().0 else { return None };
        Some(Self([u64::from_le_bytes(*first), u64::from_le_bytes(*second)]))
    }

    /// A key that begins with a grant's [`identity`].
    pub fn key(&self, identity: &[u8]) -> Key {
        let [first, second] = self.0;
        let mut hasher = SipHasher24::new_with_keys(first, second);
        hasher.write(identity);
        Key(hasher)
    }

    /// The same with its hash so far.
    pub(crate) fn begin(&self, identity: &[u8]) -> Beginning {
        let key = self.key(identity);
        Beginning { hash: key.hash(), key }
    }
}

// === impl Key ===

impl Key {
    /// Adds a part. Its length goes with it, so that `a|b` and `c` are not `a` and `b|c`.
    pub fn part(&mut self, part: &[u8]) {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.0.write(&length.to_le_bytes());
        self.0.write(part);
    }

    /// The hash.
    pub fn hash(&self) -> (u64, u64) {
        let hash = self.0.finish128();
        (hash.h1, hash.h2)
    }
}

// === impl Beginning ===

/// The seed stands in it, which is a secret.
impl fmt::Debug for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Beginning(..)")
    }
}

/// What all keys of a limit, or of one of its tiers, under a policy begin with.
pub fn identity(limit: &str, tier: Option<&str>, policy: Option<&Policy>) -> Vec<u8> {
    let numbers = match policy {
        None => [3, 0, 0],
        Some(Policy::Rate(gcra)) => {
            let [interval, burst] = gcra.parameters();
            [0, interval, burst]
        }
        Some(Policy::Quota { count, unit }) => {
            let unit = match unit {
                Unit::Hour => 0,
                Unit::Day => 1,
                Unit::Month => 2,
            };
            [1, u64::from(*count), unit]
        }
        Some(Policy::Concurrency { count, max_duration }) => [2, u64::from(*count), *max_duration],
    };
    let mut identity = vec![u8::from(tier.is_some())];
    for name in [limit, tier.unwrap_or_default()] {
        identity.extend_from_slice(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_le_bytes());
        identity.extend_from_slice(name.as_bytes());
    }
    for number in numbers {
        identity.extend_from_slice(&number.to_le_bytes());
    }
    identity
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gcra::Gcra;

    fn hash(parts: &[&[u8]]) -> (u64, u64) {
        let mut key = Seed([1, 2]).key(b"identity");
        for part in parts {
            key.part(part);
        }
        key.hash()
    }

    #[test]
    fn parts_cannot_be_shifted_into_one_another() {
        assert_ne!(hash(&[b"a|b", b"c"]), hash(&[b"a", b"b|c"]));
        assert_ne!(hash(&[b"", b"a"]), hash(&[b"a", b""]));
        assert_ne!(hash(&[]), hash(&[b""]));
    }

    #[test]
    fn another_seed_makes_another_hash() {
        assert_ne!(Seed([1, 2]).key(b"i").hash(), Seed([1, 3]).key(b"i").hash());
        assert!(Seed::from_bytes(&[0; 15]).is_none());
        assert!(Seed::from_bytes(&[0; 16]).is_some());
    }

    #[test]
    fn what_is_hashed_once_is_hashed_alike_and_shows_no_secret() {
        let mut beginning = Seed([1, 2]).begin(b"identity");
        assert_eq!(beginning.hash, hash(&[]));
        assert_eq!(format!("{beginning:?}"), "Beginning(..)");
        beginning.key.part(b"a");
        assert_eq!(beginning.key.hash(), hash(&[b"a"]));
    }

    #[test]
    fn the_hash_is_siphash_2_4_with_128_bits() {
        // From the reference implementation's vectors: key 00..0f, message 00..0e.
        let seed = Seed::from_bytes(&std::array::from_fn::<u8, 16, _>(|byte| byte as u8)).unwrap();
        let (low, high) = seed.key(&std::array::from_fn::<u8, 15, _>(|byte| byte as u8)).hash();
        let hash: Vec<u8> = [low.to_le_bytes(), high.to_le_bytes()].concat();
        assert_eq!(
            hash,
            [0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11, 0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf, 0xc3, 0xd9]
        );
    }

    #[test]
    fn a_limit_that_changes_has_other_keys() {
        let rate = |count, burst| Policy::Rate(Gcra::new(count, 1_000_000_000, burst, false).unwrap());
        let identities = [
            identity("a", None, Some(&rate(1, 1))),
            identity("b", None, Some(&rate(1, 1))),
            identity("a", None, Some(&rate(2, 1))),
            identity("a", None, Some(&rate(1, 2))),
            identity("a", None, Some(&Policy::Quota { count: 1, unit: Unit::Day })),
            identity("a", None, Some(&Policy::Quota { count: 1, unit: Unit::Month })),
            identity("a", None, Some(&Policy::Concurrency { count: 1, max_duration: 1 })),
            identity("a", None, None),
            identity("a", Some(""), Some(&rate(1, 1))),
            identity("a", Some("vip"), Some(&rate(1, 1))),
        ];
        for (place, one) in identities.iter().enumerate() {
            assert!(!identities[..place].contains(one));
        }
        assert_eq!(identity("a", None, Some(&rate(1, 1))), identity("a", None, Some(&rate(1, 1))));
    }

    proptest! {
        #[test]
        fn different_parts_have_different_hashes(one: Vec<Vec<u8>>, other: Vec<Vec<u8>>) {
            let [hash_one, hash_other] = [&one, &other].map(|parts| {
                hash(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
            });
            prop_assert_eq!(one == other, hash_one == hash_other);
        }
    }
}
