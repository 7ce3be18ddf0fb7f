//! Slots: where in shared data the sets stand.
//!
//! A name in shared data can never be deleted, so there is a fixed number of them: a set stands in the slot that the place
//! it is fetched from stands for. So an update that leaves a provider as it is finds its keys, and one that changes it leaves
//! nothing behind. Two places of one configuration never share a slot; those of an old and a new one may for a while, and then each
//! fetches for itself, since a record says of what place it is.

use super::record::Digest;

/// The slots that are taken.
#[derive(Default)]
pub(super) struct Slots(Vec<u8>);

impl Slots {
    /// Takes the first free slot from the one that the place stands for. With more than 256 places, some share one.
    pub(super) fn take(&mut self, source: Digest) -> u8 {
        let [first, ..] = source;
        let mut slots = (0..=u8::MAX).map(|step| first.wrapping_add(step));
        let slot = slots.find(|slot| !self.0.contains(slot)).unwrap_or(first);
        self.0.push(slot);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_places_share_a_slot_as_long_as_there_are_enough() {
        let mut slots = Slots::default();
        let mut taken: Vec<_> = (0..256_u32).map(|place| slots.take([(place % 7) as u8 + 248; 16])).collect();
        taken.sort_unstable();
        assert_eq!(taken, (0..=255).collect::<Vec<_>>());
        assert_eq!(slots.take([9; 16]), 9);
    }

    #[test]
    fn a_place_has_its_slot_whatever_stands_before_it() {
        let mut slots = Slots::default();
        slots.take([1; 16]);
        assert_eq!(slots.take([9; 16]), 9);
    }
}
