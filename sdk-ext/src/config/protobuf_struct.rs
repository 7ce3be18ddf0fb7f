//! `google.protobuf.Struct` on the wire: the form in which Envoy hands over a config that is written as a `Struct`.
//!
//! Envoy's documentation speaks of JSON, but 1.40 hands over the message as it is. A config that is written as a
//! `StringValue` (Istio does so) comes as its text.

use serde_json::{Map, Number, Value};

use crate::protobuf::{Wire, take_field};

/// How deep values may be nested.
const MAX_DEPTH: usize = 64;

/// Reads a whole message, or `None` if the bytes are anything else. Text that is JSON never is one: every field of a
/// `Struct` has a value behind the tag 0x12, a byte that JSON does not know.
pub(super) fn parse(message: &[u8]) -> Option<Value> {
    match object(message, MAX_DEPTH)? {
        fields if fields.is_empty() => None,
        fields => Some(Value::Object(fields)),
    }
}

/// `Struct { map<string, Value> fields = 1; }`
fn object(mut message: &[u8], depth: usize) -> Option<Map<String, Value>> {
    let depth = depth.checked_sub(1)?;
    let mut fields = Map::new();
    while !message.is_empty() {
        let (1, Wire::Bytes(entry)) = take_field(&mut message)? else { return None };
        let (name, value) = map_entry(entry, depth)?;
        fields.insert(name, value);
    }
    Some(fields)
}

/// `{ string key = 1; Value value = 2; }`
fn map_entry(mut message: &[u8], depth: usize) -> Option<(String, Value)> {
    let (mut name, mut value) = (String::new(), None);
    while !message.is_empty() {
        match take_field(&mut message)? {
            (1, Wire::Bytes(text)) => name = str::from_utf8(text).ok()?.to_owned(),
            (2, Wire::Bytes(message)) => value = Some(any_value(message, depth)?),
            _ => return None,
        }
    }
    Some((name, value?))
}

/// `Value { oneof kind { null_value = 1; number_value = 2; string_value = 3; bool_value = 4; struct_value = 5; list_value = 6; } }`
fn any_value(mut message: &[u8], depth: usize) -> Option<Value> {
    let value = match take_field(&mut message)? {
        (1, Wire::Varint(0)) => Value::Null,
        (2, Wire::Fixed64(number)) => Value::Number(Number::from_f64(f64::from_le_bytes(number))?),
        (3, Wire::Bytes(text)) => Value::String(str::from_utf8(text).ok()?.to_owned()),
        (4, Wire::Varint(truth)) => Value::Bool(truth != 0),
        (5, Wire::Bytes(message)) => Value::Object(object(message, depth)?),
        (6, Wire::Bytes(message)) => Value::Array(list(message, depth)?),
        _ => return None,
    };
    message.is_empty().then_some(value)
}

/// `ListValue { repeated Value values = 1; }`
fn list(mut message: &[u8], depth: usize) -> Option<Vec<Value>> {
    let depth = depth.checked_sub(1)?;
    let mut values = Vec::new();
    while !message.is_empty() {
        let (1, Wire::Bytes(value)) = take_field(&mut message)? else { return None };
        values.push(any_value(value, depth)?);
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_config_as_envoy_hands_it_over_is_read() {
        let message = b"\n\x0f\n\x08callouts\x12\x03\x1a\x01c\n\x0e\n\x01n\x12\t\x11\x00\x00\x00\x00\x00\x00\xf0\x3f";
        assert_eq!(parse(message), Some(json!({"callouts": "c", "n": 1.0})));
    }

    #[test]
    fn json_text_is_no_message() {
        for text in [&b"{}"[..], b"\n{\"a\": 1}", b"\n{\n  \"a\": [1, 2]\n}\n", b"", b"\n\n", b"[1]"] {
            assert_eq!(parse(text), None);
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let mut message = b"\n\x07\n\x01a\x12\x02\x08\x00".to_vec();
        for _ in 0..100 {
            let value = [vec![0x2A], length(message.len()), message].concat();
            let entry = [b"\n\x01a\x12".to_vec(), length(value.len()), value].concat();
            message = [vec![0x0A], length(entry.len()), entry].concat();
        }
        assert_eq!(parse(&message), None);
    }

    fn length(mut length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while length >= 0x80 {
            bytes.push(u8::try_from(length & 0x7F).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes
    }

    fn tagged(tag: u8, content: Vec<u8>) -> Vec<u8> {
        [vec![tag], length(content.len()), content].concat()
    }

    fn write(value: &Value) -> Vec<u8> {
        match value {
            Value::Null => vec![0x08, 0],
            Value::Bool(truth) => vec![0x20, u8::from(*truth)],
            Value::Number(number) => [vec![0x11], number.as_f64().unwrap().to_le_bytes().to_vec()].concat(),
            Value::String(text) => tagged(0x1A, text.clone().into_bytes()),
            Value::Array(values) => tagged(0x32, values.iter().flat_map(|value| tagged(0x0A, write(value))).collect()),
            Value::Object(fields) => tagged(0x2A, write_struct(fields)),
        }
    }

    fn write_struct(fields: &Map<String, Value>) -> Vec<u8> {
        let entry = |(name, value): (&String, &Value)| {
            tagged(0x0A, [tagged(0x0A, name.clone().into_bytes()), tagged(0x12, write(value))].concat())
        };
        fields.iter().flat_map(entry).collect()
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            ".{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(".{0,9}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_struct_survives(fields in proptest::collection::btree_map(".{0,9}", value(), 1..5)) {
            let fields: Map<String, Value> = fields.into_iter().collect();
            prop_assert_eq!(parse(&write_struct(&fields)), Some(Value::Object(fields)));
        }

        #[test]
        fn arbitrary_bytes_are_a_message_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_json_text_is_taken_for_a_message(value in value()) {
            prop_assert_eq!(parse(value.to_string().as_bytes()), None);
            prop_assert_eq!(parse(format!("\n{value:#}").as_bytes()), None);
        }
    }
}
