//! Paths: which of them mean the same to everybody, and what others are made into.
//!
//! A rule that is about a path protects nothing when the upstream reads the path in another way than the rule. Servers
//! differ in whether they decode escapes before or after they split segments, take `\` for `/`, join `//`, and cut off
//! `;parameters`. A path in which that makes a difference is ambiguous.
//!
//! Rules see the [canonical] form of all others: an escape that stands for a character that needs none is that
//! character (`%61` is `a`, `%40` is `@`; RFC 3986, section 6.2.2.2), a character that needs one is escaped (`|` is
//! `%7C`), and the digits of escapes are in upper case (`%c3%a9` is `%C3%A9`; section 6.2.2.1).

use std::borrow::Cow;

/// The canonical form of a path without query; `None` for an ambiguous one.
#[must_use]
pub fn canonical(path: &[u8]) -> Option<Cow<'_, [u8]>> {
    if is_plain(path) {
        return segments_are_clear(path).then_some(Cow::Borrowed(path));
    }
    let mut canonical = Vec::with_capacity(path.len());
    let mut decoded = Vec::with_capacity(path.len());
    for unit in Units(path) {
        let unit = unit?;
        match unit {
            // What an escape hides, and what separates.
            Unit::Escaped(b'/' | b'.' | b'\\' | b';') | Unit::Plain(b'\\' | b';' | b'#') => return None,
            _ if unit.byte().is_ascii_control() => return None,
            Unit::Plain(b'/') => canonical.push(b'/'),
            _ if needs_no_escape(unit.byte()) => canonical.push(unit.byte()),
            _ => canonical.extend(escape(unit.byte())),
        }
        decoded.push(unit.byte());
    }
    let clear = str::from_utf8(&decoded).is_ok() && !has_escape(&decoded) && segments_are_clear(&canonical);
    clear.then_some(Cow::Owned(canonical))
}

/// What an ambiguous path is made into: a path that has a [canonical] form. `None` where there is no safe reading: it leads above
/// the root, holds control characters, something that is no escape, an escape of an escape, or text that is not UTF-8.
///
/// Escapes of what needs none are decoded, `\` is `/`, parameters are cut off, `//` is `/`, and `.` and `..` are followed
/// (RFC 3986, section 5.2.4).
#[must_use]
pub fn normalized(path: &[u8]) -> Option<Vec<u8>> {
    let mut units = Vec::with_capacity(path.len());
    for unit in Units(path) {
        units.push(match unit? {
            unit if unit.byte().is_ascii_control() => return None,
            Unit::Plain(b'#') => return None,
            Unit::Plain(b'\\') | Unit::Escaped(b'\\' | b'/') => Unit::Plain(b'/'),
            Unit::Escaped(b';') => Unit::Plain(b';'),
            Unit::Escaped(byte) if is_unreserved(byte) => Unit::Plain(byte),
            unit => unit,
        });
    }
    let decoded: Vec<_> = units.iter().map(Unit::byte).collect();
    if str::from_utf8(&decoded).is_err() || has_escape(&decoded) || decoded.first() != Some(&b'/') {
        return None;
    }
    let mut segments: Vec<&[Unit]> = Vec::new();
    let mut ends_open = false;
    for segment in units.split(|unit| matches!(unit, Unit::Plain(b'/'))).skip(1) {
        let segment = segment.split(|unit| matches!(unit, Unit::Plain(b';'))).next().unwrap_or_default();
        ends_open = true;
        match segment {
            [] | [Unit::Plain(b'.')] => {}
            [Unit::Plain(b'.'), Unit::Plain(b'.')] => drop(segments.pop()?),
            _ => {
                segments.push(segment);
                ends_open = false;
            }
        }
    }
    let mut path = Vec::with_capacity(path.len());
    for segment in segments {
        path.push(b'/');
        for unit in segment {
            match unit {
                Unit::Plain(byte) => path.push(*byte),
                Unit::Escaped(byte) => path.extend(escape(*byte)),
            }
        }
    }
    if ends_open || path.is_empty() {
        path.push(b'/');
    }
    Some(path)
}

/// A character of a path: as it is, or escaped.
#[derive(Clone, Copy)]
enum Unit {
    Plain(u8),
    Escaped(u8),
}

