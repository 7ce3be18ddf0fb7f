//! Telephone numbers (ITU-T E.164), international ones by their country code and national ones by context.

use super::byte_set::{ByteSet, DIGITS, WORD};
use super::checksum::number_at;
use super::text::{Found, Text, Unknown};
use super::traits::{Needs, PLUS};
use super::{Boundary, Detector, Score, Shape, Words};

pub(super) const PHONE_E164: Detector = Detector {
    name: "phone_e164",
    starts: ByteSet::of(b"+"),
    max_len: 56,
    needs: Needs { len: 9, digits: 8, kinds: PLUS, is_number: true },
    leads: u32::MAX,
    before: Boundary::Any,
    skip: 0,
    context: Words::NONE,
    shape: Shape::Other(international),
};

pub(super) const PHONE_NATIONAL: Detector = Detector {
    name: "phone_national",
    starts: DIGITS.or(ByteSet::of(b"(")),
    max_len: 56,
    needs: Needs { len: 7, digits: 7, kinds: 0, is_number: true },
    leads: u32::MAX,
    before: Boundary::NotDotted,
    skip: 0,
    context: Words::required(&[
        "phone",
        "telephone",
        "phone number",
        "phone no",
        "tel",
        "mobile",
        "cell",
        "cellphone",
        "fax",
        "call",
        "sms",
        "whatsapp",
        "telefon",
        "handy",
        "mobil",
        "telefono",
        "movil",
        "telefone",
        "celular",
        "portable",
        "电话",
        "手机",
        "電話",
        "전화",
    ]),
    shape: Shape::Other(national),
};

/// Digits that count and where the last group of them ends.
struct Number {
    digits: [u8; 15],
    len: usize,
    end: usize,
}

fn international(text: Text<'_>) -> Result<Option<Found>, Unknown> {
    let number = read(text, 1, |digits| if digits.first() == Some(&b'1') { 11 } else { 15 })?;
    let number = number.filter(|number| number.len >= 8 && has_country(&number.digits));
    Ok(number.map(|number| Found::new(number.end, Score::Validated)))
}

fn national(text: Text<'_>) -> Result<Option<Found>, Unknown> {
    let number = read(text, 0, |_| 12)?;
    Ok(number.filter(|number| number.len >= 7).map(|number| Found::new(number.end, Score::Bare)))
}

/// Reads groups of digits, between which one or two of blank, hyphen, dot, slash and brackets stand, as long as no more digits
/// come together than may.
fn read(text: Text<'_>, mut at: usize, most: fn(&[u8; 15]) -> usize) -> Result<Option<Number>, Unknown> {
    const BETWEEN: ByteSet = ByteSet::of(b" -./()");
    let mut number = Number { digits: [0; 15], len: 0, end: 0 };
    let (mut len, mut between) = (0usize, 0usize);
    loop {
        match text.byte(at)? {
            Some(digit @ b'0'..=b'9') => {
                if let Some(place) = number.digits.get_mut(len) {
                    *place = digit;
                }
                (len, between) = (len.saturating_add(1), 0);
                if len > most(&number.digits) {
                    break;
                }
            }
            Some(other) if WORD.has(other) => break,
            other => {
                if len > number.len {
                    (number.len, number.end) = (len, at);
                }
                between = between.saturating_add(1);
                if between > 2 || !other.is_some_and(|other| BETWEEN.has(other)) {
                    break;
                }
            }
        }
        at = at.saturating_add(1);
    }
    Ok(Some(number).filter(|number| number.len > 0))
}

/// Whether a country has this calling code: all but these of three digits, and none that begins with 0.
fn has_country(digits: &[u8]) -> bool {
    const UNASSIGNED: &[u32] = &[
        210, 214, 215, 217, 219, 259, 292, 293, 294, 295, 296, 379, 384, 388, 422, 424, 425, 426, 427, 428, 429, 671,
        684, 693, 694, 695, 696, 697, 698, 699, 801, 802, 803, 804, 805, 806, 807, 809, 851, 854, 857, 858, 859, 871,
        872, 873, 874, 875, 876, 877, 879, 884, 885, 887, 889, 969, 978, 990, 991, 997, 999,
    ];
    let code = number_at(digits, 0, 3);
    code >= 100 && !matches!(code / 10, 28 | 83 | 89) && !UNASSIGNED.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_finds, assert_finds_nothing, matches};
    use super::*;

    /// Numbers for dramatic use (Ofcom; NANPA, 555-01xx; Bundesnetzagentur), ITU-T E.123 notation.
    #[test]
    fn numbers_are_found() {
        assert_finds(
            "phone_e164",
            Score::Validated,
            &[
                "+14155550123",
                "+1 415 555 0123",
                "+1 (415) 555-0123",
                "+1.415.555.0123",
                "+44 20 7946 0958",
                "+44 (0)20 7946 0958",
                "+442079460958",
                "+49 (0) 30 23125 123",
                "+8613800138000",
                "+33 1 99 00 12 34",
                "+355 4 123456",
            ],
        );
        assert_finds(
            "phone_national",
            Score::Bare,
            &["(415) 555-0123", "415-555-0123", "020 7946 0958", "030/23125123", "5550123", "01 99 00 12 34"],
        );
        for before in ["Phone: ", "\"mobile_number\": \"", "customerTel ", "手机号 "] {
            assert!(PHONE_NATIONAL.context.stand_before(before.as_bytes()), "{before}");
        }
        for before in ["order ", "hotel ", "intelligence ", "recall "] {
            assert!(!PHONE_NATIONAL.context.stand_before(before.as_bytes()), "{before}");
        }
    }

    #[test]
    fn look_alikes_are_left_alone() {
        assert_finds_nothing(
            "phone_e164",
            &["+1234567", "+0123456789", "+2812345678", "+2101234567", "+12345678901234567", "+"],
        );
        assert_finds_nothing("phone_national", &["555-012", "1234567890123", "x5550123", "12:30:45", "(a)"]);
    }

    #[test]
    fn a_number_ends_where_no_more_digits_may_come() {
        for (text, len) in [
            ("+1 415 555 0123 2024", 15),
            ("+14155550123 100 pieces", 12),
            ("+14155550123-x", 12),
            ("+14155550123   4", 12),
        ] {
            assert_eq!(matches(&PHONE_E164, text.as_bytes()), [(0, len, Score::Validated)], "{text}");
        }
    }
}
