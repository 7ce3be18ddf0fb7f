//! Numbers of Asian states.

use super::super::byte_set::{ByteSet, DIGITS, UPPER};
use super::super::checksum::{is_date, iso_7064_mod_11_2, number_at, value, verhoeff, weighted};
use super::super::{Boundary, Detector, Score, Words};
use super::{common, rare, validated};

/// China's resident identity card (GB 11643-1999): province, date of birth, ISO 7064.
pub(in super::super) const CN_RESIDENT_ID: Detector =
    rare("cn_resident_id", &["99999999999999999a", "999999999999999999"], |id| {
        let at = |from, to| number_at(id, from, to);
        // GB/T 2260; 81 to 83 are residence permits of people from Hong Kong, Macao and Taiwan.
        let is_province =
            matches!(at(0, 2), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91);
        let is_born = matches!(at(6, 10), 1800..=2199) && is_date(at(6, 10), at(10, 12), at(12, 14));
        let is_check = matches!(id.last(), Some(b'0'..=b'9' | b'X'));
        validated(is_province && is_born && is_check && iso_7064_mod_11_2(id))
    });

/// Mobile numbers of China's networks (Wikipedia, "Telephone numbers in China").
pub(in super::super) const CN_MOBILE: Detector = Detector {
    starts: ByteSet::of(b"+01"),
    ..rare(
        "cn_mobile",
        &["999~9999~9999", "+86999~9999~9999", "+86 999~9999~9999", "+86-999~9999~9999", "0086999~9999~9999"],
        |digits| {
            let is_mobile = matches!(digits.last_chunk(), Some([b'1', b'3'..=b'9', _, _, _, _, _, _, _, _, _]));
            is_mobile.then_some(Score::Shape)
        },
    )
};

/// India's Aadhaar (UIDAI): Verhoeff, and no palindrome.
pub(in super::super) const IN_AADHAAR: Detector =
    common("in_aadhaar", &["9999~9999~9999"], &["aadhaar", "aadhar", "adhaar", "adhar", "uidai", "uid"], |digits| {
        let is_palindrome = digits.iter().eq(digits.iter().rev());
        validated(!matches!(digits.first(), Some(b'0' | b'1')) && !is_palindrome && verhoeff(digits))
    });

/// India's permanent account number (Income Tax Department): the fourth letter is the kind of its holder.
pub(in super::super) const IN_PAN: Detector = Detector {
    starts: UPPER,
    before: Boundary::NotWord,
    ..rare("in_pan", &["AAAAA9999A"], |number| {
        let is_holder = number.get(3).is_some_and(|kind| b"ABCFGHJKLPT".contains(kind));
        (is_holder && number_at(number, 5, 9) > 0).then_some(Score::Shape)
    })
};

