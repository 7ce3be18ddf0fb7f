//! Paths as Envoy passes them on with `normalize_path`, `merge_slashes` and the refusal of escaped slashes.

/// The path of a request in its plain form, or nothing where it is to be refused.
pub(crate) fn normalized(path: &str) -> Option<String> {
    // `OPTIONS *` names no path.
    if !path.starts_with('/') {
        return Some(path.to_owned());
    }
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let plain = unescaped(path)?;
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = plain.split(['/', '\\']).skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "" | "." if last => segments.push(""),
            "" | "." => {}
            ".." => {
                segments.pop();
                if last {
                    segments.push("");
                }
            }
            _ => segments.push(part),
        }
    }
    Some(format!("/{}{query}", segments.join("/")))
}

/// The path without the escapes that nothing needs; nothing where a slash is escaped.
fn unescaped(path: &str) -> Option<String> {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, behind)) = rest.split_once('%') {
        plain.push_str(before);
        let code = behind.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.map(char::from) {
            Some('/' | '\\') => return None,
            Some(own) if own.is_ascii_alphanumeric() || "-._~".contains(own) => {
                plain.push(own);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                plain.push('%');
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::normalized;

    #[test]
    fn another_spelling_of_a_path_is_the_same_path() {
        for path in ["/a/b", "//a/b", "/a//b", "/%61/b", "/./a/b", "/a/%2e/b", "/c/../a/b", "/a\\b"] {
            assert_eq!(normalized(path).as_deref(), Some("/a/b"), "{path}");
        }
    }

    #[test]
    fn an_escape_that_is_needed_stays() {
        for path in ["/a%20b", "/%25", "/%", "/%e", "/%c3%bc"] {
            assert_eq!(normalized(path).as_deref(), Some(path));
        }
    }

    #[test]
    fn a_query_is_left_alone() {
        assert_eq!(normalized("//a?b=//%61/../c").as_deref(), Some("/a?b=//%61/../c"));
    }

    #[test]
    fn the_end_of_a_path_shows_a_folder() {
        assert_eq!(normalized("/a/").as_deref(), Some("/a/"));
        assert_eq!(normalized("/a/b/..").as_deref(), Some("/a/"));
        assert_eq!(normalized("/../..").as_deref(), Some("/"));
    }

    #[test]
    fn an_escaped_slash_is_refused() {
        for path in ["/%2Flogin", "/a%2fb", "/a%5Cb", "/a%5cb"] {
            assert_eq!(normalized(path), None, "{path}");
        }
    }
}
