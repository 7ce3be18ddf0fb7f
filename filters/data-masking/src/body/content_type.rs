//! Content types: which bodies are looked at, and how they are read.

use palisade_sdk::config::Node;

use super::Format;
use super::parameters::parameters;

const MULTIPART: &[u8] = b"multipart/";

/// Types of which the end of the name does not say how a body is read.
const FORMATS: [(&[u8], Format); 9] = [
    (b"application/json", Format::Json),
    (b"application/json-seq", Format::Json),
    (b"text/json", Format::Json),
    (b"application/x-ndjson", Format::JsonLines),
    (b"application/ndjson", Format::JsonLines),
    (b"application/jsonl", Format::JsonLines),
    (b"application/x-jsonlines", Format::JsonLines),
    (b"text/event-stream", Format::EventStream),
    (b"application/x-www-form-urlencoded", Format::Form),
];

/// More types that are read without a word about them.
const OTHERS: [&str; 5] = ["application/*+json", "text/*", "application/xml", "application/*+xml", "multipart/*"];

/// A media type and its charset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// In lower case.
    essence: Vec<u8>,
    /// Whether all charsets that are named are like ASCII.
    is_readable: bool,
    is_well_formed: bool,
    /// What stands between the parts of a multipart type.
    boundary: Option<Vec<u8>>,
}

/// Media types: `application/json`, `text/*`, `application/*+json`. Without a word about them, all that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentTypes(Option<Vec<String>>);

impl ContentType {
    /// The value of a `content-type` header.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let is_readable = parts.all(|part| {
            let Some(equals) = part.iter().position(|byte| *byte == b'=') else { return true };
            let (name, value) = part.split_at(equals);
            let is_charset = name.trim_ascii().eq_ignore_ascii_case(b"charset");
            !is_charset || is_like_ascii(value.get(1..).unwrap_or_default().trim_ascii())
        });
        let is_well_formed = is_essence(&essence) && is_one(value);
        let boundary = if essence.starts_with(MULTIPART) { boundary(value) } else { None };
        Self { essence, is_readable, is_well_formed, boundary }
    }

    /// Whether it is one type, of which all readers say the same.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        self.is_well_formed
    }

    /// How a body of this type is read: as text, unless it is known to be something else.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.named() {
            Some(format) => format,
            None if self.essence.ends_with(b"+json") => Format::Json,
            None => Format::Text,
        }
    }

    fn named(&self) -> Option<Format> {
        FORMATS.iter().find(|(essence, _)| *essence == self.essence).map(|(_, format)| *format)
    }

    fn matches(&self, pattern: &str) -> bool {
        let essence = self.essence.as_slice();
        match pattern.split_once('*') {
            Some((start, end)) => {
                essence.len() > start.len().saturating_add(end.len())
                    && essence.starts_with(start.as_bytes())
                    && essence.ends_with(end.as_bytes())
            }
            None => essence == pattern.as_bytes(),
        }
    }

    /// Whether a body of this type has parts.
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        self.essence.starts_with(MULTIPART)
    }

    /// What stands between its parts; `None` where that is not clear.
    #[must_use]
    pub fn boundary(&self) -> Option<&[u8]> {
        self.boundary.as_deref()
    }

    /// Whether a body of this type is a stream of gRPC messages in Protocol Buffers.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        matches!(self.essence.as_slice(), b"application/grpc" | b"application/grpc+proto")
    }

    /// Whether letters and digits are known to be bytes of their own, as in ASCII.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.is_readable
    }
}

impl ContentTypes {
    /// Reads them.
    pub fn read(node: Node<'_>) -> Option<Self> {
        node.non_empty_list(one).map(|types| Self(Some(types)))
    }

    /// Whether a type is one of them.
    #[must_use]
    pub fn contain(&self, content_type: &ContentType) -> bool {
        match &self.0 {
            Some(patterns) => patterns.iter().any(|pattern| content_type.matches(pattern)),
            None => content_type.named().is_some() || OTHERS.iter().any(|pattern| content_type.matches(pattern)),
        }
    }
}

/// The one boundary that a multipart type names (RFC 2046, section 5.1.1).
fn boundary(value: &[u8]) -> Option<Vec<u8>> {
    let mut named = parameters(value).into_iter().filter(|(name, _)| name.starts_with(b"boundary"));
    let (name, range) = named.next()?;
    let boundary = value.get(range)?.trim_ascii_end();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    let is_one = name == b"boundary" && named.next().is_none();
    (is_one && (1..=70).contains(&boundary.len()) && boundary.iter().all(is_plain)).then(|| boundary.to_vec())
}

/// Whether a charset is known to have ASCII's letters and digits as bytes of their own.
fn is_like_ascii(name: &[u8]) -> bool {
    let unquoted = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
    match unquoted.trim_ascii().to_ascii_lowercase().as_slice() {
        b"" | b"utf-8" | b"utf8" | b"us-ascii" | b"ascii" => true,
        name => [&b"iso-8859-"[..], b"windows-125"].iter().any(|family| {
            name.strip_prefix(*family).is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
        }),
    }
}

