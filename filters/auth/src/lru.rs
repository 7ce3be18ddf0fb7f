//! LRU: a bounded map of tags to values that expire, which forgets what was not used for longest.
//!
//! Every operation takes constant time. Memory grows with use up to the capacity, then slots are used again.

use std::mem;
use std::time::Duration;

use palisade_sdk::random::{Seed, SeededMap};

use crate::tag::Tag as Key;

/// The place of no slot.
const NONE: u32 = u32::MAX;

/// At most so many values, each under a [tag](Key) and until a point in time.
///
/// Time is what the host's clock says, as the time since the Unix epoch.
pub struct Lru<V> {
    capacity: usize,
    places: SeededMap<Key, u32>,
    slots: Vec<Slot<V>>,
    newest: u32,
    oldest: u32,
    /// The first of the slots that are empty, which are chained by `older`.
    vacant: u32,
}

struct Slot<V> {
    key: Key,
    value: Option<V>,
    expires: Duration,
    newer: u32,
    older: u32,
}

// === impl Lru ===

impl<V> Lru<V> {
    /// An empty map of at most `capacity` values; one of none at all forgets everything at once.
    #[must_use]
    pub fn new(capacity: usize, seed: Seed) -> Self {
        let places = SeededMap::with_hasher(seed);
        // `NONE` is not a place.
        let capacity = capacity.min(NONE as usize);
        Self { capacity, places, slots: Vec::new(), newest: NONE, oldest: NONE, vacant: NONE }
    }

    /// The value under a key, unless it expires now or has expired. It becomes the last to be forgotten.
    pub fn get(&mut self, key: &Key, now: Duration) -> Option<&V> {
        let place = *self.places.get(key)?;
        if self.slot(place)?.expires <= now {
            self.remove(key);
            return None;
        }
        self.unlink(place);
        self.link_newest(place);
        self.slot(place)?.value.as_ref()
    }

    /// Keeps a value, in place of the one under the same key, until `expires`. Where there is no room, the value that
    /// was not used for longest is forgotten.
    pub fn insert(&mut self, key: Key, value: V, expires: Duration) {
        if self.capacity == 0 {
            return;
        }
        self.remove(&key);
        if self.places.len() >= self.capacity
            && let Some(oldest) = self.slot(self.oldest).map(|slot| slot.key)
        {
            self.remove(&oldest);
        }
        let Some(place) = self.claim(Slot { key, value: Some(value), expires, newer: NONE, older: NONE }) else {
            return;
        };
        self.places.insert(key, place);
        self.link_newest(place);
    }

    /// Forgets a value.
    pub fn remove(&mut self, key: &Key) -> Option<V> {
        let place = self.places.remove(key)?;
        self.unlink(place);
        let vacant = mem::replace(&mut self.vacant, place);
        let slot = self.slot_mut(place)?;
        slot.older = vacant;
        slot.value.take()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.places.clear();
        self.slots.clear();
        (self.newest, self.oldest, self.vacant) = (NONE, NONE, NONE);
    }

    /// How many values there are, those included that have expired and were not asked for since.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Puts a slot where one is vacant, or at the end.
    fn claim(&mut self, slot: Slot<V>) -> Option<u32> {
        let place = self.vacant;
        if let Some(vacant) = self.slots.get_mut(place as usize) {
            self.vacant = mem::replace(vacant, slot).older;
            return Some(place);
        }
        let place = u32::try_from(self.slots.len()).ok()?;
        self.slots.push(slot);
        Some(place)
    }

