//! Patterns: regular expressions of the operator's, linear in time and of bounded length.

mod length;

use palisade_sdk::config::Node;
use regex_lite::{Regex, RegexBuilder};

/// How much memory one compiled expression may take. Matching time grows with it.
const SIZE_LIMIT: usize = 64 * 1024;

/// How far an expression looks beyond its match: one character, for `\b`.
const LOOK_AROUND: usize = 4;

/// A byte that no expression is likely to mean, for those that are not UTF-8.
const SUBSTITUTE: u8 = 0x1a;

/// A regular expression whose matches are neither empty nor longer than a known length.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    /// In bytes.
    max_len: usize,
}

/// The next match of a pattern in a text.
pub(super) struct Upcoming {
    /// Of the pattern among the entries.
    pub(super) index: usize,
    next: Next,
    /// The text that it is looked for in: what stands before, and the text.
    haystack: String,
}

#[derive(Clone, Copy)]
enum Next {
    Unknown,
    None,
    Match { start: usize, end: usize },
}

/// What a pattern says of one place.
pub(super) enum At {
    Nothing,
    Open,
    Match(usize),
}

// === impl Pattern ===

impl Pattern {
    /// Reads it. `max_len` is the most that a repetition repeats that has no end of its own.
    pub fn read(node: Node<'_>, max_len: Option<usize>, max_hold: usize) -> Option<Self> {
        let text = node.text("a regular expression")?;
        if let Err(error) = compile(text) {
            let why = error.to_string();
            return node.error(
                &["not a regular expression: ", &why, " (look-around and back references do not exist)"].concat(),
            );
        }
        let bounded = match length::bounded(text, max_len) {
            Ok(bounded) => bounded,
            Err(why) => return node.error(why),
        };
        if bounded.bounds.min == 0 {
            return node.error("it matches an empty text, which stands everywhere: require at least one character");
        }
        let max_len = bounded.bounds.max;
        if max_len.saturating_add(LOOK_AROUND) > max_hold {
            return node.error("its matches can be longer than `max_hold`: bound its repetitions more closely");
        }
        match compile(&bounded.text) {
            Ok(regex) => Some(Self { regex, max_len }),
            Err(_) => node.error("with its repetitions bounded it is too large: bound them more closely"),
        }
    }

    /// The first match from `from` on.
    fn find(&self, haystack: &str, from: usize) -> Next {
        if from > haystack.len() {
            return Next::None;
        }
        match self.regex.find_at(haystack, from) {
            Some(found) if !found.is_empty() => Next::Match { start: found.start(), end: found.end() },
            _ => Next::None,
        }
    }
}

// === impl Upcoming ===

impl Upcoming {
    pub(super) fn new(index: usize) -> Self {
        Self { index, next: Next::Unknown, haystack: String::new() }
    }

    /// What the pattern says of `place`; the places that are asked for only grow.
    pub(super) fn at(&mut self, pattern: &Pattern, before: &[u8], text: &[u8], place: usize, at_end: bool) -> At {
        let near = before.get(before.len().saturating_sub(LOOK_AROUND)..).unwrap_or(before);
        let offset = near.len();
        if matches!(self.next, Next::Unknown) {
            self.haystack = sanitized(near, text);
            self.next = pattern.find(&self.haystack, offset.saturating_add(place));
        }
        let here = offset.saturating_add(place);
        if let Next::Match { start, .. } = self.next
            && start < here
        {
            self.next = pattern.find(&self.haystack, here);
        }
        let reach = place.saturating_add(pattern.max_len).saturating_add(LOOK_AROUND);
        match self.next {
            _ if !at_end && reach > text.len() => At::Open,
            Next::Match { start, end } if start == here => At::Match(end.saturating_sub(offset)),
            _ => At::Nothing,
        }
    }
}

fn compile(text: &str) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(text).size_limit(SIZE_LIMIT).build()
}

/// The bytes as text of the same length: what is not UTF-8 becomes one control character a byte.
fn sanitized(before: &[u8], text: &[u8]) -> String {
    let mut haystack = String::with_capacity(before.len().saturating_add(text.len()));
    for part in [before, text] {
        for chunk in part.utf8_chunks() {
            haystack.push_str(chunk.valid());
            for _ in chunk.invalid() {
                haystack.push(char::from(SUBSTITUTE));
            }
        }
    }
    haystack
}
