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
    /// Where it begins and ends.
    next: Option<(usize, usize)>,
    /// From here on it takes more text to say.
    open: usize,
    /// The text that it is looked for in: what stands before, and the text.
    haystack: Option<String>,
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

    /// Where the first match from `from` on begins and ends.
    fn find(&self, haystack: &str, from: usize) -> Option<(usize, usize)> {
        if from > haystack.len() {
            return None;
        }
        let found = self.regex.find_at(haystack, from)?;
        (!found.is_empty()).then(|| (found.start(), found.end()))
    }
}

// === impl Upcoming ===

impl Upcoming {
    pub(super) fn new(index: usize) -> Self {
        Self { index, next: None, open: usize::MAX, haystack: None }
    }

    /// Looks for the next match from `from` on, unless it is known.
    pub(super) fn seek(&mut self, pattern: &Pattern, before: &[u8], text: &[u8], from: usize, at_end: bool) {
        let near = before.get(before.len().saturating_sub(LOOK_AROUND)..).unwrap_or(before);
        let offset = near.len();
        let is_known = self.haystack.is_some() && self.next.is_none_or(|(start, _)| start >= from);
        if !is_known {
            let haystack = self.haystack.get_or_insert_with(|| sanitized(near, text));
            let found = pattern.find(haystack, offset.saturating_add(from));
            self.next = found.map(|(start, end)| (start.saturating_sub(offset), end.saturating_sub(offset)));
        }
        if !at_end {
            let reach = pattern.max_len.saturating_add(LOOK_AROUND);
            self.open = text.len().saturating_add(1).saturating_sub(reach).max(from);
        }
    }

    /// Where it has something to say.
    pub(super) fn place(&self) -> usize {
        self.next.map_or(self.open, |(start, _)| start.min(self.open))
    }

    /// What it says of a place.
    pub(super) fn at(&self, place: usize) -> At {
        match self.next {
            _ if place >= self.open => At::Open,
            Some((start, end)) if start == place => At::Match(end),
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
