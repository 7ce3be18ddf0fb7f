//! JSON without duplicate fields.
//!
//! `serde_json::Value` keeps the last of two fields with one name, so that what is in force (a config, a claim) would
//! not be what another reader sees.

use std::fmt;

use serde_core::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::config::quoted;

/// How deep lists and objects may be nested, which is also as deep as the stack is sure to bear.
const DEEPEST: usize = 127;

/// Reads a JSON value and nothing after it.
///
/// # Errors
///
/// The text is not JSON in UTF-8, an object has a field twice, a number is out of range of a double, or lists and
/// objects are nested deeper than 127.
pub fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    parse_to_depth(text, DEEPEST)
}

/// As [`parse`], with a limit of its own to how deep lists and objects are nested: `[]` has a depth of 1.
///
/// # Errors
///
/// As for [`parse`].
pub fn parse_to_depth(text: &[u8], depth: usize) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict { depth: depth.min(DEEPEST) }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Builds a [`Value`] and refuses a field that comes twice.
#[derive(Clone, Copy)]
struct Strict {
    /// How deep the value may be.
    depth: usize,
}

impl Strict {
    /// What builds the items of a list or object.
    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth }),
            None => Err(E::custom("lists and objects are nested too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(inner)?;
            insert(&mut object, name, value).map_err(A::Error::custom)?;
        }
        Ok(Value::Object(object))
    }
}

/// Adds a field, or says that it is already there.
fn insert(object: &mut Map<String, Value>, name: String, value: Value) -> Result<(), String> {
    if object.contains_key(&name) {
        return Err(["the field ", &quoted(&name), " comes twice"].concat());
    }
    object.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_comes_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"a":{"b":1,"b":2}}]"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn depth_counts_lists_and_objects() {
        for (text, depth) in [("1", 0), ("[]", 1), (r#"{"a":1}"#, 1), ("[[],[]]", 2), (r#"{"a":[{}]}"#, 3)] {
            assert!(parse_to_depth(text.as_bytes(), depth).is_ok(), "{text}");
            let shallower = depth.checked_sub(1).map(|depth| parse_to_depth(text.as_bytes(), depth));
            assert!(shallower.is_none_or(|value| value.is_err()), "{text}");
        }
    }

    #[test]
    fn no_depth_is_too_much_for_the_stack() {
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(parse_to_depth(nested(DEEPEST).as_bytes(), usize::MAX).is_ok());
        assert!(parse_to_depth(nested(100_000).as_bytes(), usize::MAX).is_err());
    }

    #[test]
    fn nothing_may_follow_the_value() {
        for text in ["", "{} {}", "{},", "{}\0", "\u{feff}{}", "1e999", r#""\ud800""#, "nan"] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }
}
