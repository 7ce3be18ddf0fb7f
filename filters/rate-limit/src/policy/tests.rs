#![allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

mod sharing;

const SLOTS: usize = 128;
const SECOND: u64 = 1_000_000_000;
/// 2024-02-29 13:04:05 UTC.
const NOW: u64 = 1_709_211_845 * SECOND;
const ONE: Demand = Demand { need: 1, take: 1, spare: 0 };
const MIDNIGHT: u64 = 1_709_251_200 * SECOND;
const NAMES: Names = Names { own: 7, shared: 1 << 63 };

/// A shard of which all workers see what one of them changed.
struct Shard(Vec<u8>);

impl Shard {
    fn new() -> Self {
        Self(Vec::new())
    }

    /// What comes of the table at a time.
    fn at<T>(&mut self, clock: u64, change: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = Table::new(self.0.clone(), clock);
        let result = change(&mut table);
        if let Some(bytes) = table.changed() {
            self.0 = bytes.to_vec();
        }
        result
    }

    fn demand(&mut self, policy: &Policy, demand: Demand, clock: u64) -> Answer {
        self.at(clock, |table| policy.ask(table, NAMES, Whose::Own, demand, SLOTS)).unwrap()
    }

    fn ask(&mut self, policy: &Policy, clock: u64) -> Answer {
        self.demand(policy, ONE, clock)
    }

    /// How many are admitted until one is refused.
    fn ask_all(&mut self, policy: &Policy, clock: u64) -> u64 {
        (0..).find(|_| !self.ask(policy, clock).decision.admitted).unwrap()
    }

    fn give_back(&mut self, policy: &Policy, taken: Taken, clock: u64) {
        self.at(clock, |table| policy.give_back(table, taken, SLOTS));
    }

    fn slots(&mut self, clock: u64) -> usize {
        self.at(clock, |table| table.of(NAMES.own).count())
    }
}

fn rate(burst: u64) -> Policy {
    Policy::Rate(Gcra::new(1, SECOND, burst, false).unwrap())
}

#[test]
fn a_quota_begins_anew_at_midnight() {
    let policy = Policy::Quota { count: 2, unit: Unit::Day };
    let mut shard = Shard::new();
    assert_eq!(shard.ask(&policy, NOW).decision.remaining, 1);
    assert_eq!(shard.ask(&policy, NOW).decision.remaining, 0);
    let refused = shard.ask(&policy, NOW).decision;
    assert_eq!((refused.admitted, refused.retry), (false, Some(MIDNIGHT - NOW)));
    assert!(!shard.ask(&policy, MIDNIGHT - 1).decision.admitted);
    assert!(shard.ask(&policy, MIDNIGHT).decision.admitted);
}

#[test]
fn a_worker_that_is_past_midnight_renews_nothing_for_those_that_are_not() {
    let policy = Policy::Quota { count: 1, unit: Unit::Day };
    let other = Names { own: 8, ..NAMES };
    let mut shard = Shard::new();
    assert!(shard.ask(&policy, MIDNIGHT - SECOND).decision.admitted);
    shard.at(MIDNIGHT, |table| policy.ask(table, other, Whose::Own, ONE, SLOTS)).unwrap();
    let admitted =
        (0..50).filter(|second| shard.ask(&policy, MIDNIGHT - 50 * SECOND + second * SECOND).decision.admitted);
    assert_eq!(admitted.count(), 1, "that of the new day");
    assert!(!shard.ask(&policy, MIDNIGHT + SECOND).decision.admitted);
}

#[test]
fn a_quota_that_is_used_up_stays_so_when_the_clock_is_set_back_within_its_day() {
    let policy = Policy::Quota { count: 1, unit: Unit::Day };
    let mut shard = Shard::new();
    assert!(shard.ask(&policy, NOW).decision.admitted);
    for hours in 1..13 {
        assert!(!shard.ask(&policy, NOW - hours * HOUR).decision.admitted);
    }
    assert!(!shard.ask(&policy, MIDNIGHT - 1).decision.admitted);
}

