//! Tokens of JSON.

use crate::detectors::traits::Traits;

/// Where a string ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StringEnd {
    /// At this quote.
    At(usize),
    /// It has not come.
    Unknown,
    /// Further off than a value is held.
    TooLong,
    /// Nowhere: the line or the message ends first.
    Invalid,
}

/// The place of the quote that ends a string of which `from` is inside, not behind a backslash.
pub(super) fn string_end(input: &[u8], from: usize, is_line: bool) -> Result<usize, StringEnd> {
    let ends_line = |byte: Option<&u8>| is_line && matches!(byte, Some(b'\n' | b'\r'));
    let mut at = from;
    loop {
        let (_, len) = Traits::of_plain(input.get(at..).unwrap_or_default());
        at = at.saturating_add(len);
        let next = at.saturating_add(1);
        match input.get(at) {
            None => return Err(StringEnd::Unknown),
            Some(b'"') => return Ok(at),
            byte if ends_line(byte) => return Err(StringEnd::Invalid),
            Some(b'\\') if ends_line(input.get(next)) => return Err(StringEnd::Invalid),
            Some(b'\\') => at = next.saturating_add(1),
            Some(_) => at = next,
        }
    }
}

/// Up to where a string that does not end here can be taken without cutting a backslash from what it stands before.
pub(super) fn whole_escapes(input: &[u8], from: usize) -> usize {
    let rest = input.get(from..).unwrap_or_default();
    let backslashes = rest.iter().rev().take_while(|byte| **byte == b'\\').count();
    input.len().saturating_sub(backslashes & 1)
}

/// Whether the byte can stand in a number, `true`, `false` or `null`.
pub(super) fn is_of_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

/// Whether a document before this text is separated from the next: by the end of its line or of the message, or what begins a document of a
/// JSON text sequence, behind at most so many blanks. `None` where it takes more of the text to say.
pub(super) fn is_separated(text: &[u8], most_blanks: usize, at_end: bool) -> Option<bool> {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if blanks > most_blanks {
        return Some(false);
    }
    match text.get(blanks) {
        Some(byte) => Some(matches!(byte, b'\n' | b'\r' | 0x1e)),
        None => at_end.then_some(true),
    }
}

/// Whether it is a number (RFC 8259, section 6).
pub(super) fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let integer = digits(text);
    if integer == 0 || (integer > 1 && text.first() == Some(&b'0')) {
        return false;
    }
    let mut rest = text.get(integer..).unwrap_or_default();
    if rest.is_empty() {
        return true;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits(fraction);
        if len == 0 {
            return false;
        }
        rest = fraction.get(len..).unwrap_or_default();
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or(rest.strip_prefix(b"E")) {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let len = digits(exponent);
        return len > 0 && len == exponent.len();
    }
    rest.is_empty()
}

/// The whole number that a number of JSON is which is written with a fraction or an exponent; nothing for another, or a very large one.
pub(super) fn whole_number(text: &[u8]) -> Option<Vec<u8>> {
    const LONGEST: usize = 40;
    let is_exponent = |byte: &u8| matches!(byte, b'e' | b'E');
    let (mantissa, exponent) = match text.iter().position(is_exponent) {
        Some(at) => (text.get(..at)?, str::from_utf8(text.get(at.saturating_add(1)..)?).ok()?.parse::<i8>().ok()?),
        None if text.contains(&b'.') => (text, 0),
        None => return None,
    };
    let is_negative = mantissa.first() == Some(&b'-');
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let before = point.saturating_sub(usize::from(is_negative));
    let len = before.checked_add_signed(exponent.into()).filter(|len| (1..=LONGEST).contains(len))?;
    let mut number = mantissa.to_vec();
    number.retain(u8::is_ascii_digit);
    if number.iter().skip(len).any(|digit| *digit != b'0') {
        return None;
    }
    number.resize(len, b'0');
    let zeros = number.iter().take_while(|digit| **digit == b'0').count();
    number.drain(..zeros);
    if is_negative {
        number.insert(0, b'-');
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_of_json() {
        for text in ["0", "-0", "12", "-1.50", "1e9", "1E+9", "1.5e-9"] {
            assert!(is_number(text.as_bytes()), "{text}");
        }
        for text in ["", "-", "01", "1.", ".1", "1e", "1e+", "1x", "+1", "0x1", "1.e1", "true"] {
            assert!(!is_number(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (written, number) in [
            ("4111111111111111.0", Some("4111111111111111")),
            ("-12.00", Some("-12")),
            ("4.111111111111111e15", Some("4111111111111111")),
            ("4.111111111111111E+15", Some("4111111111111111")),
            ("41111111111111110e-1", Some("4111111111111111")),
            ("0.4111111111111111e16", Some("4111111111111111")),
            ("4e3", Some("4000")),
            ("4111", None),
            ("4.5", None),
            ("1e-2", None),
            ("1e99", None),
            ("1e999", None),
        ] {
            assert_eq!(whole_number(written.as_bytes()).as_deref(), number.map(str::as_bytes), "{written}");
        }
    }

    #[test]
    fn a_quote_behind_a_backslash_ends_no_string() {
        assert_eq!(string_end(br#"a\"b\\"c"#, 0, false), Ok(6));
        assert_eq!(string_end(br#"ab\"#, 0, false), Err(StringEnd::Unknown));
        assert_eq!(string_end(b"a\nb\"", 0, true), Err(StringEnd::Invalid));
        assert_eq!(string_end(b"a\nb\"", 0, false), Ok(3));
        assert_eq!([r"ab", r"ab\", r"ab\\", r"ab\\\"].map(|text| whole_escapes(text.as_bytes(), 0)), [2, 2, 4, 4]);
    }
}
