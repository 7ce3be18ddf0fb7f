#![allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]

use proptest::prelude::*;

use super::*;

const ROOM: Room = Room { slots: 4, horizon: 1_000 };
const NOW: u64 = 10_000;

fn slot(fingerprint: u64, until: u64) -> Slot {
    Slot { until, fingerprint, generation: 0, count: 1 }
}

fn full() -> Table {
    let mut table = Table::default();
    for fingerprint in 0..4 {
        table.put(slot(fingerprint, NOW + 10 + fingerprint), NOW, ROOM).unwrap();
    }
    table
}

#[test]
fn a_slot_is_24_bytes() {
    let table = full();
    assert_eq!(table.changed().unwrap().len(), 4 * SLOT);
    assert_eq!(Slot::default().to_bytes().len(), 24);
}

#[test]
fn a_slot_comes_out_as_it_went_in() {
    let whole = Slot { until: u64::MAX - 1, fingerprint: 2, generation: 3, count: 4 };
    assert_eq!(Slot::read(&whole.to_bytes()), whole);
}

#[test]
fn a_slot_counts_until_its_time_has_passed() {
    let table = full();
    assert_eq!(table.get(0, 0, NOW + 9), Some(slot(0, NOW + 10)));
    assert_eq!(table.get(0, 0, NOW + 10), None);
    assert_eq!(table.get(0, 1, NOW), None, "another generation");
}

#[test]
fn nothing_that_counts_is_evicted() {
    let mut table = full();
    assert_eq!(table.put(slot(9, NOW + 500), NOW, ROOM), Err(Full));
    for fingerprint in 0..4 {
        assert!(table.get(fingerprint, 0, NOW).is_some());
    }
    assert_eq!(table.put(slot(9, NOW + 500), NOW + 10, ROOM), Ok(()), "the first has passed");
    assert!(table.get(9, 0, NOW + 10).is_some() && table.get(1, 0, NOW + 10).is_some());
}

#[test]
fn a_key_keeps_its_place_in_a_full_table() {
    let mut table = full();
    table.put(slot(2, NOW + 700), NOW, ROOM).unwrap();
    assert_eq!(table.get(2, 0, NOW).unwrap().until, NOW + 700);
    assert_eq!(table.changed().unwrap().len(), 4 * SLOT);
}

#[test]
fn keys_that_share_have_places_of_their_own() {
    let mut table = full();
    let shared = |number| Slot { fingerprint: Slot::shared(number), ..slot(0, NOW + 50) };
    for number in 0..64 {
        table.put(shared(number), NOW, ROOM).unwrap();
    }
    assert_eq!(table.put(shared(64), NOW, ROOM), Err(Full));
    assert!(table.get(0, 0, NOW).is_some());
}

#[test]
fn a_single_key_never_has_the_fingerprint_of_those_that_share() {
    for hash in [0, u64::MAX, SHARED, SHARED - 1] {
        assert_ne!(Slot::single(hash), Slot::shared(hash));
    }
}

#[test]
fn a_time_that_cannot_be_gives_way_when_there_is_no_other_room() {
    let mut table = full();
    table.put(slot(3, NOW + 5_000), NOW, ROOM).unwrap();
    assert_eq!(table.put(slot(9, NOW + 1), NOW, ROOM), Ok(()));
    assert_eq!(table.get(3, 0, NOW), None);
    let mut roomy = Table::default();
    roomy.put(slot(3, NOW + 5_000), NOW, ROOM).unwrap();
    roomy.put(slot(9, NOW + 1), NOW, ROOM).unwrap();
    assert!(roomy.get(3, 0, NOW).is_some(), "there was other room");
}

#[test]
fn a_table_becomes_short_again() {
    let mut table = full();
    table.put(slot(0, NOW + 2_000), NOW + 1_000, ROOM).unwrap();
    assert_eq!(table.changed().unwrap().len(), SLOT);
}

/// The table in the README: shards, keys and KiB of a store in which no shard has room for anything more.
#[test]
fn the_readmes_sizes_are_those_of_full_tables() {
    let room = Room { slots: 128, horizon: 1_000 };
    let mut table = Table::default();
    for number in 0..200 {
        let until = NOW + 10;
        let _ = table.put(Slot { until, fingerprint: Slot::single(number), ..Slot::default() }, NOW, room);
        let _ = table.put(Slot { until, fingerprint: Slot::shared(number), ..Slot::default() }, NOW, room);
    }
    let bytes = table.changed().unwrap().len();
    assert!(bytes <= 4_608, "4.5 KiB");
    let readme = include_str!("../../README.md").split("## How bounded").nth(1).unwrap();
    let mut rows = 0;
    for line in
        readme.lines().skip_while(|line| !line.starts_with("|---")).skip(1).take_while(|line| line.starts_with('|'))
    {
        let numbers: Vec<usize> =
            line.split('|').filter_map(|cell| cell.split_whitespace().next()?.parse().ok()).collect();
        let [shards, keys, kib] = numbers[..] else { panic!("{line}") };
        assert_eq!((keys, kib), (shards * 128, shards * bytes / 1_024), "{line}");
        rows += 1;
    }
    assert_eq!(rows, 4);
}

proptest! {
    #[test]
    fn any_bytes_are_a_table_that_stays_bounded(
        bytes in prop::collection::vec(any::<u8>(), 0..5_000), puts: Vec<(u64, u64, u32)>, now: u64,
    ) {
        let before = bytes.len();
        let mut table = Table::new(bytes);
        for (until, fingerprint, generation) in puts {
            let slot = Slot { until, fingerprint, generation, count: 1 };
            if table.put(slot, now, ROOM).is_ok() && until > now {
                prop_assert_eq!(table.get(fingerprint, generation, now), Some(slot));
            }
        }
        let most = before + (ROOM.slots + SHARED_SLOTS) * SLOT;
        prop_assert!(table.changed().unwrap_or_default().len() <= most);
    }

    #[test]
    fn a_table_is_a_map_that_forgets_only_what_has_passed(
        puts in prop::collection::vec((0..8_u64, 1..50_u64, 0..20_u64), 0..100),
    ) {
        let mut table = Table::default();
        let mut model = std::collections::BTreeMap::new();
        let mut now = NOW;
        for (fingerprint, lasts, wait) in puts {
            now += wait;
            model.retain(|_, until| *until > now);
            let result = table.put(slot(fingerprint, now + lasts), now, ROOM);
            let fits = model.contains_key(&fingerprint) || model.len() < ROOM.slots;
            prop_assert_eq!(result.is_ok(), fits);
            if fits {
                model.insert(fingerprint, now + lasts);
            }
            for fingerprint in 0..8 {
                prop_assert_eq!(table.get(fingerprint, 0, now).map(|slot| slot.until), model.get(&fingerprint).copied());
            }
        }
    }
}
