//! Table: values under tags, looked up in a time that tells nothing of what was tagged.

use palisade_sdk::random::{Seed, SeededMap};

use crate::tag::Tag;

/// Values under tags, in places that no client can aim at.
pub(crate) struct Table<V> {
    // All maps of this crate lead from tags to places: each other kind would add a kilobyte to a module.
    places: SeededMap<Tag, u32>,
    values: Vec<V>,
}

// === impl Table ===

impl<V> Table<V> {
    /// A table of these values; where two have the same tag, the last counts.
    pub(crate) fn new(values: impl IntoIterator<Item = (Tag, V)>, seed: Seed) -> Self {
        let mut table = Self { places: SeededMap::with_hasher(seed), values: Vec::new() };
        for (tag, value) in values {
            if let Ok(place) = u32::try_from(table.values.len()) {
                table.places.insert(tag, place);
                table.values.push(value);
            }
        }
        table
    }

    /// The value under a tag.
    pub(crate) fn get(&self, tag: &Tag) -> Option<&V> {
        self.values.get(*self.places.get(tag)? as usize)
    }

    /// One of the values, and for one tag always the same.
    pub(crate) fn any(&self, [a, b, c, d, ..]: &Tag) -> Option<&V> {
        let place = (u32::from_le_bytes([*a, *b, *c, *d]) as usize).checked_rem(self.values.len())?;
        self.values.get(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_under_its_tag_alone() {
        let values = (0..100_u8).map(|number| ([number; 16], number));
        let table = Table::new(values, Seed::from_bytes([7; 16]));
        for number in 0..200_u8 {
            assert_eq!(table.get(&[number; 16]).copied(), Some(number).filter(|number| *number < 100));
        }
    }

    #[test]
    fn any_tag_has_a_value_unless_there_is_none() {
        let table =
            |values: u8| Table::new((0..values).map(|number| ([number; 16], number)), Seed::from_bytes([7; 16]));
        let chosen: std::collections::BTreeSet<_> =
            (0..=255_u8).filter_map(|number| table(100).any(&[number; 16]).copied()).collect();
        assert_eq!(chosen.len(), 100);
        assert_eq!(table(0).any(&[1; 16]), None);
    }
}