/// Korea's resident registration number: date of birth, century and sex, and a check digit, which numbers that were given
/// since October 2020 do not have: those count by context (Wikipedia, "Resident registration number").
pub(in super::super) const KR_RRN: Detector = Detector {
    context: Words::new(&[
        "rrn",
        "resident registration",
        "resident registration number",
        "jumin",
        "주민등록번호",
        "주민번호",
    ]),
    ..rare("kr_rrn", &["999999-9999999", "9999999999999"], |digits| {
        let century = match number_at(digits, 6, 7) {
            1 | 2 | 5 | 6 => 1900,
            3 | 4 | 7 | 8 => 2000,
            _ => 1800u32,
        };
        let year = number_at(digits, 0, 2).wrapping_add(century);
        let sum = weighted(digits, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
        let is_checked =
            11u32.wrapping_sub(sum % 11) % 10 == number_at(digits, 12, 13) && number_at(digits, 7, 9) <= 96;
        let score = if is_checked { Score::Validated } else { Score::Bare };
        is_date(year, number_at(digits, 2, 4), number_at(digits, 4, 6)).then_some(score)
    })
};

/// Singapore's NRIC and FIN: a letter by the weighted sum (Wikipedia, "National Registration Identity Card"; series M as
/// its implementations agree).
pub(in super::super) const SG_FIN: Detector = Detector {
    starts: ByteSet::of(b"STFGMstfgm"),
    before: Boundary::NotWord,
    ..rare("sg_fin", &["a9999999a"], |number| {
        let (offset, letters): (u32, &[u8; 11]) = match number.first() {
            Some(b'S') => (0, b"JZIHGFEDCBA"),
            Some(b'T') => (4, b"JZIHGFEDCBA"),
            Some(b'F') => (0, b"XWUTRQPNMLK"),
            Some(b'G') => (4, b"XWUTRQPNMLK"),
            Some(b'M') => (3, b"XWUTRQPNJLK"),
            _ => return None,
        };
        let sum = weighted(number.get(1..8)?, &[2, 7, 6, 5, 4, 3, 2]).wrapping_add(offset) % 11;
        validated(letters.get(sum as usize) == number.last())
    })
};

/// Turkey's identification number: two check digits (Wikipedia, "Turkish Identification Number").
pub(in super::super) const TR_ID: Detector = Detector {
    starts: DIGITS,
    ..common(
        "tr_id",
        &["99999999999"],
        &["tckn", "tc kimlik", "tc kimlik no", "kimlik", "kimlik no", "tc no", "tc"],
        |digits| {
            let alternating = weighted(digits, &[7, 9, 7, 9, 7, 9, 7, 9, 7]) % 10;
            let sum = digits.iter().take(10).map(|digit| value(*digit)).sum::<u32>() % 10;
            let is_valid = number_at(digits, 9, 10) == alternating && number_at(digits, 10, 11) == sum;
            validated(is_valid && digits.first() != Some(&b'0'))
        },
    )
};

#[cfg(test)]
mod tests {
    use super::super::super::tests::{assert_finds, assert_finds_nothing};
    use super::*;

    /// Wikipedia, "Resident Identity Card"; python-stdnum, `cn.ric`.
    #[test]
    fn chinese_resident_ids_are_found() {
        assert_finds(
            "cn_resident_id",
            Score::Validated,
            &["11010519491231002X", "11010519491231002x", "360426199101010071"],
        );
        assert_finds_nothing(
            "cn_resident_id",
            &[
                "110105194912310021",
                "99010519491231002X",
                "11010519491331002X",
                "1101051949123100",
                "11010519491231002A",
                "211010519491231002X",
            ],
        );
    }

    #[test]
    fn chinese_mobile_numbers_are_found() {
        assert_finds(
            "cn_mobile",
            Score::Shape,
            &[
                "13800138000",
                "138 0013 8000",
                "138-0013-8000",
                "+8613800138000",
                "+86 138-0013-8000",
                "+86-13800138000",
                "008613800138000",
            ],
        );
        assert_finds_nothing(
            "cn_mobile",
            &["12800138000", "23800138000", "1380013800", "138001380000", "138-0013 8000", "1.13800138000"],
        );
    }

    /// python-stdnum, `in_.aadhaar` and `in_.pan`.
    #[test]
    fn indian_numbers_are_found() {
        assert_finds("in_aadhaar", Score::Validated, &["2341 2341 2346", "2341-2341-2346"]);
        assert_finds("in_aadhaar", Score::Common, &["234123412346"]);
        assert_finds_nothing(
            "in_aadhaar",
            &["2341 2341 2347", "2000 0990 0002", "1341 2341 2345", "2341-2341 2346", "2222 2222 2222"],
        );
        assert_finds("in_pan", Score::Shape, &["ACUPA7085R", "AAPPV8261K"]);
        assert_finds_nothing(
            "in_pan",
            &["ABMPA32111", "ABMXA3211G", "ACUPA0000R", "acupa7085r", "ACUPA7085RX", "XACUPA7085R"],
        );
    }

    /// python-stdnum, `kr.rrn`.
    #[test]
    fn korean_numbers_are_found() {
        assert_finds("kr_rrn", Score::Validated, &["971013-9019902", "9710139019902"]);
        assert_finds("kr_rrn", Score::Bare, &["971013-9019903", "201101-3456789"]);
        assert_finds_nothing("kr_rrn", &["971313-9019902", "970230-1019902", "971013 9019902", "971013-901990"]);
        assert!(KR_RRN.context.stand_before("주민등록번호: ".as_bytes()));
    }

    /// Samples that implementations of all five series agree on.
    #[test]
    fn singaporean_numbers_are_found() {
        assert_finds(
            "sg_fin",
            Score::Validated,
            &["S1234567D", "T1234567J", "F1234567N", "G1234567X", "M1234567K", "M5012345J", "s1234567d"],
        );
        assert_finds_nothing(
            "sg_fin",
            &["S1234567A", "T1234567D", "F1234567X", "M1234567X", "A1234567D", "S12345678D", "xS1234567D"],
        );
    }

    /// python-stdnum, `tr.tckimlik`; Wikipedia, "Turkish Identification Number".
    #[test]
    fn turkish_numbers_are_found() {
        assert_finds("tr_id", Score::Common, &["17291716060", "10000000146"]);
        assert_finds_nothing("tr_id", &["17291716050", "17291716092", "07291716092", "172917160600"]);
    }
}