impl Unit {
    fn byte(&self) -> u8 {
        match self {
            Self::Plain(byte) | Self::Escaped(byte) => *byte,
        }
    }
}

/// The characters of a path; `None` for a `%` that begins no escape.
struct Units<'a>(&'a [u8]);

impl Iterator for Units<'_> {
    type Item = Option<Unit>;

    fn next(&mut self) -> Option<Option<Unit>> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(match first {
            b'%' => rest.split_first_chunk().and_then(|(digits, rest)| {
                self.0 = rest;
                hex_byte(*digits).map(Unit::Escaped)
            }),
            byte => Some(Unit::Plain(*byte)),
        })
    }
}

fn hex_byte(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from((high? << 4) | low?).ok()
}

fn escape(byte: u8) -> [u8; 3] {
    let digit = |digit: u8| b"0123456789ABCDEF".get(usize::from(digit)).copied().unwrap_or(b'0');
    [b'%', digit(byte >> 4), digit(byte & 15)]
}

/// Whether a decoded path holds what a second decoding would change.
fn has_escape(decoded: &[u8]) -> bool {
    decoded.windows(3).any(|window| matches!(*window, [b'%', high, low] if hex_byte([high, low]).is_some()))
}

/// Whether a path has nothing but slashes, and characters that need no escape and could not be read in two ways.
fn is_plain(path: &[u8]) -> bool {
    path.iter().all(|byte| *byte == b'/' || *byte != b';' && needs_no_escape(*byte))
}

