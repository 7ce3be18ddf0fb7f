//! Numbers of Australia.

use super::super::Detector;
use super::super::checksum::{number_at, weighted};
use super::{common, validated};

/// The tax file number (Australian Taxation Office; Wikipedia, "Tax file number"): modulo 11.
pub(in super::super) const AU_TFN: Detector = common(
    "au_tfn",
    &["999~999~999", "99~999~999"],
    &["tfn", "tax file", "tax file number", "tax file no"],
    |digits| {
        let is_zero = digits.iter().all(|digit| *digit == b'0');
        validated(!is_zero && weighted(digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11))
    },
);

/// The business number (Australian Business Register, "Format of the ABN"): modulo 89, the first digit less one;
/// check digits are 11 to 99.
pub(in super::super) const AU_ABN: Detector =
    common("au_abn", &["99~999~999~999"], &["abn", "australian business number", "business number"], |digits| {
        let sum = weighted(digits, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]).wrapping_sub(10);
        validated(number_at(digits, 0, 2) > 10 && sum.is_multiple_of(89))
    });

#[cfg(test)]
mod tests {
    use super::super::super::Score;
    use super::super::super::tests::{assert_finds, assert_finds_nothing};

    /// python-stdnum, `au.tfn` and `au.abn`.
    #[test]
    fn australian_numbers_are_found() {
        assert_finds("au_tfn", Score::Validated, &["123 456 782", "123-456-782"]);
        assert_finds("au_tfn", Score::Common, &["123456782"]);
        assert_finds_nothing("au_tfn", &["999 999 999", "123 456-782", "000 000 000", "1234 567 82"]);
        assert_finds("au_abn", Score::Validated, &["83 914 571 673", "51-824-753-556"]);
        assert_finds("au_abn", Score::Common, &["83914571673"]);
        assert_finds_nothing("au_abn", &["99 999 999 999", "83 914 571 674", "03 914 571 673", "83 914-571 673"]);
    }
}