#[test]
fn a_quota_never_grants_more_than_it_has() {
    let policy = Policy::Quota { count: 5, unit: Unit::Day };
    let mut shard = Shard::new();
    let mut demand = |need| shard.demand(&policy, Demand { need, take: need, spare: 0 }, NOW);
    assert_eq!(demand(6).decision.retry, None, "never");
    assert!(demand(3).decision.admitted);
    let refused = demand(3).decision;
    assert_eq!((refused.admitted, refused.remaining, refused.retry), (false, 2, Some(MIDNIGHT - NOW)));
    assert!(demand(2).decision.admitted);
}

#[test]
fn what_comes_back_to_a_quota_comes_back_to_its_own_day() {
    let policy = Policy::Quota { count: 1, unit: Unit::Day };
    let mut shard = Shard::new();
    let taken = shard.ask(&policy, NOW).taken;
    shard.give_back(&policy, taken, NOW);
    let taken = shard.ask(&policy, NOW).taken;
    assert_eq!(taken.amount, 1);
    assert_eq!(shard.ask(&policy, MIDNIGHT).taken.amount, 1);
    shard.give_back(&policy, taken, MIDNIGHT);
    assert!(!shard.ask(&policy, MIDNIGHT).decision.admitted);
}

#[test]
fn a_charge_counts_against_a_quota_beyond_its_end() {
    let policy = Policy::Quota { count: 5, unit: Unit::Day };
    let mut shard = Shard::new();
    for cost in [u64::MAX, 1] {
        shard.at(NOW, |table| policy.charge(table, NAMES, Whose::Own, cost, SLOTS)).unwrap();
    }
    assert_eq!(shard.ask(&policy, NOW).decision.remaining, 0);
}

#[test]
fn spare_tokens_leave_half_of_the_rest_to_others() {
    let policy = rate(20);
    let mut shard = Shard::new();
    let spare = Demand { need: 1, take: 1, spare: 9 };
    let taken: Vec<_> = (0..6).map(|_| shard.demand(&policy, spare, NOW).taken.amount).collect();
    assert_eq!(taken, [10, 5, 3, 1, 1, 0]);
}

#[test]
fn a_key_regains_its_tokens_after_the_clock_was_set_back_as_if_it_had_not_been() {
    let policy = rate(5);
    let mut shard = Shard::new();
    for _ in 0..5 {
        assert!(shard.ask(&policy, NOW).decision.admitted);
    }
    let back = NOW - HOUR;
    let admitted: Vec<_> =
        (0..40).filter(|tenths| shard.ask(&policy, back + tenths * SECOND / 10).decision.admitted).collect();
    assert_eq!(admitted, [10, 20, 30]);
}

#[test]
fn all_that_is_refused_at_once_comes_back_in_whatever_order() {
    let policy = rate(100);
    for step in [1, 37, 99] {
        let mut shard = Shard::new();
        let taken: Vec<_> = (0..100).map(|_| shard.ask(&policy, NOW).taken).collect();
        for number in 0..100 {
            shard.give_back(&policy, taken[number * step % 100], NOW);
        }
        let admitted = (0..200).filter(|_| shard.ask(&policy, NOW).decision.admitted).count();
        assert_eq!(admitted, 100, "every {step}th");
    }
}

#[test]
fn what_comes_back_in_its_order_comes_back_although_it_is_regained_faster() {
    let policy = Policy::Rate(Gcra::new(1_000, SECOND, 100, false).unwrap());
    let mut shard = Shard::new();
    let taken: Vec<_> = (0..100).map(|_| shard.ask(&policy, NOW).taken).collect();
    let later = NOW + SECOND / 50;
    for taken in taken {
        shard.give_back(&policy, taken, later);
    }
    assert_eq!((0..200).filter(|_| shard.ask(&policy, later).decision.admitted).count(), 100);
}

