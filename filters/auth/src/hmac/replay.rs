//! Replay: what was accepted and would be again, over all workers.
//!
//! The memory is a fixed number of shards, each a list of entries: 16 bytes of a stamp and the last second, as 32 bits
//! little-endian, in which what bears it counts. The first byte of a shard says how it is laid out. Expired entries leave
//! a shard with its next change. A full shard takes up nothing more: to forget an entry that still counts would let it
//! in again.

/// How many shards there are. Their names are fixed, since shared data cannot be deleted.
pub const SHARDS: u8 = 64;

const LAYOUT: u8 = 1;
const STAMP: usize = 16;
const ENTRY: usize = 20;

/// What came of an attempt to remember a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is new.
    New,
    /// It was there.
    Seen,
    /// There is no room.
    Full,
}

/// The shard of a stamp.
#[must_use]
pub fn shard(stamp: &[u8; 32]) -> u8 {
    let [.., last] = stamp;
    last % SHARDS
}

/// Remembers a stamp in its shard: what came of it, and the shard's new value where it is changed.
///
/// `capacity` is the most entries of the shard, `now` and `until` are in seconds since the Unix epoch.
#[must_use]
pub fn remember(
    shard: Option<&[u8]>,
    stamp: &[u8; 32],
    until: u64,
    now: u64,
    capacity: usize,
) -> (Entry, Option<Vec<u8>>) {
    let entries = match shard {
        Some([LAYOUT, entries @ ..]) => entries.as_chunks::<ENTRY>().0,
        // Never set, or laid out by another version.
        _ => &[],
    };
    let Some(own) = stamp.first_chunk::<STAMP>() else { return (Entry::Full, None) };
    let mut value = Vec::with_capacity(entries.len().saturating_add(1).saturating_mul(ENTRY).saturating_add(1));
    value.push(LAYOUT);
    let mut counting = 0_usize;
    for entry in entries {
        let [stamp @ .., a, b, c, d] = entry;
        if u64::from(u32::from_le_bytes([*a, *b, *c, *d])) < now {
            continue;
        }
        if stamp == own {
            return (Entry::Seen, None);
        }
        counting = counting.saturating_add(1);
        value.extend_from_slice(entry);
    }
    if counting >= capacity {
        return (Entry::Full, None);
    }
    value.extend_from_slice(own);
    value.extend_from_slice(&u32::try_from(until).unwrap_or(u32::MAX).to_le_bytes());
    (Entry::New, Some(value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn stamp(number: u8) -> [u8; 32] {
        [number; 32]
    }

    #[test]
    fn what_was_seen_is_seen_as_long_as_it_counts() {
        let (entry, value) = remember(None, &stamp(1), 100, 50, 2);
        assert_eq!(entry, Entry::New);
        let value = value.unwrap();
        assert_eq!(remember(Some(&value), &stamp(1), 100, 100, 2), (Entry::Seen, None));
        assert_eq!(remember(Some(&value), &stamp(1), 200, 101, 2).0, Entry::New);
        assert_eq!(remember(Some(&value), &stamp(2), 100, 100, 2).0, Entry::New);
    }

    #[test]
    fn a_full_shard_takes_up_nothing_until_an_entry_has_expired() {
        let value = remember(None, &stamp(1), 100, 50, 1).1.unwrap();
        assert_eq!(remember(Some(&value), &stamp(2), 200, 100, 1), (Entry::Full, None));
        assert_eq!(remember(Some(&value), &stamp(1), 200, 100, 1), (Entry::Seen, None));
        let (entry, value) = remember(Some(&value), &stamp(2), 200, 101, 1);
        assert_eq!((entry, value.unwrap().len()), (Entry::New, 1 + ENTRY));
    }

    #[test]
    fn another_layout_is_begun_anew() {
        for value in [&b""[..], b"\0", b"\x02aaaaaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(remember(Some(value), &stamp(1), 100, 50, 1).1.unwrap().len(), 1 + ENTRY);
        }
    }

    #[test]
    fn every_shard_is_used() {
        let used: std::collections::BTreeSet<_> = (0..=255).map(|number| shard(&stamp(number))).collect();
        assert_eq!(used.len(), usize::from(SHARDS));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_map(steps in proptest::collection::vec((0..12_u8, 0..30_u64, 0..6_u64), 0..80), capacity in 1..8_usize) {
            let (mut value, mut model, mut now) = (None, BTreeMap::new(), 1000_u64);
            for (number, age, pause) in steps {
                now = now.strict_add(pause);
                model.retain(|_, until| *until >= now);
                let expected = match (model.contains_key(&number), model.len() < capacity) {
                    (true, _) => Entry::Seen,
                    (false, false) => Entry::Full,
                    (false, true) => Entry::New,
                };
                let (entry, new) = remember(value.as_deref(), &stamp(number), now.strict_add(age), now, capacity);
                prop_assert_eq!(entry, expected);
                prop_assert_eq!(new.is_some(), entry == Entry::New);
                if entry == Entry::New {
                    model.insert(number, now.strict_add(age));
                    value = new;
                }
                prop_assert!(value.as_ref().is_none_or(|value| value.len() <= capacity.strict_mul(ENTRY).strict_add(1)));
            }
        }
    }
}
