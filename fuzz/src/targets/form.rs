//! Forms.

use palisade_data_masking::body::Format;

use super::Target;
use super::bodies::hold;

/// The target.
pub const TARGET: Target =
    Target { name: "form", words: &["=", "&", "+", "%20", "%40", "%", "secret=", "name=", "%34"], run };

/// Holds what the bodies of all formats promise.
pub fn run(data: &[u8]) {
    let _ = hold(|| Format::Form, data);
}
