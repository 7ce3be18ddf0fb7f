//! Replay: what was accepted and would be again, over all workers.
//!
//! The memory is a fixed number of shards, each a list of entries: 16 bytes of a stamp, 4 of its client, and the last
//! second, as 32 bits little-endian, in which what bears it counts. The first byte of a shard says how it is laid out.
//! Expired entries leave a shard with its next change. A full shard takes up nothing more: to forget an entry that still
//! counts would let it in again. From the half on it takes up no more of one client than that client's share, lest one
//! client fill it for all; before that there is room for everybody, and a share of few entries is soon used up, since
//! stamps fall unevenly.

/// How many shards there are. Their names are fixed, since shared data cannot be deleted.
pub const SHARDS: u8 = 64;

const LAYOUT: u8 = 2;
const STAMP: usize = 16;
const CLIENT: usize = 4;
const ENTRY: usize = 24;

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

/// How much a shard holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The most entries.
    pub all: usize,
    /// The most entries of one client, once half of all are taken.
    pub of_one: usize,
}

impl Capacity {
    /// Of each shard, where so many entries of so many clients are remembered.
    #[must_use]
    pub fn new(entries: usize, clients: usize) -> Self {
        let all = entries.div_ceil(usize::from(SHARDS));
        Self { all, of_one: all.div_ceil(clients.max(1)) }
    }
}

/// The shard of a stamp.
#[must_use]
pub fn shard(stamp: &[u8; 32]) -> u8 {
    let [.., last] = stamp;
    last % SHARDS
}

/// Remembers a stamp in its shard: what came of it, and the shard's new value where it is changed.
///
/// `client` is the hash of the client's name, `now` and `until` are in seconds since the Unix epoch.
#[must_use]
pub fn remember(
    shard: Option<&[u8]>,
    (stamp, client): (&[u8; 32], &[u8; 32]),
    until: u64,
    now: u64,
    capacity: Capacity,
) -> (Entry, Option<Vec<u8>>) {
    let entries = match shard {
        Some([LAYOUT, entries @ ..]) => entries.as_chunks::<ENTRY>().0,
        // Never set, or laid out by another version.
        _ => &[],
    };
    let Some(stamp) = stamp.first_chunk::<STAMP>() else { return (Entry::Full, None) };
    let Some(client) = client.first_chunk::<CLIENT>() else { return (Entry::Full, None) };
    let mut value = Vec::with_capacity(entries.len().saturating_add(1).saturating_mul(ENTRY).saturating_add(1));
    value.push(LAYOUT);
    let (mut all, mut of_one) = (0_usize, 0_usize);
    for entry in entries {
        let [name @ .., a, b, c, d] = entry;
        if u64::from(u32::from_le_bytes([*a, *b, *c, *d])) < now {
            continue;
        }
        if name.starts_with(stamp) {
            return (Entry::Seen, None);
        }
        all = all.saturating_add(1);
        of_one = of_one.saturating_add(usize::from(name.ends_with(client)));
        value.extend_from_slice(entry);
    }
    if all >= capacity.all || (of_one >= capacity.of_one && all >= capacity.all >> 1) {
        return (Entry::Full, None);
    }
    value.extend_from_slice(stamp);
    value.extend_from_slice(client);
    value.extend_from_slice(&u32::try_from(until).unwrap_or(u32::MAX).to_le_bytes());
    (Entry::New, Some(value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const ANY: &[u8; 32] = &[9; 32];

    fn stamp(number: u8) -> [u8; 32] {
        [number; 32]
    }

    fn remember(shard: Option<&[u8]>, stamp: &[u8; 32], until: u64, now: u64, all: usize) -> (Entry, Option<Vec<u8>>) {
        super::remember(shard, (stamp, ANY), until, now, Capacity { all, of_one: all })
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
    fn of_a_shard_that_is_half_full_no_client_takes_more_than_its_share() {
        assert_eq!(Capacity::new(65_536, 1), Capacity { all: 1024, of_one: 1024 });
        assert_eq!(Capacity::new(64, 3), Capacity { all: 1, of_one: 1 });
        let capacity = Capacity::new(64 * 6, 2);
        let (mut value, mut taken) = (None::<Vec<u8>>, [0, 0]);
        for number in 0..20 {
            // The first client is there first, and ten times as often.
            let client = usize::from(number > 10);
            let (entry, new) =
                super::remember(value.as_deref(), (&stamp(number), &[client as u8; 32]), 100, 50, capacity);
            if entry == Entry::New {
                (value, taken[client]) = (new, taken[client] + 1);
            }
        }
        assert_eq!(taken, [3, 3]);
    }

    /// Catches a share that refuses signatures while there is room: they fall unevenly upon the shards.
    #[test]
    fn in_a_memory_with_room_no_client_is_refused_however_many_there_are() {
        let capacity = Capacity::new(65_536, 1_024);
        assert_eq!(capacity, Capacity { all: 1_024, of_one: 1 });
        let mut value = None::<Vec<u8>>;
        for number in 0..512_u16 {
            let mut stamp = [0; 32];
            stamp[..2].copy_from_slice(&number.to_le_bytes());
            let (entry, new) = super::remember(value.as_deref(), (&stamp, ANY), 100, 50, capacity);
            assert_eq!(entry, Entry::New, "{number}");
            value = new;
        }
        assert_eq!(super::remember(value.as_deref(), (&[8; 32], ANY), 100, 50, capacity).0, Entry::Full);
        for client in 10..200 {
            let (entry, new) = super::remember(value.as_deref(), (&[client; 32], &[client; 32]), 100, 50, capacity);
            assert_eq!(entry, Entry::New, "the first of client {client}");
            value = new;
        }
    }

    #[test]
    fn another_layout_is_begun_anew() {
        for value in [&b""[..], b"\0", b"\x01aaaaaaaaaaaaaaaaaaaaaaa"] {
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
