//! Durations with a unit: `500ms`, `60s`, `10m`, `1h`, `1d`.

use std::time::Duration;

use super::{FromConfig, Node};

/// What a duration looks like. Twelve digits, so that no duration overflows.
#[cfg(feature = "schema")]
pub(super) const PATTERN: &str = r"^[0-9]{1,12}(ms|s|m|h|d)$";

const MAX_DIGITS: usize = 12;

impl FromConfig for Duration {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.with_unit("a duration such as \"500ms\", \"60s\", \"10m\", \"1h\" or \"1d\"", "s", parse)
    }
}

pub(super) fn parse(text: &str) -> Option<Duration> {
    let (number, unit) = super::size::split_unit(text, MAX_DIGITS)?;
    let seconds: u64 = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_unit_is_understood() {
        assert_eq!(parse("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse("60s"), Some(Duration::from_secs(60)));
        assert_eq!(parse("10m"), Some(Duration::from_secs(600)));
        assert_eq!(parse("1h"), Some(Duration::from_secs(3_600)));
        assert_eq!(parse("1d"), Some(Duration::from_secs(86_400)));
        assert_eq!(parse("0s"), Some(Duration::ZERO));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in
            ["", "s", "1", "-1s", "+1s", "1.5s", " 1s", "1s ", "1 s", "1S", "1w", "1s1s", "1234567890123s", "١s"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_duration_survives_the_round_trip(number in 0_u64..1_000_000_000_000) {
            prop_assert_eq!(parse(&format!("{number}ms")), Some(Duration::from_millis(number)));
            prop_assert_eq!(parse(&format!("{number}d")).map(|days| days.as_secs().div_euclid(86_400)), Some(number));
        }
    }
}
