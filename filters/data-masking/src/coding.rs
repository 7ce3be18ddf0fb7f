//! Codings: how a value is written in a message, and what it means.

use std::borrow::Cow;

use crate::detectors::traits::Traits;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Plain,
    /// Between the quotes of a JSON string.
    Json,
    /// In a form or a query: `%20` and `+`.
    Form,
    /// In a path, a cookie or the name of a file: `%20`.
    Percent,
}

/// What a value means, and where in the message each part of it stands.
pub struct Decoded<'a> {
    /// What it means.
    pub text: Cow<'a, [u8]>,
    /// How much of the message it is: an escape that is cut off is not decoded.
    pub len: usize,
    escapes: Vec<Escape>,
}

/// An escape and what it means.
#[derive(Clone, Copy)]
struct Escape {
    text_start: usize,
    text_end: usize,
    start: usize,
    end: usize,
}

/// What an escape means.
enum Meaning {
    Char(char),
    Byte(u8),
    /// It is cut off.
    Incomplete,
    /// It is none.
    None,
}

impl Coding {
    /// What is written in `written`; `at_end` says that nothing follows.
    #[must_use]
    pub fn decode(self, written: &[u8], at_end: bool) -> Decoded<'_> {
        let Some(first) = self.next_escape(written) else {
            return Decoded { text: Cow::Borrowed(written), len: written.len(), escapes: Vec::new() };
        };
        let mut text = Vec::with_capacity(written.len());
        text.extend_from_slice(written.get(..first).unwrap_or_default());
        let mut escapes = Vec::new();
        let mut at = first;
        while let Some(rest) = written.get(at..).filter(|rest| !rest.is_empty()) {
            let len = self.next_escape(rest).unwrap_or(rest.len());
            if len > 0 {
                text.extend_from_slice(rest.get(..len).unwrap_or(rest));
                at = at.saturating_add(len);
                continue;
            }
            let (meaning, len) = match self {
                Self::Form | Self::Percent => form_escape(rest),
                Self::Plain | Self::Json => json_escape(rest),
            };
            let text_start = text.len();
            match meaning {
                Meaning::Char(char) => text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                Meaning::Byte(byte) => text.push(byte),
                Meaning::Incomplete if !at_end => break,
                Meaning::Incomplete | Meaning::None => text.extend_from_slice(rest.get(..len).unwrap_or(rest)),
            }
            let end = at.saturating_add(len).min(written.len());
            escapes.push(Escape { text_start, text_end: text.len(), start: at, end });
            at = end;
        }
        Decoded { text: Cow::Owned(text), len: at, escapes }
    }

    fn next_escape(self, written: &[u8]) -> Option<usize> {
        match self {
            Self::Plain => None,
            Self::Json => next_backslash(written),
            Self::Form => written.iter().position(|byte| matches!(byte, b'%' | b'+')),
            Self::Percent => written.iter().position(|byte| *byte == b'%'),
        }
    }

    /// `text` as it is to be written.
    #[must_use]
    pub fn encoded(self, text: Vec<u8>) -> Vec<u8> {
        let is_written = match self {
            Self::Plain => true,
            Self::Json => Traits::of_plain(&text).1 == text.len(),
            Self::Form | Self::Percent => false,
        };
        if is_written {
            return text;
        }
        let mut written = Vec::with_capacity(text.len());
        self.encode(&text, &mut written);
        written
    }

    /// Appends `text` as it is to be written.
    pub fn encode(self, text: &[u8], out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |digit: u8| HEX.get(usize::from(digit & 15)).copied().unwrap_or(b'0');
        for byte in text {
            match (self, *byte) {
                (Self::Json, b'"' | b'\\') => out.extend([b'\\', *byte]),
                (Self::Json, 0..=0x1f) => out.extend([b'\\', b'u', b'0', b'0', digit(*byte >> 4), digit(*byte)]),
                (Self::Form | Self::Percent, byte) if !(byte.is_ascii_alphanumeric() || b"-._~*@:".contains(&byte)) => {
                    out.extend([b'%', digit(byte >> 4), digit(byte)]);
                }
                (_, byte) => out.push(byte),
            }
        }
    }
}

impl Decoded<'_> {
    /// Where in the message what begins at this place of the text begins.
    #[must_use]
    pub fn start(&self, place: usize) -> usize {
        self.place(place, |escape| escape.start)
    }

    /// Where in the message what ends at this place of the text ends.
    #[must_use]
    pub fn end(&self, place: usize) -> usize {
        self.place(place, |escape| escape.end)
    }

    fn place(&self, place: usize, inside: fn(&Escape) -> usize) -> usize {
        let behind = self.escapes.partition_point(|escape| escape.text_end <= place);
        if let Some(escape) = self.escapes.get(behind).filter(|escape| escape.text_start < place) {
            return inside(escape);
        }
        match behind.checked_sub(1).and_then(|last| self.escapes.get(last)) {
            Some(last) => last.end.saturating_add(place.saturating_sub(last.text_end)),
            None => place,
        }
    }
}

fn next_backslash(text: &[u8]) -> Option<usize> {
    let mut at = 0usize;
    loop {
        let (_, len) = Traits::of_plain(text.get(at..)?);
        at = at.saturating_add(len);
        match text.get(at)? {
            b'\\' => return Some(at),
            _ => at = at.saturating_add(1),
        }
    }
}

