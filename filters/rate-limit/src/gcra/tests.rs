#![allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::FakeRelativeClock;
use governor::{Quota, RateLimiter};
use proptest::prelude::*;

use super::*;

/// A time of which there is much before and behind.
const START: u64 = 1_700_000_000 * SECOND;

const MILLISECOND: u64 = 1_000_000;

fn per_second(burst: u64) -> Gcra {
    Gcra::new(1, SECOND, burst, false).unwrap()
}

/// The table by which the limiters of the `throttled` family are tested: the time since the start in ms, the cost, and then
/// what remains, the ms to the reset and to the next try, and whether it is refused.
#[test]
fn the_table_of_the_throttled_family_holds() {
    const TABLE: [(u64, u64, u64, u64, Option<u64>, bool); 15] = [
        (0, 6, 5, 0, None, true),
        (0, 1, 4, 1_000, None, false),
        (0, 1, 3, 2_000, None, false),
        (0, 1, 2, 3_000, None, false),
        (0, 1, 1, 4_000, None, false),
        (0, 1, 0, 5_000, None, false),
        (0, 1, 0, 5_000, Some(1_000), true),
        (3_000, 1, 2, 3_000, None, false),
        (3_100, 1, 1, 3_900, None, false),
        (4_000, 1, 1, 4_000, None, false),
        (8_000, 1, 4, 1_000, None, false),
        (9_500, 1, 4, 1_000, None, false),
        (9_500, 0, 4, 1_000, None, false),
        (9_500, 2, 2, 3_000, None, false),
        (9_500, 5, 2, 3_000, Some(3_000), true),
    ];
    let gcra = per_second(5);
    let mut tat = 0;
    for (row, (at, cost, remaining, reset, retry, limited)) in TABLE.into_iter().enumerate() {
        let (decision, after) = gcra.decide(tat, START + at * MILLISECOND, cost, cost);
        tat = after;
        let expected = Decision {
            admitted: !limited,
            remaining,
            reset: reset * MILLISECOND,
            retry: retry.map(|retry| retry * MILLISECOND),
        };
        assert_eq!(decision, expected, "row {row}");
    }
}

#[test]
fn more_than_the_burst_is_never_had_and_changes_nothing() {
    let gcra = per_second(5);
    for cost in [6, 1_000, u64::MAX] {
        let (decision, tat) = gcra.decide(START + 1, START, cost, cost);
        assert_eq!((decision.admitted, decision.retry, tat), (false, None, START + 1));
    }
}

#[test]
fn a_limit_of_zero_refuses_everything_for_ever() {
    let never = Gcra::new(0, SECOND, 5, false).unwrap();
    for (now, cost) in [(0, 1), (START, 1), (u64::MAX, 1), (START, u64::MAX)] {
        let (decision, _) = never.decide(0, now, cost, cost);
        assert_eq!((decision.admitted, decision.remaining, decision.retry), (false, 0, None));
    }
}

#[test]
fn rates_that_cannot_be_held_are_refused() {
    let new = |count, period, burst| Gcra::new(count, period, burst, false).map(|_| ());
    assert_eq!(new(1, 0, 1), Err(Unfit::NoPeriod));
    assert_eq!(new(1, SECOND, 0), Err(Unfit::NoBurst));
    assert_eq!(new(10_000_001, SECOND, 1), Ok(()), "rounded up");
    assert_eq!(new(11_000_000, SECOND, 1), Err(Unfit::TooFast));
    assert_eq!(new(u64::MAX, SECOND, 1), Err(Unfit::TooFast));
    assert_eq!(new(1, LONGEST, 1), Ok(()));
    assert_eq!(new(1, LONGEST, 2), Err(Unfit::TooSlow));
    assert_eq!(new(1, u64::MAX, u64::MAX), Err(Unfit::TooSlow));
}

#[test]
fn a_rate_that_does_not_divide_its_period_is_not_exceeded() {
    let thirds = Gcra::new(3, SECOND, 3, false).unwrap();
    let mut tat = 0;
    let mut admitted = 0;
    for at in 0..10_000 {
        let (decision, after) = thirds.decide(tat, START + at * MILLISECOND, 1, 1);
        tat = after;
        admitted += u64::from(decision.admitted);
    }
    assert_eq!(admitted, 3 + 29, "the burst, and each third of ten seconds but for the last nanoseconds");
}

#[test]
fn a_charge_may_lead_into_debt_and_is_worked_off() {
    let gcra = Gcra::new(1, SECOND, 5, true).unwrap();
    let tat = gcra.charge(0, START, 100);
    let (decision, _) = gcra.decide(tat, START, 1, 0);
    assert_eq!((decision.admitted, decision.remaining, decision.retry), (false, 0, Some(96 * SECOND)));
    assert!(gcra.decide(tat, START + 96 * SECOND, 1, 1).0.admitted);
    let deepest = gcra.charge(tat, START, u64::MAX);
    assert_eq!(deepest, START + gcra.deepest);
    assert!(!gcra.decide(deepest, START, 1, 0).0.admitted);
}

