#![allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const ROOM: Room = Room { slots: 128, horizon: u64::MAX };
const SECOND: u64 = 1_000_000_000;
/// 2024-02-29 13:04:05 UTC.
const NOW: u64 = 1_709_211_845 * SECOND;
const ONE: Demand = Demand { need: 1, take: 1, spare: 0 };
const MIDNIGHT: u64 = 1_709_251_200 * SECOND;

fn ask(policy: &Policy, table: &mut Table, now: u64) -> Answer {
    policy.ask(table, 7, ONE, now, ROOM).unwrap()
}

#[test]
fn a_quota_begins_anew_at_midnight() {
    let policy = Policy::Quota { count: 2, unit: Unit::Day };
    let mut table = Table::default();
    assert_eq!(ask(&policy, &mut table, NOW).decision.remaining, 1);
    assert_eq!(ask(&policy, &mut table, NOW).decision.remaining, 0);
    let refused = ask(&policy, &mut table, NOW).decision;
    assert_eq!((refused.admitted, refused.retry), (false, Some(MIDNIGHT - NOW)));
    assert!(!ask(&policy, &mut table, MIDNIGHT - 1).decision.admitted);
    assert!(ask(&policy, &mut table, MIDNIGHT).decision.admitted);
    assert!(!ask(&policy, &mut table, NOW).decision.admitted || table.get(7, 0, NOW).is_none(), "set back");
}

#[test]
fn a_quota_never_grants_more_than_it_has() {
    let policy = Policy::Quota { count: 5, unit: Unit::Day };
    let mut table = Table::default();
    let mut demand = |need| policy.ask(&mut table, 7, Demand { need, take: need, spare: 0 }, NOW, ROOM).unwrap();
    assert_eq!(demand(6).decision.retry, None, "never");
    assert!(demand(3).decision.admitted);
    let refused = demand(3).decision;
    assert_eq!((refused.admitted, refused.remaining, refused.retry), (false, 2, Some(MIDNIGHT - NOW)));
    assert!(demand(2).decision.admitted);
}

#[test]
fn what_comes_back_to_a_quota_comes_back_to_its_own_day() {
    let policy = Policy::Quota { count: 1, unit: Unit::Day };
    let mut table = Table::default();
    let taken = ask(&policy, &mut table, NOW).taken;
    policy.give_back(&mut table, taken, NOW, ROOM);
    let taken = ask(&policy, &mut table, NOW).taken;
    assert_eq!(taken.amount, 1);
    assert_eq!(ask(&policy, &mut table, MIDNIGHT).taken.amount, 1);
    policy.give_back(&mut table, taken, MIDNIGHT, ROOM);
    assert!(!ask(&policy, &mut table, MIDNIGHT).decision.admitted);
}

#[test]
fn a_charge_counts_against_a_quota_beyond_its_end() {
    let policy = Policy::Quota { count: 5, unit: Unit::Day };
    let mut table = Table::default();
    policy.charge(&mut table, 7, u64::MAX, NOW, ROOM).unwrap();
    policy.charge(&mut table, 7, 1, NOW, ROOM).unwrap();
    assert_eq!(ask(&policy, &mut table, NOW).decision.remaining, 0);
}

#[test]
fn spare_tokens_leave_half_of_the_rest_to_others() {
    let policy = Policy::Rate(Gcra::new(1, SECOND, 20, false).unwrap());
    let mut table = Table::default();
    let spare = Demand { need: 1, take: 1, spare: 9 };
    let taken: Vec<_> = (0..6).map(|_| policy.ask(&mut table, 7, spare, NOW, ROOM).unwrap().taken.amount).collect();
    assert_eq!(taken, [10, 5, 3, 1, 1, 0]);
}

#[test]
fn a_key_that_a_clock_set_back_finds_used_up_regains_its_tokens_although_it_is_asked_again_and_again() {
    let policy = Policy::Rate(Gcra::new(1, SECOND, 5, false).unwrap());
    let mut table = Table::default();
    ask(&policy, &mut table, NOW);
    let back = NOW - 3_600 * SECOND;
    let admitted = |table: &mut Table, tenths: u64| ask(&policy, table, back + tenths * SECOND / 10).decision.admitted;
    assert_eq!((0..40).filter(|tenths| admitted(&mut table, *tenths)).collect::<Vec<_>>(), [10, 20, 30]);
}

