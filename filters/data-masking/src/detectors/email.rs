//! E-mail addresses: what the local parts of nearly all addresses are made of (the dot-atoms of RFC 5321 without rare
//! characters), and a domain with a top level domain.

use super::byte_set::{ALPHANUMERIC, ByteSet, LETTERS};
use super::text::{Found, Text, Unknown};
use super::traits::{AT, DOT, Needs};
use super::{Boundary, Detector, Score, Shape, Words};

/// The longest address (RFC 5321, section 4.5.3.1): 64, an `@` and 255.
const LONGEST: usize = 320;

/// How many pieces, between `@` and apostrophes, are looked at together: candidates begin in each of them.
const MOST_PIECES: usize = 5;

pub(super) const ATOM: ByteSet = ALPHANUMERIC.or(ByteSet::of(b"._%+-"));

pub(super) const EMAIL: Detector = Detector {
    name: "email",
    starts: ALPHANUMERIC.or(ByteSet::of(b"_%+-")),
    max_len: LONGEST + 2,
    needs: Needs { len: 6, kinds: AT | DOT, ..Needs::NOTHING },
    leads: u32::MAX,
    before: Boundary::NotAtom,
    skip: 0,
    context: Words::NONE,
    shape: Shape::Other(recognise),
};

/// All that could belong to one or several addresses, up to the end of the last domain: what stands behind an address that
/// is masked cannot become one with the mask.
fn recognise(text: Text<'_>) -> Result<Option<Found>, Unknown> {
    let mut len = 0usize;
    for _ in 0..MOST_PIECES {
        let limit = LONGEST.saturating_sub(len);
        len = len.saturating_add(text.run(len, ATOM, limit)?);
        if len == LONGEST || !matches!(text.byte(len)?, Some(b'\'' | b'@')) {
            break;
        }
        len = len.saturating_add(1);
    }
    let run = text.known(0, len);
    let mut end = run.len();
    while let Some(at) = run.get(..end).unwrap_or_default().iter().rposition(|byte| *byte == b'@') {
        let behind = at.saturating_add(1);
        let domain = domain(run.get(behind..end).unwrap_or_default());
        if at > 0 && domain > 0 {
            return Ok(Some(Found::new(behind.saturating_add(domain), Score::Shape)));
        }
        end = at;
    }
    Ok(None)
}

/// How many bytes a domain has that stands at the beginning: labels, and a top level domain of letters.
fn domain(text: &[u8]) -> usize {
    let mut end = 0usize;
    let mut at = 0usize;
    let mut is_first = true;
    for label in text.split(|byte| *byte == b'.') {
        let is_in_label = |byte: &&u8| ALPHANUMERIC.has(**byte) || **byte == b'-';
        let len = label.iter().take_while(is_in_label).count();
        let letters = label.iter().take_while(|byte| LETTERS.has(**byte)).count();
        let is_encoded = label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"xn--"));
        let top = if is_encoded { len } else { letters };
        let goes_on = label.get(top).is_some_and(|next| ALPHANUMERIC.has(*next));
        if !is_first && top > 1 && !goes_on {
            end = at.saturating_add(top);
        }
        if len == 0 || len < label.len() || label.starts_with(b"-") {
            break;
        }
        is_first = false;
        at = at.saturating_add(len).saturating_add(1);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_finds, assert_finds_nothing, matches};
    use super::*;

    /// Domains of RFC 2606; forms of Wikipedia, "Email address".
    #[test]
    fn addresses_are_found() {
        assert_finds(
            "email",
            Score::Shape,
            &[
                "simple@example.com",
                "very.common@example.com",
                "x@example.com",
                "long.email-address-with-hyphens@and.subdomains.example.com",
                "user.name+tag+sorting@example.com",
                "name/surname@example.com".trim_start_matches("name/"),
                "user%example.com@example.org",
                "o'brien@example.com",
                "user@xn--bcher-kva.example",
                "user@example.xn--p1ai",
                "USER_1@EXAMPLE.COM",
                "a@s.solutions",
            ],
        );
    }

    #[test]
    fn look_alikes_are_left_alone() {
        assert_finds_nothing(
            "email",
            &[
                "abc.example.com",
                "user@localhost",
                "@example.com",
                "user@",
                "user@.com",
                "user@example.c",
                "user@example.123",
                "user@-example.com",
                "npm i left-pad@1.3.0",
                "git@ example.com",
                "@media screen and (max-width: 1.5em)",
                "x@y@z",
            ],
        );
    }

    /// RFC 5321, section 4.5.3.1: 64 characters before the `@`, 255 behind it.
    #[test]
    fn what_is_longer_than_any_address_is_none() {
        let address = |local: usize, domain: usize| "a".repeat(local) + "@" + &"b".repeat(domain - 4) + ".com";
        for (local, domain) in [(1, 254), (64, 255), (280, 39)] {
            let text = address(local, domain);
            assert_eq!(matches(&EMAIL, text.as_bytes()), [(0, text.len(), Score::Shape)], "{local} {domain}");
        }
        assert_eq!(matches(&EMAIL, address(320, 39).as_bytes()), []);
        assert_eq!(matches(&EMAIL, address(1000, 39).as_bytes()), []);
    }

    #[test]
    fn the_end_of_an_address_is_where_its_domain_ends() {
        for (text, len) in [
            ("a@b.example.", 11),
            ("a@b.example, c@d.example", 11),
            ("a@b.example-related", 11),
            ("a@b.example_x", 11),
            ("a@b.example@", 11),
            ("a@b.example@c", 11),
            ("a@b.example@c.example", 21),
            ("a@b.example_c@d.example x", 23),
            ("a@b.example..c", 11),
        ] {
            assert_eq!(matches(&EMAIL, text.as_bytes())[0], (0, len, Score::Shape), "{text}");
        }
        assert_eq!(matches(&EMAIL, "邮箱是a@b.example。".as_bytes()), [(9, 20, Score::Shape)]);
        assert_eq!(matches(&EMAIL, b"<a@b.example>"), [(1, 12, Score::Shape)]);
        assert_eq!(matches(&EMAIL, b"...a@b.example"), [(3, 14, Score::Shape)]);
        assert_eq!(matches(&EMAIL, b"to:.x.a@b.example"), [(4, 17, Score::Shape)]);
    }
}