#[test]
fn what_comes_back_is_there_again() {
    let gcra = per_second(5);
    let (_, reached) = gcra.decide(0, START, 3, 3);
    let (_, others) = gcra.decide(reached, START, 2, 2);
    assert_eq!(others - gcra.refund(START, 3, START, reached, 0), START + 2 * SECOND);
}

#[test]
fn what_was_regained_meanwhile_does_not_come_back_again() {
    let gcra = per_second(5);
    let (_, reached) = gcra.decide(0, START, 3, 3);
    for (seconds, refund) in [(1, 2), (2, 1), (3, 0), (4, 0)] {
        assert_eq!(gcra.refund(START + seconds * SECOND, 3, START, reached, 0), refund * SECOND);
    }
    assert_eq!(gcra.refund(START - 1, 3, START, reached, 0), 0, "the clock was set back");
}

#[test]
fn what_others_took_before_is_regained_before() {
    let gcra = per_second(20);
    let (_, reached) = gcra.decide(START + 10 * SECOND, START, 3, 3);
    assert_eq!(gcra.refund(START + 10 * SECOND, 3, START, reached, 0), 3 * SECOND);
    assert_eq!(gcra.refund(START + 10 * SECOND, 3, START, reached, 9 * SECOND), 0);
    assert_eq!(gcra.refund(START + SECOND, 3, START, reached, 13 * SECOND), 2 * SECOND, "a second regains no more");
}

#[test]
fn units_of_time_are_rounded_up_and_fit_whatever_the_rate() {
    for gcra in [per_second(5), Gcra::new(1, LONGEST, 1, false).unwrap(), Gcra::new(0, SECOND, 1, false).unwrap()] {
        assert_eq!(gcra.time(gcra.units(0)), 0);
        for time in [1, gcra.interval, gcra.tolerance] {
            let rounded = gcra.time(gcra.units(time));
            assert!(rounded >= time && rounded - time <= gcra.tolerance >> 26, "{time} {rounded}");
        }
        assert!(gcra.time(u32::MAX) >= gcra.tolerance * 32);
    }
}

fn steps() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((prop_oneof![Just(0), 0..3_000 * MILLISECOND, 0..SECOND * 20], 1_u64..8), 1..200)
}

proptest! {
    #[test]
    fn the_decisions_are_those_of_governor(interval in 100_u64..2_000_000_000, burst in 1_u32..20, steps in steps()) {
        let gcra = Gcra::new(1, interval, u64::from(burst), false).unwrap();
        let quota = Quota::with_period(Duration::from_nanos(interval)).unwrap().allow_burst(NonZeroU32::new(burst).unwrap());
        let clock = FakeRelativeClock::default();
        let governor = RateLimiter::direct_with_clock(quota, clock.clone());
        let (mut tat, mut now) = (0, START);
        for (wait, cost) in steps {
            now += wait;
            clock.advance(Duration::from_nanos(wait));
            let (decision, after) = gcra.decide(tat, now, cost, cost);
            tat = after;
            let theirs = governor.check_n(NonZeroU32::new(cost as u32).unwrap());
            prop_assert_eq!(decision.admitted, matches!(theirs, Ok(Ok(()))));
            prop_assert_eq!(decision.retry.is_none() && !decision.admitted, theirs.is_err());
        }
    }

    #[test]
    fn no_more_is_admitted_than_the_burst_and_the_rate(
        count in 1_u64..50, period in 1_000_000_u64..10_000_000_000, burst in 1_u64..50, steps in steps(),
    ) {
        let gcra = Gcra::new(count, period, burst, false).unwrap();
        let (mut tat, mut now, mut admitted) = (0, START, 0);
        for (wait, cost) in steps {
            now += wait;
            let (decision, after) = gcra.decide(tat, now, cost, cost);
            tat = after;
            admitted += if decision.admitted { cost } else { 0 };
            let bound = u128::from(burst) * u128::from(period) + u128::from(now - START) * u128::from(count);
            prop_assert!(u128::from(admitted) * u128::from(period) <= bound);
            prop_assert!(decision.remaining <= burst);
        }
    }

    #[test]
    fn who_waits_as_long_as_told_is_admitted(burst in 1_u64..20, need in 1_u64..20, tat in 0..SECOND * 30) {
        let gcra = per_second(burst);
        let (decision, tat) = gcra.decide(START + tat, START, need, need);
        if let Some(retry) = decision.retry {
            prop_assert!(!gcra.decide(tat, START + retry - 1, need, need).0.admitted);
            prop_assert!(gcra.decide(tat, START + retry, need, need).0.admitted);
        }
    }

    #[test]
    fn nothing_traps_whatever_the_numbers(
        count: u64, period: u64, burst: u64, debt: bool, tat: u64, now: u64, need: u64, take: u64, reached: u64,
    ) {
        if let Ok(gcra) = Gcra::new(count, period, burst, debt) {
            let (decision, after) = gcra.decide(tat, now, need, take);
            prop_assert!(decision.admitted || after == after.max(now));
            gcra.charge(tat, now, take);
            prop_assert!(gcra.refund(now, take, tat, reached, need) <= gcra.interval.saturating_mul(take));
            gcra.time(gcra.units(reached));
            prop_assert!(gcra.remaining(tat, now) <= gcra.burst());
        }
    }
}
