//! Header maps: owned snapshots of the host's maps, bytes first, duplicates visible; and what may be written to one.

use crate::bytes::are_equal;
use crate::matching::Field;
use crate::status::HostError;
use std::borrow::Cow;
use std::fmt;

/// All lines of a header or trailer map, in the order in which the host holds them.
///
/// Names are lower case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderMap {
    pairs: Vec<u8>,
    count: usize,
}

impl HeaderMap {
    /// Reads the ABI's pair format: the number of pairs, the lengths of each name and value, then each of them
    /// with a NUL behind it; all numbers are 32-bit little-endian.
    pub(crate) fn from_pairs(pairs: Vec<u8>) -> Result<Self, HeaderError> {
        if pairs.is_empty() {
            return Ok(Self::default());
        }
        let count = pairs.first_chunk().and_then(|count| usize::try_from(u32::from_le_bytes(*count)).ok());
        let map = Self { pairs, count: count.ok_or(HeaderError::Malformed)? };
        let (lines, data) = map.parts();
        let length = lines.iter().fold(0_usize, |length, line| {
            let (name, value) = lengths(*line);
            length.saturating_add(name).saturating_add(value).saturating_add(2)
        });
        match lines.len() == map.count && length == data.len() {
            true => Ok(map),
            false => Err(HeaderError::Malformed),
        }
    }

    /// The lengths of each line's name and value, and these themselves, a NUL behind each.
    fn parts(&self) -> (&[[u8; 8]], &[u8]) {
        let parts = self.pairs.get(4..).and_then(|parts| parts.split_at_checked(self.count.checked_mul(8)?));
        parts.map_or((&[], &[]), |(lines, data)| (lines.as_chunks().0, data))
    }

    /// Builds a map from its lines.
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let lines: Vec<_> = lines.into_iter().collect();
        Self { pairs: encode(lines.iter().copied()), count: lines.len() }
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        if self.pairs.is_empty() {
            *self = Self::from_lines([(name, value)]);
            return;
        }
        let data = self.parts().1;
        let lengths = self.pairs.get(..self.pairs.len().saturating_sub(data.len())).unwrap_or_default();
        let length = length_bytes(name.as_bytes(), value);
        self.pairs = [lengths, &length, data, name.as_bytes(), b"\0", value, b"\0"].concat();
        self.count_is(self.count.saturating_add(1));
    }

    /// Removes all lines of one header, in place.
    pub(crate) fn remove(&mut self, name: &str) {
        let (mut index, mut at) = (0_usize, 0_usize);
        loop {
            let (lines, data) = self.parts();
            let Some((name_length, value_length)) = lines.get(index).copied().map(lengths) else { return };
            let end = at.saturating_add(name_length).saturating_add(value_length).saturating_add(2);
            if data.get(at..).and_then(|line| line.get(..name_length)) == Some(name.as_bytes()) {
                let start_of_data = self.pairs.len().saturating_sub(data.len());
                let of_lengths = index.saturating_mul(8).saturating_add(4);
                self.pairs.drain(start_of_data.saturating_add(at)..start_of_data.saturating_add(end));
                self.pairs.drain(of_lengths..of_lengths.saturating_add(8));
                self.count_is(self.count.saturating_sub(1));
            } else {
                (index, at) = (index.saturating_add(1), end);
            }
        }
    }

    fn count_is(&mut self, count: usize) {
        self.count = count;
        if let Some(bytes) = self.pairs.first_chunk_mut() {
            *bytes = length_of(count).to_le_bytes();
        }
    }

    /// All lines, name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        let (lines, data) = self.parts();
        let mut at = 0_usize;
        lines.iter().map_while(move |line| {
            let (name, value) = lengths(*line);
            // All lengths together are that of the data.
            let name_end = at.wrapping_add(name);
            let value_at = name_end.wrapping_add(1);
            let value_end = value_at.wrapping_add(value);
            let line = (data.get(at..name_end)?, data.get(value_at..value_end)?);
            at = value_end.wrapping_add(1);
            Some(line)
        })
    }

    /// The values of all lines of one header; `name` in lower case.
    pub fn all<'a, 'b>(&'a self, name: &'b str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'b> {
        let (lines, data) = self.parts();
        Lines { lines: lines.iter(), data, at: 0, name: name.as_bytes() }
    }

    /// A header that should have one line: absent, that line, or too many; `name` in lower case.
    #[must_use]
    pub fn field<'a>(&'a self, name: &str) -> Field<&'a [u8]> {
        let mut lines = self.all(name);
        match (lines.next(), lines.next()) {
            (None, _) => Field::Absent,
            (Some(value), None) => Field::One(value),
            (Some(_), Some(_)) => Field::Many,
        }
    }

    /// All lines of one header, joined with commas; `name` in lower case.
    #[must_use]
    pub fn joined(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let mut lines = self.all(name);
        let first = lines.next()?;
        let Some(second) = lines.next() else { return Some(Cow::Borrowed(first)) };
        let mut joined = [first, b",", second].concat();
        for line in lines {
            joined.push(b',');
            joined.extend_from_slice(line);
        }
        Some(Cow::Owned(joined))
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no line at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// The lines of one header. A loop by hand, since this is what a filter does most: it touches no name of another length.
struct Lines<'a, 'b> {
    lines: std::slice::Iter<'a, [u8; 8]>,
    data: &'a [u8],
    at: usize,
    name: &'b [u8],
}

impl<'a> Iterator for Lines<'a, '_> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        for line in self.lines.by_ref() {
            let (name, value) = lengths(*line);
            // All lengths together are that of the data.
            let name_at = self.at;
            let value_at = name_at.wrapping_add(name).wrapping_add(1);
            self.at = value_at.wrapping_add(value).wrapping_add(1);
            if name == self.name.len() && are_equal(self.data.get(name_at..)?.get(..name)?, self.name) {
                return self.data.get(value_at..)?.get(..value);
            }
        }
        None
    }
}

