//! Query parameters and cookies.

use std::borrow::Cow;

use super::Field;

/// The value of a parameter in a query, which is decoded as `application/x-www-form-urlencoded` (WHATWG URL, 5.1).
///
/// Names are compared after decoding, so that `%61=1&a=2` is seen to have two values. An escape that is none stays as
/// it is.
pub(super) fn parameter<'q>(query: &'q [u8], name: &str) -> Field<Cow<'q, [u8]>> {
    let pairs = query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| split_at_equals(pair));
    let named = pairs.filter(|(key, _)| Decoded(key).eq(name.bytes())).map(|(_, value)| value.unwrap_or_default());
    only(named).map(|value| {
        if value.iter().any(|byte| matches!(byte, b'%' | b'+')) { Decoded(value).collect() } else { value.into() }
    })
}

/// The value of a cookie in a `cookie` header (RFC 6265, section 5.4), as it is.
pub(super) fn cookie<'h>(header: &'h [u8], name: &str) -> Field<Cow<'h, [u8]>> {
    let pairs = header.split(|byte| *byte == b';').map(|pair| split_at_equals(pair.trim_ascii()));
    let named = pairs.filter(|(key, _)| *key == name.as_bytes()).filter_map(|(_, value)| value);
    only(named).map(Cow::Borrowed)
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

    proptest! {
        #[test]
        fn an_encoded_parameter_is_read_as_it_was(name in "[a-z]{1,8}", value in prop::collection::vec(any::<u8>(), 0..40)) {
            let encoded: String = value.iter().map(|byte| format!("%{byte:02X}")).collect();
            let query = format!("x=1&{name}X={encoded}&y=%");
            prop_assert_eq!(parameter(query.as_bytes(), &format!("{name}X")), Field::One(value.into()));
        }
    }
}
