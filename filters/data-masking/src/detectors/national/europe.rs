//! Numbers of European states.

use super::super::byte_set::{ALPHANUMERIC, UPPER};
use super::super::checksum::{is_date, iso_7064_mod_11_10, number, number_at, value, weighted};
use super::super::{Boundary, Detector, Score};
use super::{common, rare, validated};

/// The number of a patient of the National Health Service (NHS Data Dictionary, "NHS NUMBER"): modulo 11.
pub(in super::super) const UK_NHS: Detector = common(
    "uk_nhs",
    &["999~999~9999"],
    &["nhs", "nhs number", "nhs no", "national health service", "health service number"],
    |digits| validated(weighted(digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)),
);

/// The national insurance number (HMRC, NIM39110): prefixes that are not used, and a suffix from A to D.
pub(in super::super) const UK_NINO: Detector = Detector {
    starts: UPPER,
    before: Boundary::NotWord,
    ..rare("uk_nino", &["AA~99~99~99~A", "AA~999999~A"], |number| {
        let [first, second, .., suffix] = number else { return None };
        let is_letter = |letter: &u8| !b"DFIQUV".contains(letter);
        let is_prefix = is_letter(first) && is_letter(second) && *second != b'O';
        let is_unused = matches!(&[*first, *second], b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ");
        (is_prefix && !is_unused && matches!(suffix, b'A'..=b'D')).then_some(Score::Shape)
    })
};

/// The tax number of Spain's citizens (DNI), of foreigners (NIE) and of people with neither (K, L, M): a letter by the number
/// modulo 23 (Ministerio del Interior, "Cálculo del dígito de control del NIF-NIE").
pub(in super::super) const ES_NIF: Detector = Detector {
    starts: ALPHANUMERIC,
    ..rare("es_nif", &["99999999~a", "a~9999999~a"], |nif| {
        let [first, digits @ .., letter] = nif else { return None };
        let leading = match first {
            b'0'..=b'9' => value(*first),
            b'X' | b'K' | b'L' | b'M' => 0,
            b'Y' => 1,
            b'Z' => 2,
            _ => return None,
        };
        let number = leading.wrapping_mul(10_000_000).wrapping_add(number(digits));
        validated(b"TRWAGMYFPDXBNJZSQVHLCKE".get((number % 23) as usize) == Some(letter))
    })
};

/// Poland's PESEL: date of birth with the century in the month, and a check digit (gov.pl, "Co to jest numer PESEL").
pub(in super::super) const PL_PESEL: Detector =
    common("pl_pesel", &["99999999999"], &["pesel", "nr pesel"], |digits| {
        let (month, century) = match number_at(digits, 2, 4) {
            month @ 1..=12 => (month, 1900),
            month @ 21..=32 => (month.wrapping_sub(20), 2000),
            month @ 41..=52 => (month.wrapping_sub(40), 2100),
            month @ 61..=72 => (month.wrapping_sub(60), 2200),
            month @ 81..=92 => (month.wrapping_sub(80), 1800u32),
            _ => return None,
        };
        let is_born = is_date(number_at(digits, 0, 2).wrapping_add(century), month, number_at(digits, 4, 6));
        validated(is_born && weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10))
    });

/// Germany's tax identification number (Bundeszentralamt für Steuern): of ten digits exactly one occurs twice or thrice, and
/// ISO 7064.
pub(in super::super) const DE_TAX_ID: Detector = rare("de_tax_id", &["99 999 999 999", "99999999999"], |digits| {
    let count = |own: u8| digits.iter().take(10).filter(|digit| **digit == own).count();
    let mut repeated = (b'0'..=b'9').map(count).filter(|count| *count > 1);
    let is_repeated = matches!((repeated.next(), repeated.next()), (Some(2 | 3), None));
    validated(is_repeated && digits.first() != Some(&b'0') && iso_7064_mod_11_10(digits))
});