/// Whether it is `token/token` (RFC 9110, section 8.3.1).
fn is_essence(essence: &[u8]) -> bool {
    let is_token = |part: &[u8]| {
        !part.is_empty() && part.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
    };
    let mut parts = essence.split(|byte| *byte == b'/');
    parts.by_ref().take(2).filter(|part| is_token(part)).count() == 2 && parts.next().is_none()
}

/// Whether no comma joins several: none stands outside of quotes, and all quotes are closed.
fn is_one(value: &[u8]) -> bool {
    let mut parts = value.split(|byte| *byte == b'"');
    let is_closed = parts.clone().count() % 2 == 1;
    is_closed && !parts.by_ref().step_by(2).any(|outside| outside.contains(&b','))
}

fn one(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "a media type such as \"application/json\", \"text/*\" or \"application/*+json\"";
    let text = node.text(EXPECTED)?.to_ascii_lowercase();
    let is_token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&byte))
    };
    let is_pattern = text.split_once('/').is_some_and(|(kind, subtype)| {
        is_token(kind) && !kind.contains('*') && is_token(subtype) && subtype.matches('*').count() <= 1
    });
    if !is_pattern {
        return node.malformed(EXPECTED);
    }
    if text.starts_with("application/grpc") {
        return node.error("gRPC bodies are masked by `grpc` in a rule");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_says_how_its_body_is_read() {
        for (value, format) in [
            ("application/json", Format::Json),
            ("Application/JSON; charset=utf-8", Format::Json),
            ("application/problem+json", Format::Json),
            ("application/x-ndjson", Format::JsonLines),
            ("text/event-stream;charset=utf-8", Format::EventStream),
            ("application/x-www-form-urlencoded", Format::Form),
            ("text/html", Format::Text),
            ("application/xml", Format::Text),
        ] {
            assert_eq!(ContentType::parse(value.as_bytes()).format(), format, "{value}");
        }
    }

    #[test]
    fn a_charset_that_is_not_like_ascii_cannot_be_read() {
        for (value, is_readable) in [
            ("text/plain", true),
            ("text/plain; charset=UTF-8", true),
            ("text/plain; charset=\"iso-8859-1\"", true),
            ("text/plain; Charset=\"UTF-16LE\"", false),
            ("text/plain; x=y; charset=utf-32", false),
            ("text/plain; charset=utf8", true),
            ("text/plain; charset=", true),
            ("text/plain; charset = windows-1252", true),
            ("text/plain; charset=utf16", false),
            ("text/plain; charset=unicode", false),
            ("text/plain; charset= utf-16", false),
            ("text/plain; charset=\" utf-16\"", false),
            ("text/plain; charset = utf-16", false),
            ("text/plain; charset=utf-8; charset=utf-16", false),
            ("text/plain; charset=iso-8859-", false),
            ("text/plain; charset=iso-2022-jp", false),
        ] {
            assert_eq!(ContentType::parse(value.as_bytes()).is_readable(), is_readable, "{value}");
        }
    }

    #[test]
    fn several_types_in_one_value_are_none() {
        for (value, is_well_formed) in [
            ("application/json", true),
            ("application/json ; charset=utf-8", true),
            ("multipart/form-data; boundary=\"a,b\"", true),
            ("application/json,application/json", false),
            ("application/json, text/plain", false),
            ("application/json,", false),
            ("application/json charset=utf-8", false),
            ("image/png; x=1, application/json", false),
            ("image/png; x=\", application/json", false),
            ("application/json/x", false),
            ("json", false),
            ("", false),
        ] {
            assert_eq!(ContentType::parse(value.as_bytes()).is_well_formed(), is_well_formed, "{value}");
        }
    }

    #[test]
    fn a_boundary_is_one_that_all_readers_find() {
        for (value, boundary) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("Multipart/Mixed; charset=utf-8; Boundary=\"a b;c'()\"", None),
            ("multipart/mixed; boundary=\"a b:c'()\"", Some("a b:c'()")),
            ("multipart/mixed; boundary=a; boundary=b", None),
            ("multipart/mixed; boundary=a; boundary*=b", None),
            ("multipart/mixed; boundary=", None),
            ("multipart/mixed; boundary=\"\"", None),
            ("multipart/mixed", None),
            ("text/plain; boundary=a", None),
        ] {
            let content_type = ContentType::parse(value.as_bytes());
            assert_eq!(content_type.boundary(), boundary.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn patterns_name_types() {
        let types = ContentTypes::default();
        for (value, is_one) in [
            ("application/json", true),
            ("application/vnd.api+json", true),
            ("application/+json", false),
            ("text/plain", true),
            ("text/", false),
            ("image/png", false),
            ("application/octet-stream", false),
            ("", false),
        ] {
            assert_eq!(types.contain(&ContentType::parse(value.as_bytes())), is_one, "{value}");
        }
        for (known, _) in FORMATS {
            assert!(types.contain(&ContentType::parse(known)), "{}", known.escape_ascii());
        }
    }
}