/// The escape at the front of a text that begins with `\`, and its length.
fn json_escape(text: &[u8]) -> (Meaning, usize) {
    let meaning = match text.get(1) {
        None => return (Meaning::Incomplete, 1),
        Some(b'n') => Meaning::Byte(b'\n'),
        Some(b't') => Meaning::Byte(b'\t'),
        Some(b'r') => Meaning::Byte(b'\r'),
        Some(b'b') => Meaning::Byte(8),
        Some(b'f') => Meaning::Byte(12),
        Some(b'u') => return unicode_escape(text),
        Some(byte @ (b'"' | b'\\' | b'/')) => Meaning::Byte(*byte),
        // What follows is no part of it: a match may begin there.
        Some(_) => return (Meaning::None, 1),
    };
    (meaning, 2)
}

/// `\u0034`, or two of them for a character beyond the first plane.
fn unicode_escape(text: &[u8]) -> (Meaning, usize) {
    const HALF: usize = 6;
    let Some(digits) = text.get(2..HALF) else { return (Meaning::Incomplete, text.len()) };
    let Some(first) = hex(digits) else { return (Meaning::None, 1) };
    if !(0xd800..0xdc00).contains(&first) {
        return (Meaning::Char(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)), HALF);
    }
    let behind = text.get(HALF..).unwrap_or_default();
    if behind.len() < HALF && br"\u".starts_with(behind.get(..2).unwrap_or(behind)) {
        return (Meaning::Incomplete, text.len());
    }
    let second = behind.strip_prefix(br"\u").and_then(|digits| hex(digits.get(..4)?));
    match second.filter(|second| (0xdc00..0xe000).contains(second)) {
        Some(second) => {
            let code = 0x1_0000_u32.wrapping_add((first & 0x3ff) << 10 | (second & 0x3ff));
            (Meaning::Char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)), HALF.saturating_mul(2))
        }
        None => (Meaning::Char(char::REPLACEMENT_CHARACTER), HALF),
    }
}

/// The escape at the front of a text that begins with `%` or `+`, and its length.
fn form_escape(text: &[u8]) -> (Meaning, usize) {
    if text.first() == Some(&b'+') {
        return (Meaning::Byte(b' '), 1);
    }
    let Some(digits) = text.get(1..3) else { return (Meaning::Incomplete, text.len()) };
    match hex(digits).and_then(|code| u8::try_from(code).ok()) {
        Some(byte) => (Meaning::Byte(byte), 3),
        None => (Meaning::None, 1),
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |number, digit| Some(number.wrapping_shl(4) | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(coding: Coding, written: &str) -> String {
        String::from_utf8_lossy(&coding.decode(written.as_bytes(), true).text).into_owned()
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(decoded(Coding::Json, r"a\u0034\n\t\r\b\f\/\\\"), "a4\n\t\r\u{8}\u{c}/\\\\");
        assert_eq!(
            decoded(Coding::Json, r"\ud83d\ude00 \uD800\uDC00 \udbff\udfff \u00fc"),
            "😀 \u{10000} \u{10ffff} ü"
        );
        assert_eq!(
            decoded(Coding::Json, r"\ud83d \ude00 \ud83dx \uzzzz \q"),
            "\u{fffd} \u{fffd} \u{fffd}x \\uzzzz \\q"
        );
        assert_eq!(decoded(Coding::Form, "a+b%20c%2Bd%zz%C3%BC%4"), "a b c+d%zzü%4");
        assert_eq!(decoded(Coding::Percent, "a+b%20c%2Bd%zz"), "a+b c+d%zz");
        assert_eq!(decoded(Coding::Plain, r"\u0034+%20"), r"\u0034+%20");
    }

    #[test]
    fn an_escape_that_is_cut_off_is_left_for_later() {
        for written in [r"ab\", r"ab\u", r"ab\u003", r"ab\ud83d", r"ab\ud83d\", r"ab\ud83d\u", r"ab\ud83d\ude0"] {
            let decoded = Coding::Json.decode(written.as_bytes(), false);
            assert_eq!((decoded.text.as_ref(), decoded.len), (b"ab".as_slice(), 2), "{written}");
        }
        for written in ["ab%", "ab%4"] {
            assert_eq!(Coding::Form.decode(written.as_bytes(), false).len, 2);
        }
    }

    #[test]
    fn places_are_found_again() {
        let decoded = Coding::Json.decode(br"a\u0034b\u00fcc", true);
        assert_eq!(decoded.text.as_ref(), "a4büc".as_bytes());
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(|place| decoded.start(place)), [0, 1, 7, 8, 8, 14, 15]);
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(|place| decoded.end(place)), [0, 1, 7, 8, 14, 14, 15]);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(text in prop::collection::vec(any::<u8>(), 0..40)) {
            for coding in [Coding::Plain, Coding::Json, Coding::Form, Coding::Percent] {
                let mut written = Vec::new();
                coding.encode(&text, &mut written);
                let decoded = coding.decode(&written, true);
                prop_assert_eq!(decoded.text.as_ref(), text.as_slice());
            }
        }

        #[test]
        fn a_text_in_two_pieces_is_decoded_as_the_whole(written in r#"(\\u[0d][08][03][0-9a-f]|\\ud83d|\\n|\\|%[0-9a-f]{0,2}|\+|[a-z])*"#, cut in 0_usize..40) {
            for coding in [Coding::Json, Coding::Form] {
                let cut = cut.min(written.len());
                let first = coding.decode(&written.as_bytes()[..cut], false);
                let second = coding.decode(&written.as_bytes()[first.len..], true);
                let whole = coding.decode(written.as_bytes(), true);
                prop_assert_eq!([&*first.text, &*second.text].concat(), &*whole.text);
            }
        }
    }
}
