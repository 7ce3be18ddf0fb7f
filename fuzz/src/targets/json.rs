//! Documents of JSON.

use palisade_data_masking::body::Format;

use super::Target;
use super::bodies::{Held, hold};

/// The target.
pub const TARGET: Target = Target {
    name: "json",
    words: &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\u0034",
        "\\n",
        "\\",
        "4.111111111111111e15",
        "{\"a\":",
        "\"secret\":",
        "\"name\":",
        "true",
        "null",
        "1.5",
    ],
    run,
};

/// Holds what the bodies of all formats promise, and that what is JSON stays JSON. What is too long to be held whole makes it a text
/// unless that fails.
pub fn run(data: &[u8]) {
    let Some(Held { body, masked, is_strict: true }) = hold(|| Format::Json, data) else { return };
    if serde_json::from_slice::<serde_json::Value>(body).is_ok() {
        let document = serde_json::from_slice::<serde_json::Value>(&masked);
        assert!(document.is_ok(), "no JSON: {document:?}");
    }
}