/// No segment is empty but the last, and none is `.` or `..`. `*` is the whole path of an `OPTIONS` request for the
/// server itself.
fn segments_are_clear(path: &[u8]) -> bool {
    let Some(path) = path.strip_prefix(b"/") else { return path == b"*" };
    let mut segments = path.split(|byte| *byte == b'/');
    let last = segments.next_back().unwrap_or_default();
    let is_dots = |segment: &[u8]| matches!(segment, b"." | b"..");
    !is_dots(last) && segments.all(|segment| !segment.is_empty() && !is_dots(segment))
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `pchar` of RFC 3986, section 3.3.
fn needs_no_escape(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical_text(path: &str) -> Option<String> {
        canonical(path.as_bytes()).map(|path| String::from_utf8(path.into_owned()).unwrap())
    }

    fn normalized_text(path: &str) -> Option<String> {
        normalized(path.as_bytes()).map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn usual_paths_are_their_own_canonical_form() {
        for path in
            ["/", "/a", "/a/", "/a/b.c/...", "/a/.b/c.", "/%20/%3F%23", "/caf%C3%A9", "/100%25", "/a:b@c,d", "*"]
        {
            assert_eq!(canonical_text(path).as_deref(), Some(path));
        }
        assert!(matches!(canonical(b"/a/b"), Some(Cow::Borrowed(_))));
    }

    #[test]
    fn needless_escapes_hide_nothing_from_a_rule() {
        assert_eq!(canonical_text("/%61dmin").as_deref(), Some("/admin"));
        assert_eq!(canonical_text("/%40me/%2B%3D%7E").as_deref(), Some("/@me/+=~"));
        assert_eq!(canonical_text("/caf%c3%a9").as_deref(), Some("/caf%C3%A9"));
    }

    #[test]
    fn a_character_that_needs_an_escape_has_one_spelling() {
        for (raw, escaped) in
            [("/a|b", "/a%7Cb"), ("/{x}[0]", "/%7Bx%7D%5B0%5D"), ("/\"<^`> ", "/%22%3C%5E%60%3E%20"), ("/é", "/%C3%A9")]
        {
            assert_eq!(
                (canonical_text(raw).as_deref(), canonical_text(escaped).as_deref()),
                (Some(escaped), Some(escaped))
            );
        }
    }

    #[test]
    fn what_servers_read_in_two_ways_is_ambiguous() {
        for path in [
            "",
            "a",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/a/.",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/%2e",
            "/a%2Eb",
            "/%2e%2E/",
            "/a%2fb",
            "/a%2Fb",
            "/a%5Cb",
            "/a%5cb",
            "/a\\b",
            "/a;b",
            "/a/..;/b",
            "/a%3Bb",
            "/%",
            "/%4",
            "/%zz",
            "/a%",
            "/%252F",
            "/%25%32%46",
            "/%00",
            "/%0a",
            "/a%7f",
            "/a#b",
            "/%ff",
            "/%C3",
            "/%C3%28",
            "**",
            "/*/../*",
        ] {
            assert_eq!(canonical_text(path), None, "{path}");
        }
        assert_eq!(canonical(b"/\xFF"), None);
        assert_eq!(canonical(b"/a\0"), None);
    }

    #[test]
    fn an_ambiguous_path_has_a_plain_reading() {
        for (path, expected) in [
            ("//a", "/a"),
            ("/a//b/", "/a/b/"),
            ("/a/./b/.", "/a/b/"),
            ("/a/b/../c", "/a/c"),
            ("/a/..", "/"),
            ("/a%2Fb", "/a/b"),
            ("/a\\..\\b", "/b"),
            ("/public/%2e%2e%2fadmin", "/admin"),
            ("/public/..;/admin;v=1", "/admin"),
            ("/a%3bx=%2Fb/c", "/a/b/c"),
            ("/;/a", "/a"),
            ("/%61%40%20", "/a%40%20"),
            ("/caf%c3%a9", "/caf%C3%A9"),
        ] {
            assert_eq!(normalized_text(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_path_without_a_safe_reading_has_no_other() {
        for path in
            ["", "a", "*", "/..", "/a/../..", "/%2e%2e/a", "/%", "/%g0", "/%252e", "/%00", "/a#b", "/%ff", "/..;/"]
        {
            assert_eq!(normalized_text(path), None, "{path}");
        }
    }

    fn any_path() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("/".to_owned()),
            Just("..".to_owned()),
            Just(".".to_owned()),
            Just(";".to_owned()),
            Just("\\".to_owned()),
            "%[0-9a-fA-F]{2}",
            Just("%25".to_owned()),
            Just("%2f".to_owned()),
            Just("%2E".to_owned()),
            "[a-zA-Z0-9@%é ]",
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| ["/".to_owned(), pieces.concat()].concat().into_bytes())
    }

    /// The path as a server reads it that decodes first and then splits, joins slashes, follows dots, and cuts parameters.
    fn lenient_reading(path: &[u8]) -> Vec<Vec<u8>> {
        let decoded: Vec<u8> = Units(path).flatten().map(|unit| unit.byte()).collect();
        let mut segments: Vec<Vec<u8>> = Vec::new();
        for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
            let segment = segment.split(|byte| *byte == b';').next().unwrap();
            match segment {
                b"" | b"." => {}
                b".." => drop(segments.pop()),
                _ => segments.push(segment.to_vec()),
            }
        }
        segments
    }

    /// The path as a server reads it that splits first and then decodes, and knows nothing of dots and parameters.
    fn strict_reading(path: &[u8]) -> Vec<Vec<u8>> {
        let segments = path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
        segments.map(|segment| Units(segment).flatten().map(|unit| unit.byte()).collect()).collect()
    }

    proptest! {
        #[test]
        fn a_canonical_form_is_its_own_and_means_the_same_to_all(path in any_path()) {
            if let Some(canonical_form) = canonical(&path) {
                prop_assert_eq!(canonical(&canonical_form), Some(canonical_form.clone()));
                for reading in [lenient_reading(&path), strict_reading(&path), strict_reading(&canonical_form)] {
                    prop_assert_eq!(&reading, &lenient_reading(&canonical_form));
                }
            }
        }

        #[test]
        fn a_normalized_path_is_clear_and_what_the_lenient_read(path in any_path()) {
            if let Some(normalized_form) = normalized(&path) {
                prop_assert!(canonical(&normalized_form).is_some(), "{}", normalized_form.escape_ascii());
                prop_assert_eq!(normalized(&normalized_form), Some(normalized_form.clone()));
                prop_assert_eq!(lenient_reading(&path), strict_reading(&normalized_form));
            }
        }

        #[test]
        fn arbitrary_bytes_are_a_path_or_ambiguous(path: Vec<u8>) {
            let _ = (canonical(&path), normalized(&path));
        }
    }
}
