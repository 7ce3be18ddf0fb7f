//! JSON: from strangers, one object, no field twice, not nested deep; to others, without blanks.

use serde_json::{Map, Value};

/// How deep lists and objects may be nested in a token, a key set or an answer about a token.
const DEEPEST: usize = 32;

/// The shortest text of a value. That of its `Display` would bring a second writer, the one for `{:#}`.
#[must_use]
pub(crate) fn text(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Reads a JSON object and nothing after it.
#[must_use]
pub(crate) fn object(text: &[u8]) -> Option<Map<String, Value>> {
    match palisade_sdk::json::parse_to_depth(text, DEEPEST) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}
