//! Table: values under digests, looked up in a time that tells nothing of what was digested.

use palisade_sdk::random::{Seed, SeededMap};

use crate::lru::Key;

/// Values under digests, in places that no client can aim at.
pub(crate) struct Table<V> {
    // All maps of this crate lead from digests to places: each other kind would add a kilobyte to a module.
    places: SeededMap<Key, u32>,
    values: Vec<V>,
}

// === impl Table ===

impl<V> Table<V> {
    /// A table of these values; where two have the same digest, the last counts.
    pub(crate) fn new(values: impl IntoIterator<Item = (Key, V)>, seed: Seed) -> Self {
        let mut table = Self { places: SeededMap::with_hasher(seed), values: Vec::new() };
        for (key, value) in values {
            if let Ok(place) = u32::try_from(table.values.len()) {
                table.places.insert(key, place);
                table.values.push(value);
            }
        }
        table
    }

    /// The value under a digest.
    pub(crate) fn get(&self, key: &Key) -> Option<&V> {
        self.values.get(*self.places.get(key)? as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_under_its_digest_alone() {
        let values = (0..100_u8).map(|number| ([number; 32], number));
        let table = Table::new(values, Seed::from_bytes([7; 16]));
        for number in 0..200_u8 {
            assert_eq!(table.get(&[number; 32]).copied(), Some(number).filter(|number| *number < 100));
        }
    }
}
