//! Calendar: hours, days and months in UTC, each of which has its quota.

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// The time for which a quota is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight, UTC.
    Day,
    /// From the first of a month to that of the next, UTC.
    Month,
}

/// When the unit that contains this time began and when it ends. All are nanoseconds since the Unix epoch.
pub fn window(unit: Unit, now: u64) -> (u64, u64) {
    match unit {
        Unit::Hour => aligned(HOUR, now),
        Unit::Day => aligned(DAY, now),
        Unit::Month => month(now),
    }
}

fn aligned(length: u64, now: u64) -> (u64, u64) {
    let start = now.saturating_sub(now.checked_rem(length).unwrap_or_default());
    (start, start.saturating_add(length))
}

/// By the lengths of months, year for year from 1970: a few dozen steps, and nothing to get wrong.
fn month(now: u64) -> (u64, u64) {
    let mut start = 0_u64;
    let mut year = 1970_u64;
    loop {
        let length = days(year, 0..12).saturating_mul(DAY);
        match start.checked_add(length) {
            Some(next) if next <= now => (start, year) = (next, year.saturating_add(1)),
            _ => break,
        }
    }
    for month in 0..12 {
        let end = start.saturating_add(days(year, month..month.saturating_add(1)).saturating_mul(DAY));
        if now < end || month == 11 {
            return (start, end);
        }
        start = end;
    }
    (start, now)
}

/// How many days these months of a year have; 0 is January.
fn days(year: u64, months: std::ops::Range<usize>) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = if is_leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    lengths.get(months).map_or(0, |lengths| lengths.iter().sum())
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds((start, end): (u64, u64)) -> (u64, u64) {
        (start / SECOND, end / SECOND)
    }

    #[test]
    fn days_and_hours_begin_in_utc() {
        let now = 1_709_211_845 * SECOND; // 2024-02-29 13:04:05
        assert_eq!(seconds(window(Unit::Hour, now)), (1_709_211_600, 1_709_215_200));
        assert_eq!(seconds(window(Unit::Day, now)), (1_709_164_800, 1_709_251_200));
    }

    #[test]
    fn months_have_their_own_lengths() {
        for (now, start, end) in [
            (0, 0, 2_678_400),                             // January 1970
            (1_709_211_845, 1_706_745_600, 1_709_251_200), // February 2024, a leap year
            (1_677_628_799, 1_675_209_600, 1_677_628_800), // February 2023
            (951_868_800, 951_868_800, 954_547_200),       // March 2000, after a leap day
            (4_107_542_399, 4_105_123_200, 4_107_542_400), // February 2100, no leap year
            (1_735_689_599, 1_733_011_200, 1_735_689_600), // the last second of 2024
        ] {
            assert_eq!(seconds(window(Unit::Month, now * SECOND)), (start, end), "{now}");
        }
    }

    proptest! {
        #[test]
        fn a_window_contains_its_time(now in 0_u64..u64::MAX - 32 * DAY, unit in prop::sample::select(vec![Unit::Hour, Unit::Day, Unit::Month])) {
            let (start, end) = window(unit, now);
            prop_assert!(start <= now && now < end);
            prop_assert_eq!(window(unit, start), (start, end));
            prop_assert_eq!(window(unit, end - 1), (start, end));
            prop_assert_eq!(window(unit, end).0, end);
        }

        #[test]
        fn any_number_is_survived(now: u64) {
            window(Unit::Month, now);
            window(Unit::Day, now);
        }
    }
}
