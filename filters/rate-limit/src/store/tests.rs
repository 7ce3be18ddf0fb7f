#![allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]

use std::cell::RefCell;
use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::fake::Memory;
use crate::gcra::Gcra;
use crate::key::Seed;

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_700_000_000 * SECOND;
const SLOTS: usize = 128;

fn rate(burst: u64) -> Policy {
    Policy::Rate(Gcra::new(1, 3_600 * SECOND, burst, false).unwrap())
}

fn names(own: u64) -> Names {
    Names { own, shared: Slot::shared(1) }
}

fn place(shard: u32, fingerprint: u64) -> Place {
    Place { shard, names: names(fingerprint) }
}

fn ask<'p>(policy: &'p Policy, place: Place, cost: u64) -> Ask<'p> {
    Ask { policy, place, demand: Demand { need: cost, take: cost, spare: 0 }, enforced: true }
}

fn store(on_full: OnFull) -> Store {
    Store::new(SLOTS, on_full)
}

fn admitted(store: &Store, memory: &impl Shards<Error = Infallible>, asks: &[Ask<'_>]) -> Vec<bool> {
    match store.ask(memory, NOW, asks).unwrap() {
        Outcome::Answered(answers) => answers.iter().map(|answer| answer.decision.admitted).collect(),
        Outcome::Contended => panic!("contended"),
    }
}

#[test]
fn where_one_limit_refuses_none_is_used_up() {
    let (memory, store) = (Memory::default(), store(OnFull::Share));
    let (few, many) = (rate(1), rate(5));
    let both = [ask(&many, place(0, 1), 1), ask(&few, place(1, 2), 1)];
    assert_eq!(admitted(&store, &memory, &both), [true, true]);
    for _ in 0..10 {
        assert_eq!(admitted(&store, &memory, &both), [true, false]);
    }
    let others = [ask(&many, place(0, 1), 4)];
    assert_eq!(admitted(&store, &memory, &others), [true], "only the first request was counted");
}

#[test]
fn costs_after_the_response_count_for_keys_without_room() {
    let policy = Policy::Rate(Gcra::new(1, 60 * SECOND, 5, true).unwrap());
    for (on_full, expected) in [
        (OnFull::Share, [true, false, false]),
        (OnFull::Deny, [false, false, false]),
        (OnFull::Allow, [true, true, true]),
    ] {
        let memory = Memory::default();
        let store = Store::new(1, on_full);
        store.charge(&memory, NOW, &policy, place(0, 1), 5).unwrap();
        let asks = |fingerprint| Ask {
            demand: Demand { need: 1, take: 0, spare: 0 },
            ..ask(&policy, place(0, fingerprint), 1)
        };
        let admits = |fingerprint| {
            let admitted = admitted(&store, &memory, &[asks(fingerprint)]) == [true];
            store.charge(&memory, NOW, &policy, place(0, fingerprint), 5).unwrap();
            admitted
        };
        assert_eq!([2, 2, 3].map(admits), expected, "{on_full:?}");
        assert_eq!(admitted(&store, &memory, &[asks(1)]), [false], "it has its place");
    }
}

#[test]
fn a_limit_that_is_not_enforced_refuses_nothing_and_takes_nothing_beyond_itself() {
    let (memory, store) = (Memory::default(), store(OnFull::Share));
    let (few, many) = (rate(1), rate(3));
    let both = [ask(&many, place(0, 1), 1), Ask { enforced: false, ..ask(&few, place(0, 2), 1) }];
    assert_eq!(admitted(&store, &memory, &both), [true, true]);
    assert_eq!(admitted(&store, &memory, &both), [true, false]);
    assert_eq!(admitted(&store, &memory, &both), [true, false]);
    assert_eq!(admitted(&store, &memory, &both), [false, false]);
}

#[test]
fn a_faster_worker_makes_the_decision_be_taken_anew() {
    let (memory, store) = (Memory::default(), store(OnFull::Share));
    memory.interrupted.set(15);
    assert_eq!(admitted(&store, &memory, &[ask(&rate(1), place(0, 1), 1)]), [true]);
    assert_eq!(store.take_events().retried, 15);
    assert_eq!(admitted(&store, &memory, &[ask(&rate(1), place(0, 1), 1)]), [false]);
}

#[test]
fn after_16_tries_nothing_is_taken() {
    let (memory, store) = (Memory::default(), store(OnFull::Share));
    let policy = rate(1);
    memory.interrupted.set(16);
    assert_eq!(store.ask(&memory, NOW, &[ask(&policy, place(0, 1), 1)]), Ok(Outcome::Contended));
    assert_eq!(admitted(&store, &memory, &[ask(&policy, place(0, 1), 1)]), [true]);
}

#[test]
fn who_has_stood_still_since_he_looked_at_the_clock_sets_no_time_back() {
    let (memory, store) = (Memory::default(), store(OnFull::Share));
    let policy = Policy::Rate(Gcra::new(1, SECOND, 5, true).unwrap());
    let asks = [ask(&policy, place(0, 1), 5)];
    let admits = |clock| {
        let Ok(Outcome::Answered(answers)) = store.ask(&memory, clock, &asks) else { panic!() };
        answers[0].decision.admitted
    };
    let later = NOW + 90 * SECOND;
    memory.now.set(later);
    assert!(admits(later));
    assert!(!admits(NOW) && !admits(later));
    store.charge(&memory, NOW, &policy, place(0, 2), 1).unwrap();
    assert!(!admits(later));
    memory.now.set(NOW);
    assert!(!admits(NOW), "the clock was set back");
    memory.now.set(NOW + 6 * SECOND);
    assert!(admits(NOW + 6 * SECOND));
}

/// Shards of which the second is always changed by somebody else first.
struct Contended(Memory);

impl Shards for Contended {
    type Version = u32;
    type Error = Infallible;

    fn now(&self) -> Result<u64, Infallible> {
        self.0.now()
    }

    fn read(&self, shard: u32) -> Result<(Vec<u8>, u32), Infallible> {
        self.0.read(shard)
    }

    fn replace(&self, shard: u32, version: u32, value: &[u8]) -> Result<bool, Infallible> {
        if shard == 1 { Ok(false) } else { self.0.replace(shard, version, value) }
    }
}

#[test]
fn what_was_taken_comes_back_when_another_limit_is_contended() {
    let (memory, store) = (Contended(Memory::default()), store(OnFull::Share));
    let policy = rate(2);
    let both = [ask(&policy, place(0, 1), 2), ask(&policy, place(1, 2), 1)];
    assert_eq!(store.ask(&memory, NOW, &both), Ok(Outcome::Contended));
    assert_eq!(store.take_events(), Events { retried: 16, ..Events::default() });
    assert_eq!(admitted(&store, &memory, &[ask(&policy, place(0, 1), 2)]), [true]);
}

fn fill(store: &Store, memory: &Memory, policy: &Policy) {
    for fingerprint in 0..128 {
        assert_eq!(admitted(store, memory, &[ask(policy, place(0, fingerprint), 1)]), [true]);
    }
}

#[test]
fn keys_without_room_share_what_one_may_have() {
    let (memory, store) = (Memory::default(), store(OnFull::Share));
    let policy = rate(3);
    fill(&store, &memory, &policy);
    for fingerprint in 1_000..1_003 {
        assert_eq!(admitted(&store, &memory, &[ask(&policy, place(0, fingerprint), 1)]), [true]);
    }
    for fingerprint in 1_003..1_100 {
        assert_eq!(admitted(&store, &memory, &[ask(&policy, place(0, fingerprint), 1)]), [false]);
    }
    assert_eq!(store.take_events().full, 100);
    assert_eq!(admitted(&store, &memory, &[ask(&policy, place(0, 5), 1)]), [true], "who has a slot keeps his budget");
    assert_eq!(admitted(&store, &memory, &[ask(&policy, place(1, 1_050), 1)]), [true], "another shard");
}

#[test]
fn keys_without_room_are_refused_or_admitted_as_the_config_says() {
    for (on_full, expected) in [(OnFull::Deny, false), (OnFull::Allow, true)] {
        let (memory, store) = (Memory::default(), store(on_full));
        let policy = rate(3);
        fill(&store, &memory, &policy);
        for _ in 0..10 {
            assert_eq!(admitted(&store, &memory, &[ask(&policy, place(0, 1_000), 1)]), [expected]);
        }
    }
}

#[test]
fn a_charge_without_room_is_borne_by_those_that_share() {
    let (memory, store) = (Memory::default(), store(OnFull::Share));
    let policy = rate(3);
    fill(&store, &memory, &policy);
    store.charge(&memory, NOW, &policy, place(0, 1_000), 3).unwrap();
    assert_eq!(admitted(&store, &memory, &[ask(&policy, place(0, 1_001), 1)]), [false]);
}

#[test]
fn a_charge_and_what_comes_back_are_tried_until_they_are_kept() {
    let (memory, store) = (Memory::default(), store(OnFull::Share));
    let policy = rate(5);
    memory.interrupted.set(15);
    store.charge(&memory, NOW, &policy, place(0, 1), 3).unwrap();
    let Ok(Outcome::Answered(answers)) = store.ask(&memory, NOW, &[ask(&policy, place(0, 1), 2)]) else { panic!() };
    assert_eq!(answers[0].decision.remaining, 0);
    memory.interrupted.set(15);
    store.give_back(&memory, NOW, &policy, 0, answers[0].taken).unwrap();
    assert_eq!(store.take_events(), Events::default());
    assert_eq!(admitted(&store, &memory, &[ask(&policy, place(0, 1), 3)]), [false]);
    assert_eq!(admitted(&store, &memory, &[ask(&policy, place(0, 1), 2)]), [true]);
}

#[test]
fn what_cannot_be_given_back_stays_taken_and_is_counted() {
    let (memory, store) = (Memory::default(), store(OnFull::Share));
    let policy = rate(1);
    let Ok(Outcome::Answered(answers)) = store.ask(&memory, NOW, &[ask(&policy, place(0, 1), 1)]) else { panic!() };
    memory.interrupted.set(16);
    store.give_back(&memory, NOW, &policy, 0, answers[0].taken).unwrap();
    assert_eq!(store.take_events(), Events { lost: 1, ..Events::default() });
    assert_eq!(admitted(&store, &memory, &[ask(&policy, place(0, 1), 1)]), [false]);
}

/// The same, with a million keys, is seen on Envoy.
#[test]
fn other_keys_bring_nothing_back_and_take_no_more_memory_however_many_come() {
    const SHARDS: u32 = 8;
    let (memory, store) = (Memory::default(), store(OnFull::Share));
    let policy = rate(2);
    let seed = Seed::from_bytes(&[7; 16]).unwrap();
    let key = |number: u32| {
        let mut key = seed.key(b"limit");
        key.part(&number.to_le_bytes());
        Place::new(key.hash(), SHARDS, 1)
    };
    let alice = [ask(&policy, key(u32::MAX), 2)];
    assert_eq!(admitted(&store, &memory, &alice), [true]);
    let mut half = 0;
    for number in 0..20_000 {
        admitted(&store, &memory, &[ask(&policy, key(number), 1)]);
        if number == 10_000 {
            half = memory.bytes();
        }
    }
    assert_eq!(admitted(&store, &memory, &alice), [false]);
    assert_eq!(memory.bytes(), half);
    assert!(memory.longest() <= crate::table::HEADER + 129 * crate::table::SLOT);
    assert!(store.take_events().full > 18_000);
}

proptest! {
    /// Workers whose steps mix: each reads, then is overtaken by others, then replaces.
    #[test]
    fn however_workers_mix_no_more_is_admitted_than_the_burst(schedule in prop::collection::vec(0_usize..4, 1..200), burst in 1_u64..10) {
        let memory = Memory::default();
        let policy = rate(burst);
        let workers: Vec<_> = (0..4).map(|_| RefCell::new(None)).collect();
        let mut count = 0;
        for worker in schedule {
            let mut view = workers[worker].borrow_mut();
            match view.take() {
                None => *view = Some(memory.read(0).unwrap()),
                Some((value, version)) => {
                    let mut table = Table::new(value, NOW);
                    let demand = Demand { need: 1, take: 1, spare: 0 };
                    let answer = policy.ask(&mut table, names(1), Whose::Own, demand, SLOTS).unwrap();
                    let replaced = table.changed().is_some_and(|value| memory.replace(0, version, value).unwrap());
                    count += u64::from(answer.decision.admitted && replaced);
                }
            }
        }
        prop_assert!(count <= burst);
    }

    #[test]
    fn contention_never_lets_through_more_than_all_limits_allow(
        interruptions in prop::collection::vec(0_u32..20, 1..60), bursts in [1_u64..8, 1_u64..8],
    ) {
        let (memory, store) = (Memory::default(), store(OnFull::Share));
        let policies = bursts.map(rate);
        let mut count = 0;
        for interrupted in interruptions {
            memory.interrupted.set(interrupted);
            let asks = [ask(&policies[0], place(0, 1), 1), ask(&policies[1], place(1, 2), 1)];
            if let Outcome::Answered(answers) = store.ask(&memory, NOW, &asks).unwrap() {
                count += u64::from(answers.iter().all(|answer| answer.decision.admitted));
            }
        }
        prop_assert!(count <= bursts[0].min(bursts[1]));
    }
}
