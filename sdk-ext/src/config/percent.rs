//! Percentages as exact fractions: `10%`, `0.5%`.

use super::{FromConfig, Node};

/// What a percentage looks like.
#[cfg(feature = "schema")]
pub(super) const PATTERN: &str = r"^(100(\.0{1,18})?|[0-9]{1,2}(\.[0-9]{1,18})?)%$";

const MAX_FRACTION_DIGITS: usize = 18;

/// A percentage from `0%` to `100%`, held exactly.
///
/// The share is [`numerator`](Self::numerator) / [`denominator`](Self::denominator), never a float: `100%` is exactly
/// one. Both stay below 2^67, so a product with a 56-bit number fits an `u128`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent {
    numerator: u128,
    denominator: u128,
}

impl Percent {
    /// Nothing: `0%`.
    pub const ZERO: Self = Self { numerator: 0, denominator: 100 };

    /// All: `100%`.
    pub const ALL: Self = Self { numerator: 100, denominator: 100 };

    /// So many percent, and 100 at most.
    pub const fn whole(percent: u8) -> Self {
        Self { numerator: if percent < 100 { percent as u128 } else { 100 }, denominator: 100 }
    }

    /// The upper part of the share.
    pub const fn numerator(self) -> u128 {
        self.numerator
    }

    /// The lower part of the share: 100, or 100 times a power of ten where the percentage has a fraction.
    pub const fn denominator(self) -> u128 {
        self.denominator
    }
}

impl FromConfig for Percent {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.with_unit("a percentage such as \"10%\"", "%", parse)
    }
}

fn parse(text: &str) -> Option<Percent> {
    let number = text.strip_suffix('%')?;
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if (1..=MAX_FRACTION_DIGITS).contains(&fraction.len()) => (whole, fraction),
        Some(_) => return None,
        None => (number, ""),
    };
    if !(1..=3).contains(&whole.len()) || (whole.len() == 3 && whole != "100") {
        return None;
    }
    let mut percent = Percent { numerator: 0, denominator: 100 };
    for digit in whole.bytes() {
        percent.numerator = push_digit(percent.numerator, digit)?;
    }
    for digit in fraction.trim_end_matches('0').bytes() {
        percent.numerator = push_digit(percent.numerator, digit)?;
        percent.denominator = percent.denominator.checked_mul(10)?;
    }
    let digits_only = fraction.bytes().all(|digit| digit.is_ascii_digit());
    (digits_only && percent.numerator <= percent.denominator).then_some(percent)
}

fn push_digit(number: u128, digit: u8) -> Option<u128> {
    let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
    number.checked_mul(10)?.checked_add(u128::from(digit))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(text: &str) -> Option<(u128, u128)> {
        parse(text).map(|percent| (percent.numerator(), percent.denominator()))
    }

    #[test]
    fn a_percentage_is_exact() {
        assert_eq!(share("0%"), Some((0, 100)));
        assert_eq!(share("10%"), Some((10, 100)));
        assert_eq!(share("0.5%"), Some((5, 1_000)));
        assert_eq!(share("33.3%"), Some((333, 1_000)));
        assert_eq!(share("0.000000000000000001%"), Some((1, 100_000_000_000_000_000_000)));
        assert_eq!(parse("100%"), Some(Percent::ALL));
        assert_eq!(parse("100.000%"), Some(Percent::ALL));
        assert_eq!(parse("10%"), Some(Percent::whole(10)));
        assert_eq!(parse("00.0%"), Some(Percent::ZERO));
        assert_eq!(parse("10.50%"), parse("10.5%"));
    }

    #[test]
    fn everything_else_is_refused() {
        let refused = [
            "",
            "%",
            "10",
            "10 %",
            "-1%",
            "+1%",
            "101%",
            "100.1%",
            "100.000000000000000001%",
            "1000%",
            "099%",
            ".5%",
            "5.%",
            "1e1%",
            "1,5%",
            "10%%",
            "0.0000000000000000001%",
            "nan%",
            "1.x0%",
            "1.0x%",
        ];
        for text in refused {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_percentage_survives_the_round_trip(whole in 0_u128..100, fraction in 0_u128..1_000_000) {
            let percent = parse(&format!("{whole}.{fraction:06}%")).unwrap();
            prop_assert_eq!(percent.numerator() * 100_000_000 / percent.denominator(), whole * 1_000_000 + fraction);
            prop_assert_eq!(percent.numerator() * 100_000_000 % percent.denominator(), 0);
        }

        #[test]
        fn no_text_makes_a_share_above_one(text in "[0-9.%]{0,24}") {
            if let Some(percent) = parse(&text) {
                prop_assert!(percent.numerator() <= percent.denominator());
                prop_assert!(percent.denominator() < 1 << 67);
            }
        }
    }
}
