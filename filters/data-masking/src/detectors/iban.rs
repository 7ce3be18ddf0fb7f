//! International bank account numbers (ISO 13616).

use super::byte_set::LETTERS;
use super::checksum::modulo_97;
use super::text::{Found, Text, Unknown};
use super::traits::Needs;
use super::{Boundary, Detector, Score, Shape, Words};

const LONGEST: usize = 33;

/// Countries and the lengths of their numbers: the IBAN registry of SWIFT, release 101.
const LENGTHS: &[(u8, &[u8])] = &[
    (15, b"NO"),
    (16, b"BE"),
    (18, b"DKFIFKFOGLNLSD"),
    (19, b"MKSI"),
    (20, b"ATBAEEKZLTLUMNXK"),
    (21, b"CHHRLILV"),
    (22, b"BGBHCRDEGBGEIEMERSVA"),
    (23, b"AEGIILIQOMSOTL"),
    (24, b"ADCZESMDPKROSASESKTNVG"),
    (25, b"LYPTST"),
    (26, b"ISTR"),
    (27, b"BIDJFRGRITMCMRSM"),
    (28, b"ALAZBYCYDOGTHNHULBNIPLSV"),
    (29, b"BRPSQAUA"),
    (30, b"JOKWMUYE"),
    (31, b"MTSC"),
    (32, b"LC"),
    (33, b"EGRU"),
];

pub(super) const IBAN: Detector = Detector {
    name: "iban",
    starts: LETTERS,
    max_len: 44,
    needs: Needs { len: 15, digits: 2, ..Needs::NOTHING },
    leads: u32::MAX,
    before: Boundary::NotWord,
    skip: 0,
    context: Words::NONE,
    shape: Shape::Other(recognise),
};

/// Together, or in groups of four that the same blank or hyphen separates.
fn recognise(text: Text<'_>) -> Result<Option<Found>, Unknown> {
    let mut number = [0u8; LONGEST];
    let mut len = LONGEST;
    let mut separator = None;
    let mut at = 0usize;
    let mut place = 0usize;
    while place < len {
        if place == 2 {
            len = match length(number.first_chunk()) {
                Some(len) => len,
                None => return Ok(None),
            };
        }
        let mut byte = text.byte(at)?;
        if place > 0 && place.is_multiple_of(4) {
            let here = byte.filter(|byte| matches!(byte, b' ' | b'-'));
            if *separator.get_or_insert(here) != here {
                return Ok(None);
            }
            if here.is_some() {
                at = at.saturating_add(1);
                byte = text.byte(at)?;
            }
        }
        let Some(byte) = byte.filter(|byte| fits(place, *byte)) else { return Ok(None) };
        if let Some(slot) = number.get_mut(place) {
            *slot = byte.to_ascii_uppercase();
        }
        place = place.saturating_add(1);
        at = at.saturating_add(1);
    }
    let rotated = number.iter().take(len).skip(4).chain(number.iter().take(4));
    let is_valid = text.ends_word(at)? && modulo_97(rotated.copied()) == 1;
    Ok(is_valid.then(|| Found::new(at, Score::Validated)))
}

/// Two letters, two digits, and what the country likes.
fn fits(place: usize, byte: u8) -> bool {
    match place {
        0 | 1 => byte.is_ascii_alphabetic(),
        2 | 3 => byte.is_ascii_digit(),
        _ => byte.is_ascii_alphanumeric(),
    }
}

fn length(country: Option<&[u8; 2]>) -> Option<usize> {
    let country = country?;
    let (length, _) = LENGTHS.iter().find(|(_, countries)| countries.chunks_exact(2).any(|own| own == country))?;
    Some(usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_finds, assert_finds_nothing};
    use super::*;

    /// Examples of the IBAN registry.
    #[test]
    fn numbers_of_every_length_are_found() {
        assert_finds(
            "iban",
            Score::Validated,
            &[
                "NO9386011117947",
                "BE68539007547034",
                "NL91ABNA0417164300",
                "DK50 0040 0440 1162 43",
                "AT611904300234573201",
                "CH93-0076-2011-6238-5295-7",
                "GB29NWBK60161331926819",
                "gb29 nwbk 6016 1331 9268 19",
                "DE89370400440532013000",
                "ES9121000418450200051332",
                "FR1420041010050500013M02606",
                "PL61109010140000071219812874",
                "MT84MALT011000012345MTLCAST001S",
                "LC55HEMM000100010012001200023015",
                "RU0304452522540817810538091310419",
            ],
        );
    }

    #[test]
    fn look_alikes_are_left_alone() {
        assert_finds_nothing(
            "iban",
            &[
                "DE89370400440532013001",
                "DE8937040044053201300",
                "DE893704004405320130000",
                "DE89 3704-0044 0532 0130 00",
                "DE89 37040044 0532 0130 00",
                "XDE89370400440532013000",
                "DE89370400440532013000x",
                "US64SVBKUS6S3300958879",
                "D889370400440532013000",
                "GB82WEST",
            ],
        );
    }

    #[test]
    fn every_country_has_one_length() {
        let mut countries: Vec<&[u8]> = LENGTHS.iter().flat_map(|(_, countries)| countries.chunks(2)).collect();
        assert_eq!(countries.len(), 89);
        countries.sort_unstable();
        countries.dedup();
        assert_eq!(countries.len(), 89);
    }
}
