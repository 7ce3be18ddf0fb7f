//! Tests of one value: `exact`, `prefix`, `suffix`, `contains`, `regex`, `present`.

use super::Field;
use super::matcher::Verdict;
use super::names::non_empty;
use super::path::PathLiteral;
use super::pattern::Pattern;
use crate::config::{FromConfig, FromFields, Object};

/// A test of one value, byte by byte.
#[derive(Debug, Clone)]
pub(super) enum TextTest {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    Regex(Pattern),
    Present(bool),
}

impl TextTest {
    /// A value that is there twice is ambiguous for every test.
    pub(super) fn verdict<T: AsRef<[u8]>>(&self, value: Field<T>) -> Verdict {
        match value {
            Field::One(value) => self.holds(value.as_ref()).into(),
            Field::Absent => matches!(self, Self::Present(false)).into(),
            Field::Many => Verdict::Ambiguous,
        }
    }

    /// Compares the path, or what follows `before` in it: with which.
    pub(super) fn visit_paths(&self, before: &str, visit: &mut dyn FnMut(PathLiteral<'_>)) {
        let (text, is_whole) = match self {
            Self::Exact(text) => (text, true),
            Self::Prefix(text) => (text, text.contains('?')),
            _ => return,
        };
        let path = [before, text.split('?').next().unwrap_or_default()].concat();
        visit(if is_whole { PathLiteral::Whole(&path) } else { PathLiteral::Start(&path) });
    }

    fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Suffix(text) => value.ends_with(text.as_bytes()),
            Self::Contains(text) => value.windows(text.len()).any(|window| window == text.as_bytes()),
            Self::Regex(pattern) => pattern.matches(value),
            Self::Present(present) => *present,
        }
    }
}

impl FromFields for TextTest {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        object.exactly_one(&[
            ("exact", |node| String::from_config(node).map(Self::Exact)),
            ("prefix", |node| non_empty(node, "the start of a text").map(Self::Prefix)),
            ("suffix", |node| non_empty(node, "the end of a text").map(Self::Suffix)),
            ("contains", |node| non_empty(node, "a part of a text").map(Self::Contains)),
            ("regex", |node| Pattern::from_config(node).map(Self::Regex)),
            ("present", |node| bool::from_config(node).map(Self::Present)),
        ])
    }
}
