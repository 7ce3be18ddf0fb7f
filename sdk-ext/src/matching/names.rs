//! Names of headers, cookies and methods: the tokens of RFC 9110, section 5.6.2.

use crate::config::Node;

/// The name of a header or pseudo header, in lower case.
pub fn header(node: Node<'_>) -> Option<String> {
    let name = node.text("the name of a header")?;
    if is_token(name.strip_prefix(':').unwrap_or(name)) {
        Some(name.to_ascii_lowercase())
    } else {
        node.error("expected the name of a header: letters, digits and \"-\", without spaces")
    }
}

/// The name of a cookie.
pub fn cookie(node: Node<'_>) -> Option<String> {
    let name = node.text("the name of a cookie")?;
    if is_token(name) { Some(name.to_owned()) } else { node.error("expected the name of a cookie, without spaces") }
}

/// A request method. Methods have a case, and `get` is none that a client sends.
pub fn method(node: Node<'_>) -> Option<String> {
    let name = node.text("a method such as \"GET\"")?;
    if is_token(name) && !name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        Some(name.to_owned())
    } else {
        node.error("expected a method such as \"GET\", in upper case")
    }
}

/// Any text but the empty one; `what` says in an error what was expected.
pub fn non_empty(node: Node<'_>, what: &str) -> Option<String> {
    let text = node.text(what)?;
    if text.is_empty() { node.malformed(&[what, ", found an empty string"].concat()) } else { Some(text.to_owned()) }
}

fn is_token(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}
