//! Numbers of American states.

use super::super::checksum::{luhn, number, number_at};
use super::super::{Detector, Score};
use super::{common, validated};

/// The social security number of the United States: areas, groups and serials that are never issued, and numbers that
/// advertisements made known (Social Security Administration, "Social Security Number Randomization"; Wikipedia, "Social
/// Security number").
pub(in super::super) const US_SSN: Detector = common(
    "us_ssn",
    &["999~99~9999"],
    &["ssn", "social security", "social security number", "social security no", "ss no", "taxpayer id", "itin"],
    |digits| {
        let area = number_at(digits, 0, 3);
        let is_issued = !matches!(area, 0 | 666 | 900..) && number_at(digits, 3, 5) > 0 && number_at(digits, 5, 9) > 0;
        let is_known = matches!(number(digits), 78_051_120 | 123_456_789 | 219_099_999 | 457_555_462);
        (is_issued && !is_known).then_some(Score::Shape)
    },
);

/// Canada's social insurance number (Government of Canada; Wikipedia, "Social insurance number").
pub(in super::super) const CA_SIN: Detector = common(
    "ca_sin",
    &["999~999~999"],
    &["sin", "social insurance", "social insurance number", "nas", "assurance sociale"],
    |digits| validated(!matches!(digits.first(), Some(b'0' | b'8')) && luhn(digits)),
);

/// Brazil's number of natural persons (Receita Federal; Wikipedia, "CPF number").
pub(in super::super) const BR_CPF: Detector =
    common("br_cpf", &["999.999.999-99", "99999999999"], &["cpf", "cadastro de pessoas"], |digits| {
        let is_repeated = digits.iter().all(|digit| Some(digit) == digits.first());
        validated(!is_repeated && has_check_digits(digits, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]))
    });

/// Brazil's number of enterprises, since July 2026 with letters too (Receita Federal, Instrução Normativa 2.229/2024).
pub(in super::super) const BR_CNPJ: Detector = Detector {
    starts: super::super::byte_set::DIGITS.or(super::super::byte_set::UPPER),
    ..common("br_cnpj", &["XX.XXX.XXX/XXXX-99", "XXXXXXXXXXXX99"], &["cnpj", "cadastro nacional da pessoa"], |number| {
        let is_zero = number.iter().take(12).all(|digit| *digit == b'0');
        validated(!is_zero && has_check_digits(number, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]))
    })
};

/// Two digits, each weighed against all before it; the weights are those of the second.
fn has_check_digits(number: &[u8], weights: &[u8]) -> bool {
    let is_check = |digits: usize, weights: &[u8]| {
        let sum: u32 =
            number.iter().zip(weights).map(|(byte, weight)| value(*byte).wrapping_mul((*weight).into())).sum();
        let check = match sum % 11 {
            0 | 1 => 0,
            remainder => 11u32.wrapping_sub(remainder),
        };
        number.get(digits).is_some_and(|byte| value(*byte) == check)
    };
    let first = weights.get(1..).unwrap_or_default();
    is_check(first.len(), first) && is_check(weights.len(), weights)
}

/// A letter's distance from the digit 0 in ASCII.
fn value(byte: u8) -> u32 {
    u32::from(byte.wrapping_sub(b'0'))
}

#[cfg(test)]
mod tests {
    use super::super::super::Score;
    use super::super::super::tests::{assert_finds, assert_finds_nothing};

    /// The example of python-stdnum, and what the Social Security Administration says is never issued.
    #[test]
    fn social_security_numbers_are_found() {
        assert_finds("us_ssn", Score::Shape, &["536-90-4399", "536 90 4399", "899-99-9999", "001-01-0001"]);
        assert_finds("us_ssn", Score::Bare, &["536904399"]);
        assert_finds_nothing(
            "us_ssn",
            &[
                "000-12-3456",
                "666-12-3456",
                "900-12-3456",
                "987-65-4320",
                "536-00-4399",
                "536-90-0000",
                "078-05-1120",
                "123456789",
                "219-09-9999",
                "536-90 4399",
                "536-904-399",
                "1536-90-4399",
                "536-90-43990",
                "0.536904399",
                "536.90.4399",
            ],
        );
    }

    /// Wikipedia, "Social insurance number"; python-stdnum, `ca.sin`.
    #[test]
    fn social_insurance_numbers_are_found() {
        assert_finds("ca_sin", Score::Validated, &["123-456-782", "130 692 544"]);
        assert_finds("ca_sin", Score::Common, &["130692544"]);
        assert_finds_nothing("ca_sin", &["123-456-789", "046 454 286", "800-000-002", "123-456 782", "123-4567-82"]);
    }

    /// python-stdnum, `br.cpf` and `br.cnpj`; Receita Federal's example of a CNPJ with letters.
    #[test]
    fn brazilian_numbers_are_found() {
        assert_finds("br_cpf", Score::Validated, &["390.533.447-05"]);
        assert_finds("br_cpf", Score::Common, &["39053344705"]);
        assert_finds_nothing(
            "br_cpf",
            &["231.002.999-00", "111.111.111-11", "390.533.447.05", "390 533 447 05", "390.533.447-056"],
        );
        assert_finds("br_cnpj", Score::Validated, &["16.727.230/0001-97", "12.ABC.345/01DE-35"]);
        assert_finds("br_cnpj", Score::Common, &["16727230000197", "12ABC34501DE35"]);
        assert_finds_nothing(
            "br_cnpj",
            &["16.727.230.0001-98", "16.727.230/0001-98", "00.000.000/0000-00", "16.727.230/0001-9"],
        );
    }
}
