//! JSON: from strangers, one object, no field twice, not nested deep; to others, without blanks.

use std::time::Duration;

use serde_json::{Map, Value};

/// Times at or beyond 2^53 seconds are refused: a double no longer tells neighbouring seconds apart.
const END_OF_TIME: f64 = 9_007_199_254_740_992.0;

/// How deep lists and objects may be nested in a token, a key set or an answer about a token.
const DEEPEST: usize = 32;

/// The shortest text of a value. That of its `Display` would bring a second writer, the one for `{:#}`.
#[must_use]
pub(crate) fn text(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A `NumericDate` (RFC 7519, section 2): a number of seconds, which may have a fraction. The outer `None` says that the
/// member is none.
#[must_use]
pub(crate) fn time(members: &Map<String, Value>, name: &str) -> Option<Option<Duration>> {
    let Some(value) = members.get(name) else { return Some(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..END_OF_TIME).contains(seconds))?;
    Duration::try_from_secs_f64(seconds).ok().map(Some)
}

/// Reads a JSON object and nothing after it.
#[must_use]
pub(crate) fn object(text: &[u8]) -> Option<Map<String, Value>> {
    match palisade_sdk::json::parse_to_depth(text, DEEPEST) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}
