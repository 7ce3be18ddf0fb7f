//! Query parameters and cookies: reading one, and taking one out without a change to any other byte.

use std::borrow::Cow;

use super::Field;
pub use super::path::query;
use super::path::without_query;

/// The value of a parameter in a query, which is decoded as `application/x-www-form-urlencoded` (WHATWG URL, 5.1).
///
/// Names are compared after decoding, so that `%61=1&a=2` is seen to have two values. An escape that is none stays as
/// it is.
#[must_use]
pub fn parameter<'q>(query: &'q [u8], name: &str) -> Field<Cow<'q, [u8]>> {
    let pairs = query.split(|byte| *byte == b'&').filter(|pair| is_parameter(pair, name));
    let named = pairs.map(|pair| split_at_equals(pair).1.unwrap_or_default());
    only(named).map(|value| {
        if value.iter().any(|byte| matches!(byte, b'%' | b'+')) { Decoded(value).collect() } else { value.into() }
    })
}

/// The `:path` without a query parameter, however often it comes; the `?` goes with the last parameter.
#[must_use]
pub fn without_parameter(path: &[u8], name: &str) -> Vec<u8> {
    let before = without_query(path);
    let kept: Vec<_> = query(path).split(|byte| *byte == b'&').filter(|pair| !is_parameter(pair, name)).collect();
    match kept.is_empty() || before.len() == path.len() {
        true => before.to_vec(),
        false => [before, b"?", &kept.join(&b'&')].concat(),
    }
}

/// The value of a cookie in a `cookie` header (RFC 6265, section 5.4), as it is.
#[must_use]
pub fn cookie<'h>(header: &'h [u8], name: &str) -> Field<Cow<'h, [u8]>> {
    let pairs = header.split(|byte| *byte == b';').filter(|pair| is_cookie(pair, name));
    only(pairs.filter_map(|pair| split_at_equals(pair.trim_ascii()).1)).map(Cow::Borrowed)
}

/// A `cookie` header without a cookie, however often it comes; `None` where no other is left.
#[must_use]
pub fn without_cookie(header: &[u8], name: &str) -> Option<Vec<u8>> {
    let kept: Vec<_> = header.split(|byte| *byte == b';').filter(|pair| !is_cookie(pair, name)).collect();
    let kept = kept.join(&b';');
    // What begins or ends with a blank cannot be written, and a host trims it anyway.
    let kept = kept.trim_ascii();
    (!kept.is_empty()).then(|| kept.to_vec())
}

fn is_parameter(pair: &[u8], name: &str) -> bool {
    !pair.is_empty() && Decoded(split_at_equals(pair).0).eq(name.bytes())
}

fn is_cookie(pair: &[u8], name: &str) -> bool {
    matches!(split_at_equals(pair.trim_ascii()), (key, Some(_)) if key == name.as_bytes())
}

fn split_at_equals(pair: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    (parts.next().unwrap_or_default(), parts.next())
}

fn only<T>(mut values: impl Iterator<Item = T>) -> Field<T> {
    match (values.next(), values.next()) {
        (None, _) => Field::Absent,
        (Some(value), None) => Field::One(value),
        (Some(_), Some(_)) => Field::Many,
    }
}

/// The bytes that an encoded text stands for.
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        match first {
            b'+' => Some(b' '),
            b'%' => Some(self.escape().unwrap_or(b'%')),
            byte => Some(*byte),
        }
    }
}

