//! The terminal, for which what somebody else has written is only text: names and types in an image may hold its commands.

/// The text with a mark in the place of each control character but the end of a line.
#[must_use]
pub fn shown(text: &str) -> String {
    text.replace(|it: char| it.is_control() && it != '\n', "\u{fffd}")
}
