//! Documents of JSON, one a line.

use palisade_data_masking::body::Format;

use super::Target;
use super::bodies::hold;

/// The target.
pub const TARGET: Target = Target {
    name: "json_lines",
    words: &["{", "}", "[", "]", ",", ":", "\"", "\\u0034", "{\"a\":", "\"secret\":1", "\"name\":", "null"],
    run,
};

/// Holds what the bodies of all formats promise.
pub fn run(data: &[u8]) {
    let _ = hold(|| Format::JsonLines, data);
}
