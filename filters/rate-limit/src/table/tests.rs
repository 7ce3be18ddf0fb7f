#![allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]

use proptest::prelude::*;

use super::*;

const SLOTS: usize = 4;
const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_700_000_000 * SECOND;

fn slot(fingerprint: u64, until: u64) -> Slot {
    Slot { until, fingerprint, generation: 0, count: 1 }
}

fn empty() -> Table {
    Table::new(Vec::new(), NOW)
}

fn full() -> Table {
    let mut table = empty();
    for fingerprint in 0..4 {
        table.put(slot(fingerprint, NOW + 10 + fingerprint), SLOTS).unwrap();
    }
    table
}

/// The table as another worker sees it, at another time.
fn at(table: &Table, clock: u64) -> Table {
    Table::new(table.changed().unwrap().to_vec(), clock)
}

#[test]
fn a_slot_is_24_bytes() {
    assert_eq!(full().changed().unwrap().len(), HEADER + 4 * SLOT);
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
    assert_eq!(at(&table, NOW + 9).get(0, 0), Some(slot(0, NOW + 10)));
    assert_eq!(at(&table, NOW + 10).get(0, 0), None);
    assert_eq!(table.get(0, 1), None, "another generation");
}

#[test]
fn nothing_that_counts_is_evicted() {
    let mut table = full();
    assert_eq!(table.put(slot(9, NOW + 500), SLOTS), Err(Full));
    for fingerprint in 0..4 {
        assert!(table.get(fingerprint, 0).is_some());
    }
    let mut table = at(&table, NOW + 10);
    assert_eq!(table.put(slot(9, NOW + 500), SLOTS), Ok(()), "the first has passed");
    assert!(table.get(9, 0).is_some() && table.get(1, 0).is_some());
}

/// What one config holds against a key for ten years, another that knows of seconds alone does not evict.
#[test]
fn a_slot_counts_however_long_it_lasts() {
    let mut table = empty();
    for fingerprint in 0..4 {
        table.put(slot(fingerprint, NOW + gcra::FURTHEST), SLOTS).unwrap();
    }
    assert_eq!(table.put(slot(9, NOW + 1), SLOTS), Err(Full));
}

#[test]
fn a_time_that_nothing_leads_to_does_not_count() {
    let date = Kind::Date.generation(1);
    for (generation, furthest) in [(0, gcra::FURTHEST), (date, MONTH)] {
        let mut table = empty();
        table.put(Slot { generation, ..slot(1, NOW + furthest) }, 1).unwrap();
        assert!(table.get(1, generation).is_some());
        table.put(Slot { generation, ..slot(1, NOW + furthest + 1) }, 1).unwrap();
        assert!(table.get(1, generation).is_none());
        assert_eq!(table.put(slot(2, NOW + 1), 1), Ok(()));
    }
}

#[test]
fn a_key_keeps_its_place_in_a_full_table() {
    let mut table = full();
    table.put(slot(2, NOW + 700), SLOTS).unwrap();
    assert_eq!(table.get(2, 0).unwrap().until, NOW + 700);
    assert_eq!(table.changed().unwrap().len(), HEADER + 4 * SLOT);
}

#[test]
fn a_key_that_begins_anew_takes_the_place_that_it_left() {
    let mut table = at(&full(), NOW + 12);
    table.put(Slot { generation: 5, ..slot(2, NOW + 50) }, SLOTS).unwrap();
    assert_eq!(table.slots().filter(|slot| slot.fingerprint == 2).count(), 1);
}

#[test]
fn keys_that_share_have_places_of_their_own() {
    let mut table = full();
    let shared = |number| Slot { fingerprint: Slot::shared(number), ..slot(0, NOW + 50) };
    for number in 0..63 {
        table.put(shared(number), SLOTS).unwrap();
    }
    assert_eq!(table.put(shared(63), SLOTS), Err(Full));
    assert!(table.get(0, 0).is_some());
}

#[test]
fn a_single_key_never_has_the_fingerprint_of_those_that_share() {
    for hash in [0, u64::MAX, SHARED, SHARED - 1] {
        assert_ne!(Slot::single(hash), Slot::shared(hash));
    }
}

#[test]
fn a_table_becomes_short_again() {
    let mut table = at(&full(), NOW + 1_000);
    table.put(slot(0, NOW + 2_000), SLOTS).unwrap();
    assert_eq!(table.changed().unwrap().len(), HEADER + SLOT);
}

