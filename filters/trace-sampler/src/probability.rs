//! Consistent probability: [OpenTelemetry's rejection threshold](https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/).
//!
//! A trace carries 56 bits of randomness R, and a probability is a threshold T; the trace is sampled when
//! R >= T. Whoever decides later about the same trace compares the same R, so that a larger probability
//! samples every trace that a smaller one samples.

use palisade_sdk::config::Percent;

use crate::lower_hex;

/// The number of bits of randomness and of a threshold.
const BITS: u32 = 56;
const LARGEST: u64 = (1 << BITS) - 1;
const DIGITS: usize = 14;

/// How often a rule samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probability {
    /// 0 %: never.
    Never,
    /// Every trace whose randomness reaches the threshold.
    AtLeast(Threshold),
}

/// A probability above 0 and below 2^-56, which no threshold expresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSmall;

/// A rejection threshold: 0 rejects nothing, and the largest, 2^56 - 1, all but one trace in 2^56.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold(u64);

/// The 56 bits of a trace that all its samplers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Randomness(u64);

/// The digits of a `th` value.
#[derive(Clone, Copy)]
pub struct Encoded {
    digits: [u8; DIGITS],
    length: usize,
}

/// The number of significant hexadecimal digits of a threshold, 1 to 14; the specification recommends 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision(u8);

// === impl Probability ===

impl Probability {
    /// The probability with the threshold nearest to it.
    ///
    /// # Errors
    ///
    /// A percentage that is not 0 and still too small for a threshold.
    pub fn of(percent: Percent) -> Result<Self, TooSmall> {
        Self::from_ratio(percent.numerator(), percent.denominator())
    }

    /// The probability whose threshold has no more than `precision` digits after its leading `f`s, as in the
    /// specification's table of thresholds.
    pub fn rounded(self, precision: Precision) -> Self {
        match self {
            Self::Never => Self::Never,
            Self::AtLeast(threshold) => Self::AtLeast(threshold.rounded(precision)),
        }
    }

    /// The probability `accepted / all`, which is at most 1; `all` is below 2^67.
    fn from_ratio(accepted: u128, all: u128) -> Result<Self, TooSmall> {
        if accepted == 0 {
            return Ok(Self::Never);
        }
        if accepted << BITS < all {
            return Err(TooSmall);
        }
        let rejected = all.saturating_sub(accepted) << BITS;
        let rounded = rejected.saturating_add(all >> 1).checked_div(all).unwrap_or(0) as u64;
        Ok(Self::AtLeast(Threshold(rounded.min(LARGEST))))
    }

    /// Whether a trace with this randomness is sampled.
    pub fn samples(self, randomness: Randomness) -> bool {
        match self {
            Self::Never => false,
            Self::AtLeast(threshold) => threshold.admits(randomness),
        }
    }
}

// === impl Threshold ===

impl Threshold {
    /// Rejects nothing: 100 %.
    pub const NONE: Self = Self(0);

    /// Reads a `th` value: 1 to 14 lowercase digits, whose trailing zeros may be missing.
    pub fn decode(digits: &[u8]) -> Option<Self> {
        let missing = DIGITS.checked_sub(digits.len())? as u32;
        Some(Self(lower_hex::parse(digits)? << missing.saturating_mul(4)))
    }

    /// Writes the `th` value, without trailing zeros; `0` for 100 %.
    pub fn encode(self) -> Encoded {
        let mut digits = [0; DIGITS];
        lower_hex::write(self.0, &mut digits);
        let length = digits.iter().rposition(|&digit| digit != b'0').map_or(1, |last| last.saturating_add(1));
        Encoded { digits, length }
    }

    fn rounded(self, precision: Precision) -> Self {
        let accepted = LARGEST.saturating_sub(self.0);
        let leading_fs = accepted.leading_zeros().saturating_sub(u64::BITS.saturating_sub(BITS)) / 4;
        let kept = leading_fs.saturating_add(precision.0.into()).saturating_mul(4);
        let dropped = BITS.saturating_sub(kept);
        let half = (1_u64 << dropped) >> 1;
        Self((self.0.saturating_add(half) >> dropped) << dropped)
    }

    /// Whether a trace with this randomness is sampled.
    pub fn admits(self, randomness: Randomness) -> bool {
        randomness.0 >= self.0
    }
}

// === impl Randomness ===

