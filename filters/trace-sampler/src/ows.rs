//! Optional whitespace around a header field's value: spaces and tabs (RFC 9110, section 5.6.3).

/// Returns `value` without the spaces and tabs at its ends.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_spaces_and_tabs_at_the_ends_are_trimmed() {
        assert_eq!(trim(b"\t a b \t"), b"a b");
        assert_eq!(trim(b"\x0ca\r"), b"\x0ca\r");
        assert_eq!(trim(b" \t "), b"");
        assert_eq!(trim(b""), b"");
    }
}