    /// Takes a slot out of the order of use.
    fn unlink(&mut self, place: u32) {
        let Some(slot) = self.slot_mut(place) else { return };
        let (newer, older) = (mem::replace(&mut slot.newer, NONE), mem::replace(&mut slot.older, NONE));
        match self.slot_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slot_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// Makes a slot that is out of the order of use its newest.
    fn link_newest(&mut self, place: u32) {
        let second = mem::replace(&mut self.newest, place);
        if let Some(slot) = self.slot_mut(place) {
            slot.older = second;
        }
        match self.slot_mut(second) {
            Some(slot) => slot.newer = place,
            None => self.oldest = place,
        }
    }

    fn slot(&self, place: u32) -> Option<&Slot<V>> {
        self.slots.get(place as usize)
    }

    fn slot_mut(&mut self, place: u32) -> Option<&mut Slot<V>> {
        self.slots.get_mut(place as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(100);
    const LATER: Duration = Duration::from_secs(200);

    fn lru(capacity: usize) -> Lru<u32> {
        Lru::new(capacity, Seed::from_bytes([7; 16]))
    }

    fn key(number: u8) -> Key {
        [number; 16]
    }

    #[test]
    fn what_was_not_used_for_longest_is_forgotten_first() {
        let mut lru = lru(2);
        lru.insert(key(1), 1, LATER);
        lru.insert(key(2), 2, LATER);
        assert_eq!(lru.get(&key(1), NOW), Some(&1));
        lru.insert(key(3), 3, LATER);
        assert_eq!(lru.get(&key(2), NOW), None);
        assert_eq!((lru.get(&key(1), NOW).copied(), lru.get(&key(3), NOW).copied()), (Some(1), Some(3)));
        assert_eq!(lru.len(), 2);
    }

    #[test]
    fn a_value_is_gone_at_the_moment_it_expires() {
        let mut lru = lru(2);
        lru.insert(key(1), 1, NOW);
        assert_eq!(lru.get(&key(1), NOW - Duration::from_nanos(1)), Some(&1));
        assert_eq!(lru.get(&key(1), NOW), None);
        assert!(lru.is_empty());
    }

    #[test]
    fn a_key_has_one_value_the_last() {
        let mut lru = lru(2);
        lru.insert(key(1), 1, LATER);
        lru.insert(key(1), 2, LATER);
        assert_eq!((lru.get(&key(1), NOW).copied(), lru.len()), (Some(2), 1));
    }

    #[test]
    fn a_map_of_nothing_keeps_nothing() {
        let mut lru = lru(0);
        lru.insert(key(1), 1, LATER);
        assert_eq!((lru.get(&key(1), NOW).copied(), lru.len()), (None, 0));
    }

    #[test]
    fn slots_are_used_again() {
        let mut lru = lru(3);
        for round in 0..1_000_u32 {
            lru.insert(key(round as u8), round, LATER);
            if round % 3 == 0 {
                lru.remove(&key(round as u8));
            }
        }
        assert_eq!(lru.slots.len(), 3);
    }

    /// The same map, slow and plain: the newest is last.
    #[derive(Default)]
    struct Model(Vec<(Key, u32, Duration)>);

    impl Model {
        fn take(&mut self, key: &Key) -> Option<(Key, u32, Duration)> {
            let place = self.0.iter().position(|(known, ..)| known == key)?;
            Some(self.0.remove(place))
        }

        fn get(&mut self, key: &Key, now: Duration) -> Option<u32> {
            let entry = self.take(key).filter(|(_, _, expires)| *expires > now)?;
            self.0.push(entry);
            Some(entry.1)
        }

        fn insert(&mut self, capacity: usize, entry: (Key, u32, Duration)) {
            self.take(&entry.0);
            if self.0.len() == capacity {
                self.0.remove(0);
            }
            self.0.push(entry);
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Get(u8, u64),
        Insert(u8, u32, u64),
        Remove(u8),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0_u8..12, 0_u64..20).prop_map(|(key, now)| Step::Get(key, now)),
            8 => (0_u8..12, any::<u32>(), 0_u64..20).prop_map(|(key, value, expires)| Step::Insert(key, value, expires)),
            3 => (0_u8..12).prop_map(Step::Remove),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn it_does_what_a_plain_list_does(capacity in 1_usize..8, steps in proptest::collection::vec(step(), 0..200)) {
            let (mut lru, mut model) = (lru(capacity), Model::default());
            for step in steps {
                match step {
                    Step::Get(number, now) => {
                        let now = Duration::from_secs(now);
                        prop_assert_eq!(lru.get(&key(number), now).copied(), model.get(&key(number), now));
                    }
                    Step::Insert(number, value, expires) => {
                        let expires = Duration::from_secs(expires);
                        lru.insert(key(number), value, expires);
                        model.insert(capacity, (key(number), value, expires));
                    }
                    Step::Remove(number) => {
                        let removed = model.take(&key(number)).map(|(_, value, _)| value);
                        prop_assert_eq!(lru.remove(&key(number)), removed);
                    }
                    Step::Clear => {
                        lru.clear();
                        model.0.clear();
                    }
                }
                prop_assert_eq!(lru.len(), model.0.len());
                prop_assert!(lru.slots.len() <= capacity);
            }
        }
    }
}
