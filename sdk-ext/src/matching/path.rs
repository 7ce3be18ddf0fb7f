//! Paths, and patterns of them.

use super::pattern::Pattern;
use crate::config::{FromFields, Node, Object, quoted};

/// The part of `:path` before the query.
pub(super) fn without_query(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'?').next().unwrap_or(path)
}

/// The part of `:path` after the first `?`.
#[must_use]
pub fn query(path: &[u8]) -> &[u8] {
    let start = without_query(path).len().saturating_add(1);
    path.get(start..).unwrap_or_default()
}

/// The nth segment of a path without query, counted from 1; an empty segment is none.
pub(super) fn segment(path: &[u8], number: usize) -> Option<&[u8]> {
    segments(path)?.nth(number.checked_sub(1)?).filter(|segment| !segment.is_empty())
}

/// A path without query that a request's is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathLiteral<'m> {
    /// It begins and ends as a path or a segment does.
    Whole(&'m str),
    /// The first characters of a path.
    Start(&'m str),
}

/// What the path of a request is compared with.
#[derive(Debug, Clone)]
pub(super) enum PathPattern {
    Exact(String),
    Prefix(String),
    Regex(Pattern),
    Template(Template),
}

/// `/users/{id}/**`: literal segments, any one segment (`{name}` or `*`), and any rest (`**`, at the end only).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    segments: Vec<TemplateSegment>,
    open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplateSegment {
    Literal(String),
    Any,
}

// === impl PathPattern ===

impl PathPattern {
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => path == exact.as_bytes(),
            Self::Prefix(prefix) => has_prefix(path, prefix.as_bytes()),
            Self::Regex(pattern) => pattern.matches(path),
            Self::Template(template) => template.matches(path),
        }
    }

    pub(super) fn visit(&self, visit: &mut dyn FnMut(PathLiteral<'_>)) {
        match self {
            Self::Exact(path) | Self::Prefix(path) => visit(PathLiteral::Whole(path)),
            Self::Template(template) => visit(PathLiteral::Whole(&template.text())),
            Self::Regex(_) => {}
        }
    }
}

impl FromFields for PathPattern {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        object.exactly_one(&[
            ("exact", |node| absolute(node).map(Self::Exact)),
            ("prefix", |node| absolute(node).map(Self::Prefix)),
            ("regex", |node| {
                if node.text("a regular expression")?.is_ascii() {
                    return Pattern::from_config(node).map(Self::Regex);
                }
                node.error("a path is sent in ASCII (RFC 3986): write what is none as it is sent, such as \"%C3%A9\"")
            }),
            ("template", |node| {
                let text = absolute(node)?;
                Template::parse(&text).map(Self::Template).or_else(|| {
                    node.error(
                        "expected a template such as \"/users/{id}/**\": each segment is a text, \"{name}\" or \"*\", \
                         and \"**\" stands only at the end",
                    )
                })
            }),
        ])
    }
}

// === impl Template ===

impl Template {
    fn parse(text: &str) -> Option<Self> {
        let (text, open) = text.strip_suffix("/**").map_or((text, false), |text| (text, true));
        let Some(text) = text.strip_prefix('/') else {
            return text.is_empty().then_some(Self { segments: Vec::new(), open });
        };
        let segments = text.split('/').map(TemplateSegment::parse).collect::<Option<_>>()?;
        Some(Self { segments, open })
    }

    /// As it is written, but for names.
    fn text(&self) -> String {
        let mut text = String::new();
        for segment in &self.segments {
            text.push('/');
            text.push_str(match segment {
                TemplateSegment::Literal(literal) => literal,
                TemplateSegment::Any => "*",
            });
        }
        if self.open {
            text.push_str("/**");
        }
        text
    }

    fn matches(&self, path: &[u8]) -> bool {
        let Some(mut segments) = segments(path) else {
            return false;
        };
        let all = self.segments.iter().all(|expected| segments.next().is_some_and(|found| expected.matches(found)));
        all && (self.open || segments.next().is_none())
    }
}

impl TemplateSegment {
    fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        if text == "*" || name.is_some_and(is_name) {
            Some(Self::Any)
        } else {
            (!text.contains(['*', '{', '}'])).then(|| Self::Literal(text.to_owned()))
        }
    }

    fn matches(&self, segment: &[u8]) -> bool {
        match self {
            Self::Literal(text) => segment == text.as_bytes(),
            Self::Any => !segment.is_empty(),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn segments(path: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    path.strip_prefix(b"/").map(|path| path.split(|byte| *byte == b'/'))
}

fn has_prefix(path: &[u8], prefix: &[u8]) -> bool {
    let rest = path.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || prefix.ends_with(b"/"))
}

/// A path as it can be sent; a query in it could never match.
fn absolute(node: Node<'_>) -> Option<String> {
    let text = node.text("a path such as \"/api\"")?;
    if !text.starts_with('/') || text.contains(['?', '#']) {
        return node.error("expected a path such as \"/api\", which starts with \"/\" and has no query");
    }
    if !text.is_ascii() {
        let sent = percent_encoded(text);
        return node.error(
            &["a path is sent in ASCII (RFC 3986), so that this matches nothing; write ", &quoted(&sent)].concat(),
        );
    }
    Some(text.to_owned())
}

/// As clients send what is no ASCII (RFC 3986, section 2.5).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte.is_ascii() {
            true => encoded.push(byte.into()),
            false => encoded.extend(["%", &hex::encode_upper([byte])]),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
