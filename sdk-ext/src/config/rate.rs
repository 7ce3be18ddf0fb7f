//! Rates: so many in a period, `100/1m`.

use std::time::Duration;

use super::{FromConfig, Node, duration, size};

/// What a rate looks like. Twelve digits each, so that no rate overflows.
#[cfg(feature = "schema")]
pub(super) const PATTERN: &str = r"^[0-9]{1,12}/[0-9]{1,12}(ms|s|m|h|d)$";

const MAX_DIGITS: usize = 12;

/// So many in a period, written `100/1m`: a count, and a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// In which time; it may be zero.
    pub period: Duration,
}

impl FromConfig for Rate {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.with_unit("a rate such as \"100/1m\", \"5/1s\" or \"1000/1d\"", "/1m", parse)
    }
}

fn parse(text: &str) -> Option<Rate> {
    let (count, period) = size::split_unit(text, MAX_DIGITS)?;
    Some(Rate { count, period: duration::parse(period.strip_prefix('/')?)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_a_count_and_a_period() {
        assert_eq!(parse("100/1m"), Some(Rate { count: 100, period: Duration::from_secs(60) }));
        assert_eq!(parse("0/500ms"), Some(Rate { count: 0, period: Duration::from_millis(500) }));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in
            ["", "100", "/1m", "100/", "100/m", "100/1", "1.5/1s", "-1/1s", "1 /1s", "1/1s/1s", "1234567890123/1s"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_rate_survives_the_round_trip(count in 0_u64..1_000_000_000_000, period in 0_u64..1_000_000_000_000) {
            let rate = Rate { count, period: Duration::from_millis(period) };
            prop_assert_eq!(parse(&format!("{count}/{period}ms")), Some(rate));
        }
    }
}