#[test]
fn leases_come_back_and_are_there_again() {
    let policy = Policy::Concurrency { count: 2, max_duration: 8 * SECOND };
    let mut table = Table::default();
    let first = ask(&policy, &mut table, NOW).taken;
    let second = ask(&policy, &mut table, NOW + 3 * SECOND).taken;
    let refused = ask(&policy, &mut table, NOW + 3 * SECOND).decision;
    assert_eq!((refused.admitted, refused.retry), (false, Some(SECOND)));
    policy.give_back(&mut table, first, NOW + 3 * SECOND, ROOM);
    policy.give_back(&mut table, second, NOW + 3 * SECOND, ROOM);
    assert_eq!(table.of(7, NOW + 3 * SECOND).count(), 0, "and their slots are free");
    assert_eq!(ask(&policy, &mut table, NOW + 3 * SECOND).decision.remaining, 1);
}

#[test]
fn a_lost_lease_ends_although_others_come_and_go() {
    let policy = Policy::Concurrency { count: 2, max_duration: 8 * SECOND };
    let mut table = Table::default();
    ask(&policy, &mut table, NOW);
    for second in 1..=9 {
        let now = NOW + second * SECOND;
        let answer = ask(&policy, &mut table, now);
        assert_eq!(answer.decision.remaining, if second < 9 { 0 } else { 1 }, "after {second} s");
        policy.give_back(&mut table, answer.taken, now, ROOM);
    }
}

#[test]
fn what_is_full_keeps_nothing() {
    let none = Room { slots: 0, horizon: u64::MAX };
    for policy in [
        Policy::Rate(Gcra::new(1, SECOND, 5, false).unwrap()),
        Policy::Quota { count: 5, unit: Unit::Month },
        Policy::Concurrency { count: 5, max_duration: SECOND },
    ] {
        let mut table = Table::default();
        assert_eq!(policy.ask(&mut table, 7, ONE, NOW, none), Err(Full));
        assert_eq!(table, Table::default());
    }
}

proptest! {
    #[test]
    fn no_more_leases_are_out_than_there_are(
        count in 0_u32..5, steps in prop::collection::vec((0..SECOND, any::<bool>()), 0..100),
    ) {
        let policy = Policy::Concurrency { count, max_duration: 3_600 * SECOND };
        let mut table = Table::default();
        let (mut now, mut out) = (NOW, VecDeque::new());
        for (wait, give_back) in steps {
            now += wait;
            if give_back {
                if let Some(taken) = out.pop_front() {
                    policy.give_back(&mut table, taken, now, ROOM);
                }
            } else {
                let answer = ask(&policy, &mut table, now);
                prop_assert_eq!(answer.decision.admitted, out.len() < count as usize);
                if answer.decision.admitted {
                    out.push_back(answer.taken);
                }
                prop_assert_eq!(answer.decision.remaining, u64::from(count) - out.len() as u64);
            }
            prop_assert!(table.of(7, now).count() <= GENERATIONS as usize + 2);
        }
    }

    #[test]
    fn nothing_traps_whatever_stands_in_the_table(
        bytes in prop::collection::vec(any::<u8>(), 0..200), now: u64, need: u64, take: u64, spare: u64, count: u32,
        max_duration: u64,
    ) {
        for policy in [
            Policy::Rate(Gcra::new(1, SECOND, 5, true).unwrap()),
            Policy::Quota { count, unit: Unit::Month },
            Policy::Concurrency { count, max_duration },
        ] {
            let mut table = Table::new(bytes.clone());
            for fingerprint in [7, bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))] {
                if let Ok(answer) = policy.ask(&mut table, fingerprint, Demand { need, take, spare }, now, ROOM) {
                    policy.give_back(&mut table, answer.taken, now, ROOM);
                }
                let _ = policy.charge(&mut table, fingerprint, take, now, ROOM);
            }
        }
    }
}