#[test]
fn however_much_came_back_meanwhile_nothing_comes_back_that_was_regained() {
    const BURST: u64 = 10;
    let policy = Policy::Rate(Gcra::new(BURST, SECOND, BURST, false).unwrap());
    let half_regained = NOW + SECOND / 2 - 1;
    let mut shard = Shard::new();
    let mut taken: Vec<_> = (0..BURST).map(|_| shard.ask(&policy, NOW).taken).collect();
    let second = taken.split_off(taken.len() / 2);
    for taken in taken {
        shard.give_back(&policy, taken, NOW);
    }
    for rounds in 0..BURST * 200 {
        let answer = shard.ask(&policy, NOW);
        assert!(answer.decision.admitted);
        shard.give_back(&policy, answer.taken, NOW);
        let mut later = Shard(shard.0.clone());
        let before = later.ask_all(&policy, half_regained);
        for taken in &second {
            later.give_back(&policy, *taken, half_regained);
        }
        let admitted = before + later.ask_all(&policy, half_regained);
        assert!(admitted <= BURST, "{admitted} after {rounds} rounds");
    }
}

#[test]
fn places_come_back_and_are_there_again() {
    let policy = Policy::Concurrency { count: 2, max_duration: 8 * SECOND };
    let mut shard = Shard::new();
    let later = NOW + 3 * SECOND;
    let first = shard.ask(&policy, NOW).taken;
    let second = shard.ask(&policy, later).taken;
    let refused = shard.ask(&policy, later).decision;
    assert_eq!((refused.admitted, refused.retry), (false, Some(SECOND)));
    shard.give_back(&policy, first, later);
    shard.give_back(&policy, second, later);
    assert_eq!(shard.slots(later), 0, "and their slots are free");
    assert_eq!(shard.ask(&policy, later).decision.remaining, 1);
}

#[test]
fn a_lost_place_comes_free_although_others_come_and_go() {
    let policy = Policy::Concurrency { count: 2, max_duration: 8 * SECOND };
    let mut shard = Shard::new();
    shard.ask(&policy, NOW);
    for second in 1..=9 {
        let now = NOW + second * SECOND;
        let answer = shard.ask(&policy, now);
        assert_eq!(answer.decision.remaining, if second < 9 { 0 } else { 1 }, "after {second} s");
        shard.give_back(&policy, answer.taken, now);
    }
}

#[test]
fn a_place_comes_back_and_ends_after_the_clock_was_set_back() {
    let policy = Policy::Concurrency { count: 2, max_duration: 8 * SECOND };
    let mut shard = Shard::new();
    let settled = shard.ask(&policy, NOW).taken;
    shard.ask(&policy, NOW);
    let back = NOW - HOUR;
    assert!(!shard.ask(&policy, back).decision.admitted);
    shard.give_back(&policy, settled, back);
    assert_eq!(shard.ask(&policy, back).decision.remaining, 0, "the other is out still");
    assert_eq!(shard.ask(&policy, back + 10 * SECOND).decision.remaining, 1, "and has ended");
}

#[test]
fn a_request_that_no_longer_counts_gives_back_no_place_of_another_when_its_time_comes_again() {
    let policy = Policy::Concurrency { count: 1, max_duration: 8 * SECOND };
    let mut shard = Shard::new();
    let long = shard.ask(&policy, NOW).taken;
    let short = shard.ask(&policy, NOW + 100 * SECOND).taken;
    shard.give_back(&policy, short, NOW + 100 * SECOND);
    assert!(shard.ask(&policy, NOW + 1).decision.admitted);
    shard.give_back(&policy, long, NOW + 1);
    assert!(!shard.ask(&policy, NOW + 1).decision.admitted);
}

