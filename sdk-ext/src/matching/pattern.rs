//! Regular expressions: linear in time, and anchored.

use regex_lite::{Regex, RegexBuilder};

use crate::config::Node;

/// How much memory one compiled expression may take. Matching time grows with it.
const SIZE_LIMIT: usize = 64 * 1024;

/// A regular expression that must match a text from its first to its last byte.
///
/// The syntax is that of the crate `regex-lite`: no look-around, no back references, and `\d`, `\w`, `\s` are ASCII.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Bytes that are not UTF-8 match no pattern.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        str::from_utf8(text).is_ok_and(|text| self.0.is_match(text))
    }

    pub(super) fn from_config(node: Node<'_>) -> Option<Self> {
        let pattern = node.text("a regular expression")?;
        // Compiled as it stands first: `a)|(?:b` is no expression, but would be one between anchors.
        let compiled = compile(pattern).and_then(|_| compile(&["^(?:", pattern, ")$"].concat()));
        match compiled {
            Ok(regex) => Some(Self(regex)),
            Err(error) => node.error(&format!(
                "not a regular expression: {error} (look-around and back references do not exist; the whole text must \
                 match)"
            )),
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, FromConfig};

    impl FromConfig for Pattern {
        fn from_config(node: Node<'_>) -> Option<Self> {
            Pattern::from_config(node)
        }
    }

    fn pattern(text: &str) -> Result<Pattern, String> {
        let json = serde_json::to_vec(text).unwrap();
        config::parse(&json).map_err(|errors| errors.to_string())
    }

    #[test]
    fn the_whole_text_must_match() {
        let either = pattern("a|ab").unwrap();
        assert!(either.matches(b"a"));
        assert!(either.matches(b"ab"));
        assert!(!either.matches(b"abc"));
        assert!(!either.matches(b"xa"));
        assert!(!either.matches(b"a\n"));
        assert!(!pattern("(?m)a").unwrap().matches(b"b\na\nb"));
    }

    #[test]
    fn the_anchors_cannot_be_broken_out_of() {
        assert!(pattern("a)|(?:b").unwrap_err().contains("not a regular expression"));
        assert!(pattern("(?x)a # a comment").is_err_and(|error| error.contains("not a regular expression")));
    }

    #[test]
    fn what_is_not_linear_or_too_large_is_refused() {
        for text in ["(", r"(a)\1", "(?=a)", "[a", "(?:a{1000}){1000}"] {
            assert!(pattern(text).unwrap_err().contains("not a regular expression"), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_match_nothing() {
        let any = pattern("(?s).*").unwrap();
        assert!(any.matches("ü".as_bytes()));
        assert!(!any.matches(b"\xfc"));
    }
}