#[test]
fn a_worker_whose_clock_is_behind_sees_what_another_freed_as_free() {
    let mut table = at(&full(), NOW + 30 * SECOND);
    table.put(slot(9, NOW + 31 * SECOND), SLOTS).unwrap();
    let behind = at(&table, NOW);
    assert_eq!((behind.now(), behind.changed()), (NOW + 30 * SECOND, None));
}

#[test]
fn a_clock_that_is_set_back_leaves_of_each_time_what_was_left() {
    let mut table = empty();
    let hour = 3_600 * SECOND;
    let slots = [Kind::Rate, Kind::Places, Kind::Date]
        .map(|kind| Slot { generation: kind.generation(7), ..slot(kind as u64, NOW + 5 * SECOND) });
    for slot in slots {
        table.put(slot, SLOTS).unwrap();
    }
    let back = at(&table, NOW - hour);
    assert!(back.changed().is_some(), "it is to be kept");
    let [rate, places, date] = [0, 1, 2].map(|fingerprint| back.of(fingerprint).next().unwrap());
    assert_eq!(places, Slot { until: NOW - hour + 5 * SECOND, ..slots[1] });
    assert_eq!(date, slots[2]);
    let slot = Slot { until: NOW - hour + 5 * SECOND, ..slots[0] };
    assert_eq!(rate, slot.renewed(), "what was taken before does not come back");
    assert_eq!(at(&back, NOW - hour).changed(), None);
}

#[test]
fn a_renewed_slot_stays_in_its_place_and_has_another_generation_although_no_time_has_passed() {
    let mut table = empty();
    let old = Slot { generation: Kind::Rate.generation(u64::MAX), ..slot(1, NOW + 5) };
    table.put(old, 1).unwrap();
    table.replace(old, old.renewed());
    assert_eq!(table.of(1).collect::<Vec<_>>(), [Slot { generation: Kind::Rate.generation(0), count: 0, ..old }]);
    assert_eq!(Kind::Rate.generation(0), 0, "of the same kind");
}

#[test]
fn generations_of_one_kind_are_none_of_another() {
    for number in [0, 1, u64::from(u32::MAX), u64::MAX] {
        let generations = [Kind::Rate, Kind::Places, Kind::Date].map(|kind| kind.generation(number));
        assert_eq!(generations.map(|generation| generation >> 30), [0, 1, 2]);
        assert_eq!(generations.map(|generation| generation << 2), [(number as u32) << 2; 3]);
    }
}

/// The table in the README: shards, keys and KiB of a store in which no shard has room for anything more.
#[test]
fn the_readmes_sizes_are_those_of_full_tables() {
    let mut table = empty();
    for number in 0..200 {
        let until = NOW + 10;
        let _ = table.put(Slot { until, fingerprint: Slot::single(number), ..Slot::default() }, 128);
        let _ = table.put(Slot { until, fingerprint: Slot::shared(number), ..Slot::default() }, 128);
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
        let mut table = Table::new(bytes, now);
        for (until, fingerprint, generation) in puts {
            let slot = Slot { until, fingerprint, generation, count: 1 };
            if table.put(slot, SLOTS).is_ok() && slot.is_live(table.now()) {
                prop_assert_eq!(table.get(fingerprint, generation), Some(slot));
            }
        }
        let most = HEADER + before + (SLOTS + SHARED_SLOTS) * SLOT;
        prop_assert!(table.changed().unwrap_or_default().len() <= most);
    }

    #[test]
    fn a_table_is_a_map_that_forgets_only_what_has_passed(
        puts in prop::collection::vec((0..8_u64, 1..50_u64, 0..20_u64), 0..100),
    ) {
        let mut bytes = Vec::new();
        let mut model = std::collections::BTreeMap::new();
        let mut now = NOW;
        for (fingerprint, lasts, wait) in puts {
            now += wait;
            model.retain(|_, until| *until > now);
            let mut table = Table::new(bytes.clone(), now);
            let result = table.put(slot(fingerprint, now + lasts), SLOTS);
            let fits = model.contains_key(&fingerprint) || model.len() < SLOTS;
            prop_assert_eq!(result.is_ok(), fits);
            if fits {
                model.insert(fingerprint, now + lasts);
            }
            for fingerprint in 0..8 {
                prop_assert_eq!(table.get(fingerprint, 0).map(|slot| slot.until), model.get(&fingerprint).copied());
            }
            bytes = table.changed().map_or(bytes, <[u8]>::to_vec);
        }
    }
}
