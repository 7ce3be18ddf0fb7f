//! JSON from strangers: one object, no field twice, not nested deep.

use serde_json::{Map, Value};

/// How deep lists and objects may be nested in a token, a key set or an answer about a token.
const DEEPEST: usize = 32;

/// Reads a JSON object and nothing after it.
#[must_use]
pub(crate) fn object(text: &[u8]) -> Option<Map<String, Value>> {
    match palisade_sdk::json::parse_to_depth(text, DEEPEST) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}
