//! Server-sent events.

use palisade_data_masking::body::Format;

use super::Target;
use super::bodies::hold;

/// The target.
pub const TARGET: Target = Target {
    name: "event_stream",
    words: &[
        "data:",
        "data: {",
        "data: ",
        "id: 1",
        "\n\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"secret\":",
        "\"name\":\"abcdef\"",
        "[DONE]",
        "\u{feff}",
    ],
    run,
};

/// Holds what the bodies of all formats promise.
pub fn run(data: &[u8]) {
    let _ = hold(|| Format::EventStream, data);
}