impl Randomness {
    /// Reads an `rv` value: 14 lowercase digits.
    pub fn decode(digits: &[u8]) -> Option<Self> {
        (digits.len() == DIGITS).then(|| lower_hex::parse(digits))?.map(Self)
    }

    /// The last 56 bits of a trace id.
    pub fn of_trace(trace_id: u128) -> Self {
        Self(trace_id as u64 & LARGEST)
    }
}

// === impl Encoded ===

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }
}

// === impl Precision ===

impl Precision {
    /// Four digits, as the specification recommends.
    pub const RECOMMENDED: Self = Self(4);

    /// `None` unless 1 <= `digits` <= 14.
    pub fn new(digits: u8) -> Option<Self> {
        (1..=DIGITS as u8).contains(&digits).then_some(Self(digits))
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn threshold(numerator: u128, denominator: u128, precision: u8) -> Threshold {
        let precision = Precision::new(precision).unwrap();
        match Probability::from_ratio(numerator, denominator).map(|probability| probability.rounded(precision)) {
            Ok(Probability::AtLeast(threshold)) => threshold,
            other => panic!("{numerator}/{denominator}: {other:?}"),
        }
    }

    fn th(numerator: u128, denominator: u128, precision: u8) -> String {
        String::from_utf8(threshold(numerator, denominator, precision).encode().as_ref().to_vec()).unwrap()
    }

    #[test]
    fn thresholds_are_those_of_the_specifications_table() {
        for (one_in, expected) in [
            (1, ["0", "0", "0"]),
            (2, ["8", "8", "8"]),
            (3, ["aab", "aaab", "aaaab"]),
            (4, ["c", "c", "c"]),
            (5, ["ccd", "cccd", "ccccd"]),
            (8, ["e", "e", "e"]),
            (10, ["e66", "e666", "e6666"]),
            (16, ["f", "f", "f"]),
            (100, ["fd71", "fd70a", "fd70a4"]),
            (1_000, ["ffbe7", "ffbe77", "ffbe76d"]),
            (10_000, ["fff972", "fff9724", "fff97247"]),
            (100_000, ["ffff584", "ffff583a", "ffff583a5"]),
            (1_000_000, ["ffffef4", "ffffef39", "ffffef391"]),
        ] {
            for (precision, expected) in (3..).zip(expected) {
                assert_eq!(th(1, one_in, precision), expected, "1 in {one_in}, precision {precision}");
            }
        }
    }

    #[test]
    fn a_hundred_percent_rejects_nothing_at_any_precision() {
        for precision in 1..=14 {
            assert_eq!(threshold(100, 100, precision), Threshold::NONE);
        }
        assert!(Threshold::NONE.admits(Randomness(0)));
    }

    #[test]
    fn close_to_a_hundred_percent_four_digits_are_few() {
        assert_eq!(th(999_999, 1_000_000, 4), "0");
        assert_eq!(th(999_999, 1_000_000, 6), "000011");
        assert_eq!(th(999, 1000, 4), "0042");
    }

    #[test]
    fn zero_percent_samples_nothing() {
        let never = Probability::from_ratio(0, 100).unwrap();
        assert_eq!(never, Probability::Never);
        assert!(!never.samples(Randomness(LARGEST)));
    }

    #[test]
    fn the_smallest_probability_is_one_in_2_to_the_56() {
        assert_eq!(th(1, 1 << 56, 4), "ffffffffffffff");
        assert_eq!(Probability::from_ratio(1, (1 << 56) + 1), Err(TooSmall));
        assert_eq!(th(3, 1 << 57, 14), "ffffffffffffff", "and rounding never reaches 2^56");
    }

    #[test]
    fn precision_is_1_to_14_digits() {
        assert_eq!(Precision::new(0), None);
        assert_eq!(Precision::new(4), Some(Precision::RECOMMENDED));
        assert!(Precision::new(14).is_some());
        assert_eq!(Precision::new(15), None);
    }

    #[test]
    fn a_th_value_is_extended_with_zeros() {
        assert_eq!(Threshold::decode(b"8"), Some(threshold(1, 2, 4)));
        assert_eq!(Threshold::decode(b"80000000000000"), Some(threshold(1, 2, 4)));
        assert_eq!(Threshold::decode(b"0"), Some(Threshold::NONE));
        assert_eq!(Threshold::decode(b"00000000000001"), Some(Threshold(1)));
    }

    #[test]
    fn malformed_th_values_are_refused() {
        for digits in ["", "800000000000000", "8 ", "G", "A", "-1", "0x8"] {
            assert_eq!(Threshold::decode(digits.as_bytes()), None, "{digits:?}");
        }
    }

    #[test]
    fn an_rv_value_has_fourteen_lowercase_digits() {
        assert_eq!(Randomness::decode(b"00000000000010"), Some(Randomness(16)));
        for digits in ["", "0", "0000000000001", "000000000000010", "0000000000000A", "0000000000000g"] {
            assert_eq!(Randomness::decode(digits.as_bytes()), None, "{digits:?}");
        }
    }

    #[test]
    fn a_traces_randomness_is_its_last_56_bits() {
        let trace_id = 0xffff_ffff_ffff_ffff_ab12_3456_789a_bcde;
        assert_eq!(Randomness::of_trace(trace_id), Randomness(0x0012_3456_789a_bcde));
    }

    /// A splitmix64 sequence: random enough to measure a rate, and the same in every run.
    fn randomness(seed: u64) -> impl Iterator<Item = Randomness> {
        (1..).map(move |step: u64| {
            let mut bits = seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            Randomness((bits ^ (bits >> 31)) & LARGEST)
        })
    }

    #[test]
    fn measured_rates_are_within_four_standard_deviations() {
        const TRACES: usize = 100_000;
        for (seed, permille) in [1_u32, 5, 10, 100, 500, 900, 999].into_iter().enumerate() {
            let probability = Probability::from_ratio(permille.into(), 1000).unwrap().rounded(Precision::RECOMMENDED);
            let sampled = randomness(seed as u64).take(TRACES).filter(|&r| probability.samples(r)).count();
            let (p, n) = (f64::from(permille) / 1000.0, TRACES as f64);
            let deviation = (sampled as f64 - p * n).abs() / (p * (1.0 - p) * n).sqrt();
            assert!(deviation < 4.0, "{permille} permille: {sampled} of {TRACES}");
        }
    }

    fn ratios() -> impl Strategy<Value = (u128, u128)> {
        (1..1_u128 << 67).prop_flat_map(|all| ((all >> 56) + 1..=all, Just(all)))
    }

    proptest! {
        #[test]
        fn every_threshold_reads_back_from_its_th_value(value in 0..=LARGEST) {
            let encoded = Threshold(value).encode();
            prop_assert_eq!(Threshold::decode(encoded.as_ref()), Some(Threshold(value)));
            prop_assert!(encoded.as_ref() == b"0" || !encoded.as_ref().ends_with(b"0"));
        }

        #[test]
        fn any_bytes_are_decoded(digits: Vec<u8>) {
            Threshold::decode(&digits);
            Randomness::decode(&digits);
        }

        #[test]
        fn th_and_decision_agree((numerator, denominator) in ratios(), precision in 1..=14_u8, r in 0..=LARGEST) {
            let precision = Precision::new(precision).unwrap();
            let probability = Probability::from_ratio(numerator, denominator).unwrap().rounded(precision);
            let Probability::AtLeast(threshold) = probability else {
                return Err(TestCaseError::fail("none is 0 %"));
            };
            let told = Threshold::decode(threshold.encode().as_ref()).unwrap();
            prop_assert_eq!(told.admits(Randomness(r)), threshold.admits(Randomness(r)));
        }

        #[test]
        fn a_larger_probability_samples_a_superset(
            (numerator, denominator) in ratios(),
            more: u128,
            precision in 1..=14_u8,
            r in 0..=LARGEST,
        ) {
            let larger = numerator + more % (denominator - numerator + 1);
            let precision = Precision::new(precision).unwrap();
            let samples = |numerator| {
                let probability = Probability::from_ratio(numerator, denominator).unwrap();
                probability.rounded(precision).samples(Randomness(r))
            };
            prop_assert!(!samples(numerator) || samples(larger));
        }

        #[test]
        fn an_unrounded_threshold_is_exact_to_the_last_bit((numerator, denominator) in ratios()) {
            if let Ok(Probability::AtLeast(Threshold(value))) = Probability::from_ratio(numerator, denominator) {
                let exact = (denominator - numerator) << BITS;
                let error = exact.abs_diff(u128::from(value) * denominator);
                prop_assert!(error * 2 <= denominator || value == LARGEST);
            }
        }
    }
}