/// Names only: values may be credentials.
impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| String::from_utf8_lossy(name))).finish()
    }
}

/// A header that may not be written, or could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is not a lower-case token (RFC 9110, section 5.1).
    Name,
    /// The value is none: control characters (CR, LF and NUL among them), white space at its ends (RFC 9110, section
    /// 5.5), or what a pseudo-header cannot hold.
    Value,
    /// What frames the message or belongs to its connection (`content-length`, `transfer-encoding`, `connection`,
    /// `upgrade` and the like) is the SDK's and the host's; so is a status that contradicts the body.
    Framing,
    /// A request's pseudo-header can be replaced, but not added or removed; `host` is `:authority`; a response has only
    /// its status, which is set as a number.
    Pseudo,
    /// The host handed over a map that is not in the ABI's format.
    Malformed,
    /// The host refused.
    Host(HostError),
}

impl From<HostError> for HeaderError {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("a header name must be a lower-case token"),
            Self::Value => f.write_str("a header value must not hold control characters or end in white space"),
            Self::Framing => f.write_str("what frames a message is not a filter's to write"),
            Self::Pseudo => f.write_str("a pseudo-header can be changed, but not added or removed"),
            Self::Malformed => f.write_str("the host handed over a malformed header map"),
            Self::Host(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HeaderError {}

/// How a header is about to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Set,
    Add,
    Remove,
}

/// Refuses what would make a message invalid, desynchronise its framing or split a response.
pub(crate) fn check(write: Write, name: &str, value: &[u8]) -> Result<(), HeaderError> {
    let value_is_valid = match name {
        "content-length" | "transfer-encoding" | "connection" | "keep-alive" | "proxy-connection" | "te"
        | "upgrade" | "http2-settings" => return Err(HeaderError::Framing),
        ":method" if write == Write::Set => !value.is_empty() && value.iter().all(|byte| is_token(*byte)),
        ":scheme" | ":authority" | ":path" if write == Write::Set => {
            !value.is_empty() && !value.iter().any(|byte| *byte == b' ' || byte.is_ascii_control())
        }
        // Envoy takes `host` for `:authority`.
        "host" => return Err(HeaderError::Pseudo),
        _ if name.starts_with(':') => return Err(HeaderError::Pseudo),
        _ if name.is_empty() || !name.bytes().all(|byte| is_token(byte) && !byte.is_ascii_uppercase()) => {
            return Err(HeaderError::Name);
        }
        _ => is_field_value(value),
    };
    match value_is_valid {
        true => Ok(()),
        false => Err(HeaderError::Value),
    }
}

/// As [`check`]; a trailer section has no pseudo-headers (RFC 9113, section 8.1).
pub(crate) fn check_trailer(write: Write, name: &str, value: &[u8]) -> Result<(), HeaderError> {
    match name.starts_with(':') {
        true => Err(HeaderError::Pseudo),
        false => check(write, name, value),
    }
}

/// `field-value` of RFC 9110, section 5.5: no control characters but tabs, no white space at either end.
fn is_field_value(value: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') && !blank(value.first()) && !blank(value.last())
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// Writes lines in the ABI's pair format.
pub(crate) fn encode<'a, N: AsRef<[u8]>>(lines: impl Iterator<Item = (N, &'a [u8])> + Clone) -> Vec<u8> {
    let mut pairs = Vec::new();
    pairs.extend_from_slice(&length_of(lines.clone().count()).to_le_bytes());
    for (name, value) in lines.clone() {
        pairs.extend_from_slice(&length_bytes(name.as_ref(), value));
    }
    for (name, value) in lines {
        for part in [name.as_ref(), value] {
            pairs.extend_from_slice(part);
            pairs.push(0);
        }
    }
    pairs
}

