//! Tokens of JSON.

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
    let mut is_escaped = false;
    for (at, byte) in input.iter().enumerate().skip(from) {
        match byte {
            b'\n' | b'\r' if is_line => return Err(StringEnd::Invalid),
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Ok(at),
            _ => {}
        }
    }
    Err(StringEnd::Unknown)
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
    fn a_quote_behind_a_backslash_ends_no_string() {
        assert_eq!(string_end(br#"a\"b\\"c"#, 0, false), Ok(6));
        assert_eq!(string_end(br#"ab\"#, 0, false), Err(StringEnd::Unknown));
        assert_eq!(string_end(b"a\nb\"", 0, true), Err(StringEnd::Invalid));
        assert_eq!(string_end(b"a\nb\"", 0, false), Ok(3));
        assert_eq!([r"ab", r"ab\", r"ab\\", r"ab\\\"].map(|text| whole_escapes(text.as_bytes(), 0)), [2, 2, 4, 4]);
    }
}
