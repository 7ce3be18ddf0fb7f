//! Seen: a request as the rules see it.

use std::borrow::Cow;

use palisade_sdk::exchange::Snapshot;
use palisade_sdk::matching::{Attributes, Field};
use palisade_sdk::{HeaderMap, HostError};

use crate::path;
use crate::policy::AmbiguousPaths;

/// A request whose rules see the path in its canonical form.
pub(crate) struct Seen<'s> {
    snapshot: &'s Snapshot,
    path: Option<Vec<u8>>,
}

/// What the path of a request is to the rules, and to the upstream.
#[derive(Debug, PartialEq)]
pub(crate) enum SeenPath {
    /// What it is, or another spelling of it that the rules see.
    Clear(Option<Vec<u8>>),
    /// What the rules see and what the upstream gets.
    Normalized(Vec<u8>, Vec<u8>),
    /// It has no safe reading.
    Ambiguous,
}

/// The same headers with another path.
pub(crate) fn with_path(headers: &HeaderMap, path: &[u8]) -> HeaderMap {
    HeaderMap::from_lines(headers.iter().map(|(name, value)| match name {
        b":path" => (":path", path),
        _ => (str::from_utf8(name).unwrap_or_default(), value),
    }))
}

// === impl SeenPath ===

impl SeenPath {
    /// What a `:path` is to rules.
    #[must_use]
    pub(crate) fn of(headers: &HeaderMap, policy: AmbiguousPaths) -> Self {
        let path = match headers.field(":path") {
            Field::One(path) => path,
            // A tunnel has none (RFC 9113, section 8.5).
            Field::Absent => return Self::Clear(None),
            Field::Many => return Self::Ambiguous,
        };
        let end = path.iter().position(|byte| *byte == b'?').unwrap_or(path.len());
        let (path, query) = path.split_at_checked(end).unwrap_or((path, &[]));
        match (path::canonical(path), policy) {
            (Some(Cow::Borrowed(_)), _) => Self::Clear(None),
            (Some(Cow::Owned(seen)), _) => Self::Clear(Some([&seen, query].concat())),
            (None, AmbiguousPaths::Reject) => Self::Ambiguous,
            (None, AmbiguousPaths::Normalize) => match path::normalized(path) {
                Some(forwarded) => {
                    let seen = path::canonical(&forwarded).unwrap_or_default();
                    Self::Normalized([&seen, query].concat(), [&forwarded, query].concat())
                }
                None => Self::Ambiguous,
            },
        }
    }
}

// === impl Seen ===

impl<'s> Seen<'s> {
    /// A request, and its `:path` for rules where that is not its own.
    pub(crate) fn new(snapshot: &'s Snapshot, path: Option<Vec<u8>>) -> Self {
        Self { snapshot, path }
    }
}

impl Attributes for Seen<'_> {
    type Error = HostError;

    fn header(&self, name: &str) -> Result<Field<Cow<'_, [u8]>>, HostError> {
        match &self.path {
            Some(path) if name == ":path" => Ok(Field::One(Cow::Borrowed(path))),
            _ => self.snapshot.header(name),
        }
    }

    fn property(&self, path: &[&str]) -> Result<Option<Cow<'_, [u8]>>, HostError> {
        self.snapshot.property(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &str, policy: AmbiguousPaths) -> SeenPath {
        SeenPath::of(&HeaderMap::from_lines([(":path", path.as_bytes())]), policy)
    }

    #[test]
    fn a_path_without_a_doubt_is_left_to_itself() {
        for policy in [AmbiguousPaths::Reject, AmbiguousPaths::Normalize] {
            assert_eq!(seen("/a/b?x=//%2e", policy), SeenPath::Clear(None));
            assert_eq!(seen("/%61?x", policy), SeenPath::Clear(Some(b"/a?x".to_vec())));
            assert_eq!(SeenPath::of(&HeaderMap::default(), policy), SeenPath::Clear(None));
            let two = HeaderMap::from_lines([(":path", &b"/a"[..]), (":path", b"/b")]);
            assert_eq!(SeenPath::of(&two, policy), SeenPath::Ambiguous);
        }
    }

    #[test]
    fn an_ambiguous_path_is_refused_or_read_for_all_in_one_way() {
        assert_eq!(seen("/a//b?x=1", AmbiguousPaths::Reject), SeenPath::Ambiguous);
        let read = SeenPath::Normalized(b"/a/@?x=1".to_vec(), b"/a/%40?x=1".to_vec());
        assert_eq!(seen("/a//%40?x=1", AmbiguousPaths::Normalize), read);
        assert_eq!(seen("/../a", AmbiguousPaths::Normalize), SeenPath::Ambiguous);
    }

    #[test]
    fn another_path_changes_no_other_header() {
        let headers =
            HeaderMap::from_lines([(":method", &b"GET"[..]), (":path", b"/a//b"), ("a", b"1"), ("a", b"\xFF")]);
        let expected =
            HeaderMap::from_lines([(":method", &b"GET"[..]), (":path", b"/a/b"), ("a", b"1"), ("a", b"\xFF")]);
        assert_eq!(with_path(&headers, b"/a/b"), expected);
    }
}
