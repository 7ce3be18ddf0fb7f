//! Texts.

use palisade_data_masking::body::Format;

use super::Target;
use super::bodies::hold;

/// The target.
pub const TARGET: Target =
    Target { name: "text", words: &["<", ">", "\"", "{", "\\n", "://", "://u:p@h", "PRIVATE KEY"], run };

/// Holds what the bodies of all formats promise.
pub fn run(data: &[u8]) {
    let _ = hold(|| Format::Text, data);
}
