//! Numbers of African states.

use super::super::Detector;
use super::super::checksum::{is_date, luhn, number_at};
use super::{rare, validated};

/// South Africa's identity number: date of birth, citizenship, Luhn digit (Wikipedia, "South African identity card").
pub(in super::super) const ZA_ID: Detector = rare("za_id", &["999999~9999~999", "999999 9999 99 9"], |number| {
    let at = |from, to| number_at(number, from, to);
    validated(is_date_of_two_digit_year(at(0, 2), at(2, 4), at(4, 6)) && at(10, 11) < 2 && luhn(number))
});

/// The year 00 may be 1900, which was no leap year, or 2000.
fn is_date_of_two_digit_year(year: u32, month: u32, day: u32) -> bool {
    is_date(year.saturating_add(2000), month, day)
}

#[cfg(test)]
mod tests {
    use super::super::super::Score;
    use super::super::super::tests::{assert_finds, assert_finds_nothing};

    /// Wikipedia, "South African identity card"; python-stdnum, `za.idnr`.
    #[test]
    fn south_african_ids_are_found() {
        assert_finds("za_id", Score::Validated, &["8001015009087", "750330 5044 08 9", "7503305044089"]);
        assert_finds_nothing(
            "za_id",
            &["8001015009086", "8013015009084", "8001015009287", "80010150090870", "a8001015009087"],
        );
    }
}