impl Decoded<'_> {
    fn escape(&mut self) -> Option<u8> {
        let (digits, rest) = self.0.split_first_chunk::<2>()?;
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        let byte = u8::try_from((high? << 4) | low?).ok()?;
        self.0 = rest;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &[u8]) -> Field<Cow<'_, [u8]>> {
        Field::One(text.into())
    }

    #[test]
    fn a_parameter_is_found_by_its_name() {
        assert_eq!(parameter(b"a=1&b=2", "b"), one(b"2"));
        assert_eq!(parameter(b"a=1&b=2", "c"), Field::Absent);
        assert_eq!(parameter(b"a", "a"), one(b""));
        assert_eq!(parameter(b"a=b=c", "a"), one(b"b=c"));
        assert_eq!(parameter(b"&&=1&a=2&", "a"), one(b"2"));
        assert_eq!(parameter(b"", ""), Field::Absent);
    }

    #[test]
    fn names_and_values_are_decoded() {
        assert_eq!(parameter(b"%61dmin=t%72ue+x", "admin"), one(b"true x"));
        assert_eq!(parameter(b"a=%", "a"), one(b"%"));
        assert_eq!(parameter(b"a=%4", "a"), one(b"%4"));
        assert_eq!(parameter(b"a=%zz%ff", "a"), one(b"%zz\xff"));
    }

    #[test]
    fn a_parameter_that_comes_twice_has_no_value() {
        assert_eq!(parameter(b"a=1&a=1", "a"), Field::Many);
        assert_eq!(parameter(b"%61=1&a=2", "a"), Field::Many);
        assert_eq!(parameter(b"a&a", "a"), Field::Many);
    }

    #[test]
    fn a_cookie_is_found_by_its_name() {
        assert_eq!(cookie(b"a=1; b=2", "b"), one(b"2"));
        assert_eq!(cookie(b"a=1;b=2 ;c", "b"), one(b"2"));
        assert_eq!(cookie(b"A=1", "a"), Field::Absent);
        assert_eq!(cookie(b"a", "a"), Field::Absent);
        assert_eq!(cookie(b"a=1; a=2", "a"), Field::Many);
        assert_eq!(cookie(b"a=%31", "a"), one(b"%31"));
    }

    #[test]
    fn a_parameter_is_taken_out_and_no_other_byte_changes() {
        for (path, without) in [
            ("/a?k=1", "/a"),
            ("/a?k=1&b=%7e+%zz&&c", "/a?b=%7e+%zz&&c"),
            ("/a?b=2&%6B=1&c=3&k", "/a?b=2&c=3"),
            ("/a?b=2&k=1?x=/", "/a?b=2"),
            ("/a?&k=1", "/a?"),
            ("/a?kk=1", "/a?kk=1"),
            ("/a?", "/a?"),
            ("/a", "/a"),
            ("/k=1", "/k=1"),
        ] {
            assert_eq!(without_parameter(path.as_bytes(), "k"), without.as_bytes(), "{path}");
        }
    }

    #[test]
    fn a_cookie_is_taken_out_and_no_other_byte_changes() {
        for (header, without) in [
            ("k=1", None),
            (" k=1 ; ", None),
            ("k=1; b=2", Some("b=2")),
            ("b=2; k=1; c=\"3\"", Some("b=2; c=\"3\"")),
            ("b=2;k=1;k=2;c", Some("b=2;c")),
            ("K=1; k; kk=1", Some("K=1; k; kk=1")),
        ] {
            assert_eq!(without_cookie(header.as_bytes(), "k").as_deref(), without.map(str::as_bytes), "{header}");
        }
    }

    proptest! {
        #[test]
        fn what_was_taken_out_is_gone_and_all_else_is_there(text in "[kb=&?;% 6B+]{0,40}") {
            let path = format!("/?{text}");
            let without = without_parameter(path.as_bytes(), "k");
            prop_assert_eq!(parameter(query(&without), "k"), Field::Absent);
            prop_assert_eq!(parameter(query(&without), "b"), parameter(text.as_bytes(), "b"));
            prop_assert_eq!(&without_parameter(&without, "k"), &without);

            let without = without_cookie(text.as_bytes(), "k").unwrap_or_default();
            prop_assert_eq!(cookie(&without, "k"), Field::Absent);
            prop_assert_eq!(cookie(&without, "b"), cookie(text.as_bytes(), "b"));
        }

        #[test]
        fn an_encoded_parameter_is_read_as_it_was(name in "[a-z]{1,8}", value in prop::collection::vec(any::<u8>(), 0..40)) {
            let encoded: String = value.iter().map(|byte| format!("%{byte:02X}")).collect();
            let query = format!("x=1&{name}X={encoded}&y=%");
            prop_assert_eq!(parameter(query.as_bytes(), &format!("{name}X")), Field::One(value.into()));
        }
    }
}