/// A length or a number of lines as the format has it.
fn length_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn length_bytes(name: &[u8], value: &[u8]) -> [u8; 8] {
    let ([n0, n1, n2, n3], [v0, v1, v2, v3]) =
        (length_of(name.len()).to_le_bytes(), length_of(value.len()).to_le_bytes());
    [n0, n1, n2, n3, v0, v1, v2, v3]
}

/// The lengths of a line's name and value.
fn lengths([n0, n1, n2, n3, v0, v1, v2, v3]: [u8; 8]) -> (usize, usize) {
    let length = |bytes| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
    (length([n0, n1, n2, n3]), length([v0, v1, v2, v3]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn duplicates_are_visible_and_keep_their_order() {
        let map = HeaderMap::from_lines([("a", &b"1"[..]), ("b", b"2"), ("a", b"3")]);
        assert_eq!(map.field("a"), Field::Many);
        assert_eq!(map.field("b"), Field::One(&b"2"[..]));
        assert_eq!(map.field("c"), Field::Absent);
        assert_eq!(map.all("a").collect::<Vec<_>>(), [b"1", b"3"]);
        assert_eq!(map.joined("a").as_deref(), Some(&b"1,3"[..]));
        assert_eq!(map.joined("b").as_deref(), Some(&b"2"[..]));
        assert_eq!(map.joined("c"), None);
    }

    #[test]
    fn what_is_added_comes_last_and_what_is_removed_goes_with_all_its_lines() {
        let mut map = HeaderMap::from_lines([("a", &b"1"[..]), ("b", b"2"), ("a", b"3")]);
        map.remove("a");
        map.add("c", b"4");
        map.add("b", b"5");
        map.remove("d");
        assert_eq!(map.iter().collect::<Vec<_>>(), [(&b"b"[..], &b"2"[..]), (b"c", b"4"), (b"b", b"5")]);
        assert_eq!(HeaderMap::from_pairs(map.pairs.clone()).unwrap(), map);
    }

    #[test]
    fn values_are_bytes_and_need_not_be_text() {
        let map = HeaderMap::from_lines([("a", &[0xE9, 0xFF][..])]);
        assert_eq!(HeaderMap::from_pairs(map.pairs.clone()).unwrap().field("a"), Field::One(&[0xE9, 0xFF][..]));
    }

    #[test]
    fn a_map_never_prints_its_values() {
        let map = HeaderMap::from_lines([("authorization", &b"Bearer canary"[..])]);
        assert_eq!(format!("{map:?}"), r#"["authorization"]"#);
    }

    #[test]
    fn a_line_break_cannot_be_written() {
        for value in [&b"a\r\nb"[..], b"a\nb", b"a\rb", b"a\0b"] {
            assert_eq!(check(Write::Set, "x", value), Err(HeaderError::Value));
        }
        for value in [&b" a"[..], b"a\t", b"\x7f", b"\x01"] {
            assert_eq!(check(Write::Set, "x", value), Err(HeaderError::Value));
        }
        assert_eq!(check(Write::Set, "x", &[0x80, b' ', b'\t', 0xFF]), Ok(()));
    }

    #[test]
    fn a_name_is_a_lower_case_token() {
        for name in ["", "X", "a b", "a:b", "a\r", "é", "a/"] {
            assert_eq!(check(Write::Set, name, b""), Err(HeaderError::Name), "{name:?}");
        }
    }

    #[test]
    fn framing_headers_are_not_a_filters_to_write() {
        for write in [Write::Set, Write::Add, Write::Remove] {
            assert_eq!(check(write, "content-length", b"1"), Err(HeaderError::Framing));
            assert_eq!(check(write, "transfer-encoding", b"chunked"), Err(HeaderError::Framing));
            assert_eq!(check(write, "upgrade", b"h2c"), Err(HeaderError::Framing));
            assert_eq!(check(write, "host", b"example.com"), Err(HeaderError::Pseudo));
        }
    }

    #[test]
    fn a_pseudo_header_can_be_changed_but_neither_doubled_nor_removed() {
        assert_eq!(check(Write::Set, ":path", b"/\xC3\xA9?a=b"), Ok(()));
        for (name, value) in [(":method", "GET /x HTTP/1.1"), (":path", "/a b"), (":authority", "a\r\n"), (":path", "")]
        {
            assert_eq!(check(Write::Set, name, value.as_bytes()), Err(HeaderError::Value), "{name} {value:?}");
        }
        assert_eq!(check(Write::Add, ":path", b"/"), Err(HeaderError::Pseudo));
        assert_eq!(check(Write::Remove, ":path", b""), Err(HeaderError::Pseudo));
        for name in [":", ":status", ":protocol"] {
            assert_eq!(check(Write::Set, name, b"1"), Err(HeaderError::Pseudo), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_map_survives_the_pair_format(lines in proptest::collection::vec(("[a-z-]{0,9}", proptest::collection::vec(any::<u8>(), 0..9)), 0..9)) {
            let map = HeaderMap::from_lines(lines.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
            let read = HeaderMap::from_pairs(map.pairs.clone()).unwrap();
            prop_assert_eq!(read.len(), lines.len());
            for ((name, value), (read_name, read_value)) in lines.iter().zip(read.iter()) {
                prop_assert_eq!(name.as_bytes(), read_name);
                prop_assert_eq!(value.as_slice(), read_value);
            }
        }

        #[test]
        fn lines_added_and_removed_in_place_are_those_of_a_map_built_anew(
            writes in proptest::collection::vec((any::<bool>(), "[ab]{0,2}", "[a-z]{0,3}"), 0..12),
        ) {
            let (mut map, mut lines) = (HeaderMap::default(), Vec::new());
            for (is_added, name, value) in &writes {
                if *is_added {
                    map.add(name, value.as_bytes());
                    lines.push((name.as_str(), value.as_bytes()));
                } else {
                    map.remove(name);
                    lines.retain(|(other, _)| other != name);
                }
                prop_assert_eq!(map.len(), lines.len());
                prop_assert_eq!(map.iter().collect::<Vec<_>>(), lines.iter().map(|(name, value)| (name.as_bytes(), *value)).collect::<Vec<_>>());
                prop_assert_eq!(HeaderMap::from_pairs(map.pairs.clone()), Ok(map.clone()));
            }
        }

        #[test]
        fn arbitrary_bytes_are_a_map_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(map) = HeaderMap::from_pairs(bytes) {
                prop_assert_eq!(map.iter().count(), map.len());
                for (name, value) in map.iter() {
                    if let Ok(name) = str::from_utf8(name) {
                        prop_assert!(map.all(name).any(|found| found == value));
                    }
                }
            }
        }
    }
}
