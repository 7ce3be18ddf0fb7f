//! Numbers of payment cards (ISO/IEC 7812): a range of issuers with the lengths it uses, and the Luhn digit.

use super::byte_set::DIGITS;
use super::checksum::{luhn, number_at};
use super::text::{Found, Text, Unknown};
use super::traits::Needs;
use super::written::leading;
use super::{Boundary, Detector, Score, Shape, Words};

const SHORTEST: usize = 13;
const LONGEST: usize = 19;

pub(super) const CREDIT_CARD: Detector = Detector {
    name: "credit_card",
    starts: DIGITS,
    max_len: 40,
    needs: Needs { len: SHORTEST, digits: SHORTEST, kinds: 0, is_number: true },
    leads: leading(3, 6) | leading(SHORTEST, LONGEST),
    before: Boundary::NotNumber,
    skip: 0,
    context: Words::NONE,
    shape: Shape::Other(recognise),
};

/// Digits, all together or in groups of three to six that the same blank or hyphen separates; the last may be shorter. The
/// longest number that ends with a group counts: a security code may follow.
fn recognise(text: Text<'_>) -> Result<Option<Found>, Unknown> {
    let mut number = [0u8; LONGEST];
    let mut digits = 0usize;
    let mut at = 0usize;
    let mut separator = None;
    let mut found = None;
    loop {
        let group = text.run(at, DIGITS, LONGEST.saturating_add(1))?;
        for digit in text.known(at, at.saturating_add(group)) {
            let Some(place) = number.get_mut(digits) else { return Ok(found) };
            *place = *digit;
            digits = digits.saturating_add(1);
        }
        at = at.saturating_add(group);
        let number = number.get(..digits).unwrap_or_default();
        if is_card(number) && text.ends_number(at)? {
            found = Some(Found::new(at, Score::Validated));
        }
        let Some(next @ (b' ' | b'-')) = text.byte(at)? else { return Ok(found) };
        if *separator.get_or_insert(next) != next || !(3..=6).contains(&group) || digits == LONGEST {
            return Ok(found);
        }
        at = at.saturating_add(1);
        if !text.byte(at)?.is_some_and(|next| next.is_ascii_digit()) {
            return Ok(found);
        }
    }
}

fn is_card(number: &[u8]) -> bool {
    number.len() >= SHORTEST
        && has_issuer(number)
        && luhn(number)
        && number.iter().any(|digit| Some(digit) != number.first())
}

/// Whether there are issuers with this beginning that use this length (Wikipedia, "Payment card number").
fn has_issuer(number: &[u8]) -> bool {
    let prefix = number_at(number, 0, 4);
    let lengths: &[usize] = match prefix {
        // Mir.
        2200..=2204 => &[16, 17, 18, 19],
        // Mastercard.
        2221..=2720 | 5100..=5599 => &[16],
        // Diners Club.
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => &[14, 15, 16, 17, 18, 19],
        // American Express.
        3400..=3499 | 3700..=3799 => &[15],
        // JCB.
        3528..=3589 => &[16, 17, 18, 19],
        // Visa.
        4000..=4999 => &[13, 16, 18, 19],
        // Maestro, Discover, UnionPay, RuPay, Elo, Verve, Troy and others.
        5000..=5099 | 5600..=5899 | 6000..=6999 => &[13, 14, 15, 16, 17, 18, 19],
        // RuPay, UnionPay.
        8100..=8299 => &[16, 17, 18, 19],
        // Uzcard, Humo, Troy.
        8600 | 9792 | 9860 => &[16],
        _ => &[],
    };
    lengths.contains(&number.len())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_finds, assert_finds_nothing, matches};
    use super::*;

    /// Test numbers that Stripe, Adyen and PayPal publish.
    #[test]
    fn cards_of_every_scheme_are_found() {
        assert_finds(
            "credit_card",
            Score::Validated,
            &[
                "4242424242424242",
                "4222222222222",
                "4111 1111 1111 1111",
                "4111-1111-1111-1111",
                "5555555555554444",
                "5200 8282 8282 8210",
                "2223003122003222",
                "378282246310005",
                "3714 496353 98431",
                "6011111111111117",
                "6011 0009 9013 9424",
                "3056930009020004",
                "36227206271667",
                "3622 720627 1667",
                "3566002020360505",
                "6200000000000005",
                "6205500000000000004",
                "6205 5000 0000 0000 004",
                "6759649826438453",
                "2201382000000013",
            ],
        );
    }

    #[test]
    fn look_alikes_are_left_alone() {
        assert_finds_nothing(
            "credit_card",
            &[
                "4242424242424241",
                "0000000000000000",
                "1111111111111117",
                "0.4242424242424242",
                "0..4242424242424242",
                "4242424242424242.5",
                "42424242424242424242",
                "x4242424242424242",
                "4242424242424242x",
                "_4242424242424242",
                "4111-1111 1111-1111",
                "4111  1111  1111  1111",
                "4 111 1111 1111 1111",
                "4111.1111.1111.1111",
                "37828224631000",
                "5555555555554",
                "1700000000000",
                "d9428888-122b-11e1-b85c-61cd3cbb3210",
            ],
        );
    }

    #[test]
    fn what_follows_a_card_is_no_part_of_it_unless_it_makes_a_card() {
        let detector = &CREDIT_CARD;
        for (text, len) in [
            ("4111 1111 1111 1111 123", 19),
            ("4111 1111 1111 1111 12/27", 19),
            ("4111-1111-1111-1111-12", 19),
            ("6205 5000 0000 0000 004 1", 23),
            ("4242424242424242.", 16),
        ] {
            assert_eq!(matches(detector, text.as_bytes()), [(0, len, Score::Validated)], "{text}");
        }
        for (text, start) in [("No.4242424242424242", 3), (".4242424242424242", 1), ("x..4242424242424242", 3)] {
            assert_eq!(matches(detector, text.as_bytes()), [(start, text.len(), Score::Validated)], "{text}");
        }
    }
}