#[test]
fn what_is_full_keeps_nothing() {
    for policy in
        [rate(5), Policy::Quota { count: 5, unit: Unit::Month }, Policy::Concurrency { count: 5, max_duration: SECOND }]
    {
        let mut table = Table::new(Vec::new(), NOW);
        assert_eq!(policy.ask(&mut table, NAMES, Whose::Own, ONE, 0), Err(Full));
        assert_eq!(table, Table::new(Vec::new(), NOW));
    }
}

proptest! {
    #[test]
    fn no_more_places_are_out_than_there_are(
        count in 0_u32..5, steps in prop::collection::vec((0..SECOND, any::<bool>()), 0..100),
    ) {
        let policy = Policy::Concurrency { count, max_duration: 3_600 * SECOND };
        let mut shard = Shard::new();
        let (mut now, mut out) = (NOW, VecDeque::new());
        for (wait, give_back) in steps {
            now += wait;
            if give_back {
                if let Some(taken) = out.pop_front() {
                    shard.give_back(&policy, taken, now);
                }
            } else {
                let answer = shard.ask(&policy, now);
                prop_assert_eq!(answer.decision.admitted, out.len() < count as usize);
                if answer.decision.admitted {
                    out.push_back(answer.taken);
                }
                prop_assert_eq!(answer.decision.remaining, u64::from(count) - out.len() as u64);
            }
            prop_assert!(shard.slots(now) <= GENERATIONS as usize + 2);
        }
    }

    /// What is admitted in the end is what was taken and did not come back.
    #[test]
    fn whatever_comes_back_no_more_is_admitted_than_the_burst_and_the_rate(
        burst in 1_u64..12,
        steps in prop::collection::vec(
            (0_u64..1_500, 1_u64..4, any::<Option<prop::sample::Index>>(), prop_oneof![9 => Just(0), 1 => 0_u64..100]), 1..120,
        ),
    ) {
        let policy = rate(burst);
        let mut shard = Shard::new();
        let (mut now, mut admitted): (u64, Vec<(u64, Taken)>) = (NOW, Vec::new());
        for (wait, need, back, rounds) in steps {
            now += wait * SECOND / 1_000;
            for _ in 0..rounds {
                let taken = shard.ask(&policy, now).taken;
                shard.give_back(&policy, taken, now);
            }
            match back {
                Some(index) if !admitted.is_empty() => {
                    let (_, taken) = admitted.remove(index.index(admitted.len()));
                    shard.give_back(&policy, taken, now);
                }
                _ => {
                    let answer = shard.demand(&policy, Demand { need, take: need, spare: 0 }, now);
                    if answer.decision.admitted {
                        admitted.push((now, answer.taken));
                    }
                }
            }
        }
        for (first, (from, _)) in admitted.iter().enumerate() {
            let mut sum = 0;
            for (until, taken) in &admitted[first..] {
                sum += taken.amount;
                prop_assert!(sum * SECOND <= burst * SECOND + (until - from));
            }
        }
    }

    #[test]
    fn nothing_traps_whatever_stands_in_the_table(
        bytes in prop::collection::vec(any::<u8>(), 0..200), clock: u64, need: u64, take: u64, spare: u64, count: u32,
        max_duration: u64,
    ) {
        for policy in [
            Policy::Rate(Gcra::new(1, SECOND, 5, true).unwrap()),
            Policy::Quota { count, unit: Unit::Month },
            Policy::Concurrency { count, max_duration },
        ] {
            let mut table = Table::new(bytes.clone(), clock);
            let written = bytes.get(16..).and_then(<[u8]>::first_chunk).map_or(0, |own| u64::from_le_bytes(*own));
            for own in [7, written] {
                for whose in [Whose::Own, Whose::Shared] {
                    let names = Names { own, ..NAMES };
                    if let Ok(answer) = policy.ask(&mut table, names, whose, Demand { need, take, spare }, SLOTS) {
                        policy.give_back(&mut table, answer.taken, SLOTS);
                    }
                    let _ = policy.charge(&mut table, names, whose, take, SLOTS);
                }
            }
        }
    }
}