/// France's number of social security (INSEE, "Numéro de sécurité sociale"): sex, date, département, and a key modulo 97.
pub(in super::super) const FR_NIR: Detector = rare("fr_nir", &["9~99~99~9X~999~999~99", "999999X999999~99"], |nir| {
    // Corsica's départements count as 19 and 18.
    let department = match nir.get(5..7)? {
        b"2A" => 19,
        b"2B" => 18,
        department @ [_, b'0'..=b'9'] => number(department),
        _ => return None,
    };
    let digits = |from, to| u64::from(number_at(nir, from, to));
    let front = digits(0, 5).wrapping_mul(100).wrapping_add(department.into());
    let body = front.wrapping_mul(1_000_000).wrapping_add(digits(7, 13));
    let is_person = matches!(nir.first(), Some(b'1'..=b'4' | b'7' | b'8'));
    validated(is_person && 97u64.wrapping_sub(body % 97) == digits(13, 15))
});

#[cfg(test)]
mod tests {
    use super::super::super::tests::{assert_finds, assert_finds_nothing};
    use super::*;

    /// NHS Data Dictionary; python-stdnum, `gb.nhs`.
    #[test]
    fn nhs_numbers_are_found() {
        assert_finds("uk_nhs", Score::Validated, &["943 476 5870", "943-476-5870"]);
        assert_finds("uk_nhs", Score::Common, &["9434765870"]);
        assert_finds_nothing("uk_nhs", &["943 476 5871", "943-476 5870", "943 4765 870", "(943) 476 5870"]);
    }

    /// HMRC's example prefix QQ is never used; AB123456C is the example of gov.uk's forms.
    #[test]
    fn national_insurance_numbers_are_found() {
        assert_finds(
            "uk_nino",
            Score::Shape,
            &["AB123456C", "AB 12 34 56 C", "AB-12-34-56-C", "AB 123456 C", "JG103759A"],
        );
        assert_finds_nothing(
            "uk_nino",
            &[
                "QQ123456C",
                "AO123456C",
                "GB123456C",
                "DA123456C",
                "AB123456E",
                "AB12345C",
                "ab123456c",
                "AB 12-34 56 C",
                "XAB123456C",
            ],
        );
    }

    /// Ministerio del Interior; python-stdnum, `es.dni`, `es.nie` and `es.nif`.
    #[test]
    fn spanish_numbers_are_found() {
        assert_finds(
            "es_nif",
            Score::Validated,
            &[
                "12345678Z",
                "54362315K",
                "54362315-K",
                "54362315 k",
                "X2482300W",
                "X-2482300-W",
                "Y1234567X",
                "M1234567L",
            ],
        );
        assert_finds_nothing(
            "es_nif",
            &["12345678A", "54362315Z", "X2482300A", "B58818501", "1234567Z", "123456789Z", "x12345678Z"],
        );
    }

    /// Wikipedia, "PESEL"; python-stdnum, `pl.pesel`.
    #[test]
    fn pesels_are_found() {
        assert_finds("pl_pesel", Score::Common, &["44051401359", "02070803628"]);
        assert_finds_nothing("pl_pesel", &["44051401358", "44131401352", "44023001359", "4405140135", "440514013590"]);
    }

    /// Wikipedia, "Steuerliche Identifikationsnummer"; python-stdnum, `de.idnr`.
    #[test]
    fn german_tax_ids_are_found() {
        assert_finds("de_tax_id", Score::Validated, &["36574261809", "86095742719", "36 574 261 809"]);
        assert_finds_nothing(
            "de_tax_id",
            &["36574261890", "36554266806", "06574261803", "12345678903", "365742618090"],
        );
    }

    /// Wikipedia, "Numéro de sécurité sociale en France"; python-stdnum, `fr.nir`.
    #[test]
    fn french_numbers_are_found() {
        assert_finds(
            "fr_nir",
            Score::Validated,
            &[
                "295109912611193",
                "2 95 10 99 126 111 93",
                "2951099126111 93",
                "253072B07300470",
                "2 53 07 2B 073 004 70",
                "253072A07300443",
            ],
        );
        assert_finds_nothing(
            "fr_nir",
            &["295109912611199", "253072B07300480", "695109912611131", "253072C07300470", "2951099126111934"],
        );
    }
}
