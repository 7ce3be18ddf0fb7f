//! Dates as RFC 3339 has them.

use std::time::Duration;

/// The time since the Unix epoch of a date such as `2027-01-01T00:00:00Z` or `2027-01-01t12:30:00.5+01:00`; a leap
/// second is the one before.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let (fraction, zone) = split_fraction(rest)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = hour.checked_mul(3_600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second.min(59))?;
    let local = days(year, month, day)?.checked_mul(86_400)?.checked_add(seconds)?;
    let seconds = local.checked_sub(offset(zone)?)?;
    Some(Duration::from_secs(u64::try_from(seconds).ok()?).saturating_add(fraction))
}

/// Numbers of so many digits, with a separator between.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut number = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits)?;
        decimal(part)
    };
    let [first, second, third] = digits.map(&mut number);
    let numbers = [first?, second?, third?];
    parts.next().is_none().then_some(numbers)
}

/// `.5` and what follows.
fn split_fraction(text: &str) -> Option<(Duration, &str)> {
    let Some(text) = text.strip_prefix('.') else { return Some((Duration::ZERO, text)) };
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).filter(|(digits, _)| (1..=9).contains(&digits.len()))?;
    let nanos: u32 = [digits, "000000000"].concat().get(..9)?.parse().ok()?;
    Some((Duration::from_nanos(nanos.into()), rest))
}

/// How many seconds a zone is ahead.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = if zone.starts_with('+') { 1 } else { -1 };
    let (hours, minutes) = zone.strip_prefix(['+', '-'])?.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (decimal(hours)?, decimal(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    hours.checked_mul(60)?.checked_add(minutes)?.checked_mul(60)?.checked_mul(sign)
}

/// The days from the Unix epoch to a date, if there is one such.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    let length = match month {
        2 => 28_i64.checked_add(is_leap.into())?,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last.
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let month = month.checked_add(9)?.rem_euclid(12);
    let leap_days = year.div_euclid(4).checked_sub(year.div_euclid(100))?.checked_add(year.div_euclid(400))?;
    let day_of_year = month.checked_mul(153)?.checked_add(2)?.div_euclid(5).checked_add(day)?;
    year.checked_mul(365)?.checked_add(leap_days)?.checked_add(day_of_year)?.checked_sub(719_469)
}

fn decimal(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "numbers of a test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> Option<f64> {
        parse(text).map(|date| date.as_secs_f64())
    }

    #[test]
    fn a_date_is_the_time_since_1970() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("1985-04-12T23:20:50.52Z", 482_196_050.52),
            ("1996-12-19T16:39:57-08:00", 851_042_397.0),
            ("1990-12-31T23:59:60Z", 662_687_999.0),
            ("1937-01-01T12:00:27.87+00:20", f64::NAN),
            ("2000-02-29t00:00:00z", 951_782_400.0),
            ("2027-01-01T01:30:00+01:30", 1_798_761_600.0),
            ("9999-12-31T23:59:59Z", 253_402_300_799.0),
        ] {
            assert_eq!(seconds(text), (!expected.is_nan()).then_some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2027-01-01",
            "2027-01-01T00:00:00",
            "2027-01-01 00:00:00Z",
            "2027-1-01T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-00-01T00:00:00Z",
            "2027-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2027-04-31T00:00:00Z",
            "2027-01-00T00:00:00Z",
            "2027-01-01T24:00:00Z",
            "2027-01-01T00:60:00Z",
            "2027-01-01T00:00:61Z",
            "2027-01-01T00:00:00.Z",
            "2027-01-01T00:00:00+1:00",
            "2027-01-01T00:00:00+24:00",
            "2027-01-01T00:00:00ZZ",
            "+027-01-01T00:00:00Z",
            "2027-01-01T00:00:+1Z",
            "2027-01-01T00:00:00\u{e9}",
            "\u{e9}027-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn each_day_follows_the_one_before(start in 0_i64..2_900_000) {
            // Counts on from the first of a month of some year, by what the calendar says.
            let (year, month) = (1970 + start / 366, 1 + start % 12);
            let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            let length = (28..=31).rev().find(|day| days(year, month, *day).is_some()).unwrap();
            prop_assert_eq!(days(year, month, length).unwrap() + 1, days(next.0, next.1, 1).unwrap());
            prop_assert_eq!(days(year, month, 1).unwrap() + length - 1, days(year, month, length).unwrap());
        }
    }
}
