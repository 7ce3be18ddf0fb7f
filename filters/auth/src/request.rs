//! Request: the head of one request as methods read it, where a credential stands in it, and how it is taken out.

use std::borrow::Cow;

use palisade_sdk::{
    HeaderMap,
    config::{FromConfig, FromFields, Node, Object},
    matching::{
        Field,
        forms::{self, query},
        names,
    },
};

use crate::secret;

#[cfg(feature = "schema")]
mod schema;

type Bytes<'r> = Cow<'r, [u8]>;

/// The headers of one request, and what stands in them.
///
/// What comes more than once is [`Field::Many`], whether its values agree or not: the upstream may read the other one.
#[derive(Clone, Copy)]
pub struct Head<'r> {
    headers: &'r HeaderMap,
}

/// The value of an `authorization` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorization<'r> {
    /// The scheme, in whatever case the client wrote it: see [`Authorization::is`].
    pub scheme: &'r [u8],
    /// What follows, without the blanks between.
    pub credential: &'r [u8],
}

/// Where a credential stands in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A header, and what its value begins with; compared without case, as a scheme is (RFC 9110, section 11.1).
    Header {
        /// In lower case.
        name: String,
        /// Empty, or for example `Bearer `.
        prefix: String,
    },
    /// A cookie.
    Cookie(String),
    /// A query parameter.
    Query(String),
}

/// Where a credential may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

/// What becomes of a request's headers: another value, or none at all.
#[derive(Default)]
pub struct Edits(Vec<(String, Option<Vec<u8>>)>);

/// What is taken out of a request before it goes upstream.
#[derive(Default)]
pub struct Removal {
    edits: Edits,
}

// === impl Head ===

impl<'r> Head<'r> {
    /// The head of the request that has these headers.
    #[must_use]
    pub fn new(headers: &'r HeaderMap) -> Self {
        Self { headers }
    }

    /// All headers.
    #[must_use]
    pub fn headers(self) -> &'r HeaderMap {
        self.headers
    }

    /// Scheme and credential of `authorization`.
    ///
    /// Envoy joins several lines of this header with commas, so that a comma outside of a quoted string counts as more
    /// than one; so does one in a quoted string that does not end.
    #[must_use]
    pub fn authorization(self) -> Field<Authorization<'r>> {
        self.headers.field("authorization").and_then(|value| match has_bare_comma(value) {
            true => Field::Many,
            false => Field::One(Authorization::of(value)),
        })
    }

    /// A header. `authorization` that is joined of several is [`Field::Many`].
    #[must_use]
    pub fn header(self, name: &str) -> Field<&'r [u8]> {
        let value = self.headers.field(name);
        if name == "authorization" && self.authorization() == Field::Many { Field::Many } else { value }
    }

    /// A query parameter, decoded.
    #[must_use]
    pub fn query_parameter(self, name: &str) -> Field<Bytes<'r>> {
        self.headers.field(":path").and_then(|path| forms::parameter(query(path), name))
    }

    /// A cookie. HTTP allows one `cookie` line only (RFC 6265, section 5.4); HTTP/2's are joined by the host.
    #[must_use]
    pub fn cookie(self, name: &str) -> Field<Bytes<'r>> {
        let mut found = Field::Absent;
        for line in self.headers.all("cookie") {
            found = match (found, forms::cookie(line, name)) {
                (found, Field::Absent) => found,
                (Field::Absent, cookie) => cookie,
                _ => return Field::Many,
            };
        }
        found
    }
}

fn has_bare_comma(value: &[u8]) -> bool {
    // Nearly always: to look at each byte of a token would cost more than all else that the filter does.
    if !has_comma(value) {
        return false;
    }
    let (mut quoted, mut escaped, mut comma_in_quotes) = (false, false, false);
    for byte in value {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => (quoted, comma_in_quotes) = (!quoted, false),
            b',' if quoted => comma_in_quotes = true,
            b',' => return true,
            _ => {}
        }
    }
    quoted && comma_in_quotes
}

/// Whether there is a comma, eight bytes at a time.
fn has_comma(value: &[u8]) -> bool {
    const COMMAS: u64 = u64::from_ne_bytes([b','; 8]);
    const LOWEST: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, rest) = value.as_chunks();
    let is_in = |word: &[u8; 8]| {
        // A byte is zero where there is a comma, and only from such a byte a borrow reaches a highest bit that was not set.
        let difference = u64::from_ne_bytes(*word) ^ COMMAS;
        difference.wrapping_sub(LOWEST) & !difference & HIGHEST != 0
    };
    words.iter().any(is_in) || rest.contains(&b',')
}

// === impl Authorization ===

impl<'r> Authorization<'r> {
    fn of(value: &'r [u8]) -> Self {
        let value = value.trim_ascii();
        let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at_checked(end).unwrap_or((value, &[]));
        Self { scheme, credential: rest.trim_ascii_start() }
    }

    /// Whether the scheme is this one, whatever its case (RFC 9110, section 11.1).
    #[must_use]
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme.as_bytes())
    }
}

// === impl Source ===

impl Source {
    /// The credential, as it is in a header or cookie and decoded in a query.
    #[must_use]
    pub fn read<'r>(&self, head: Head<'r>) -> Field<Bytes<'r>> {
        match self {
            Self::Header { name, prefix } => {
                head.header(name).and_then(|value| without_prefix(value, prefix).map(Cow::Borrowed).into())
            }
            Self::Cookie(name) => head.cookie(name),
            Self::Query(name) => head.query_parameter(name),
        }
    }
}

/// What follows a prefix. A value that is nothing but the prefix holds an empty credential: the blank at the end of
/// `Bearer ` is lost on the way.
fn without_prefix<'r>(value: &'r [u8], prefix: &str) -> Option<&'r [u8]> {
    let prefix = prefix.as_bytes();
    if value.eq_ignore_ascii_case(prefix.trim_ascii_end()) && !prefix.is_empty() {
        return Some(&[]);
    }
    let (start, rest) = value.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| match prefix.ends_with(b" ") {
        true => rest.trim_ascii_start(),
        false => rest,
    })
}

impl FromFields for Source {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let source = object.exactly_one(&[
            ("header", |node| header(node).map(|name| Self::Header { name, prefix: String::new() })),
            ("cookie", |node| names::cookie(node).map(Self::Cookie)),
            ("query", |node| names::non_empty(node, "the name of a query parameter").map(Self::Query)),
        ]);
        let prefix = object.optional_with("prefix", prefix);
        match (source?, prefix?) {
            (Self::Header { name, .. }, prefix) => Some(Self::Header { name, prefix: prefix.unwrap_or_default() }),
            (source, None) => Some(source),
            (_, Some(_)) => object.error_at("prefix", "belongs to a \"header\" only"),
        }
    }
}

fn header(node: Node<'_>) -> Option<String> {
    let name = names::header(node)?;
    match name.as_str() {
        "cookie" => node.error("for a cookie write {\"cookie\": NAME}"),
        name if name.starts_with(':') => node.error("a pseudo-header holds no credential"),
        _ => Some(name),
    }
}

fn prefix(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "what the value begins with, such as \"Bearer \": visible ASCII, not empty";
    let prefix = node.text(EXPECTED)?;
    let is_visible = prefix.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    match is_visible && !prefix.is_empty() && !prefix.starts_with(' ') && !prefix.contains(',') {
        true => Some(prefix.to_owned()),
        false => node.malformed(EXPECTED),
    }
}

// === impl Sources ===

impl Sources {
    /// These places, of which there must be one for a credential to be found.
    #[must_use]
    pub fn new(sources: Vec<Source>) -> Self {
        Self(sources)
    }

    /// `authorization` with the scheme `Bearer` (RFC 6750, section 2.1).
    #[must_use]
    pub fn bearer() -> Self {
        Self(vec![Source::Header { name: "authorization".to_owned(), prefix: "Bearer ".to_owned() }])
    }

    /// The one credential that stands in these places, in one or in several.
    ///
    /// Different credentials are [`Field::Many`], and so is one place that has more than one.
    #[must_use]
    pub fn read<'r>(&self, head: Head<'r>) -> Field<Bytes<'r>> {
        let mut found = Field::Absent;
        for source in &self.0 {
            found = match (found, source.read(head)) {
                (found, Field::Absent) => found,
                (Field::Absent, credential) => credential,
                (Field::One(first), Field::One(next)) if secret::equal(&first, &next) => Field::One(first),
                _ => return Field::Many,
            };
        }
        found
    }

    /// The headers among the places, in lower case.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|source| match source {
            Source::Header { name, .. } => Some(name.as_str()),
            Source::Cookie(_) | Source::Query(_) => None,
        })
    }

    /// The places.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }
}

impl FromConfig for Sources {
    fn from_config(node: Node<'_>) -> Option<Self> {
        let mut sources = Vec::new();
        node.non_empty_list(|node| {
            let source = Source::from_config(node)?;
            if sources.contains(&source) {
                return node.error("is in the list already");
            }
            sources.push(source);
            Some(())
        })?;
        Some(Self(sources))
    }
}

// === impl Edits ===

impl Edits {
    /// Says what becomes of a header, whatever was said before.
    pub fn set(&mut self, name: String, value: Option<Vec<u8>>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    /// What becomes of a header; the outer `None` says that it stays as it is.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Option<&[u8]>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_deref())
    }

    /// Whether everything stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Edits {
    type Item = (String, Option<Vec<u8>>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

// === impl Removal ===

impl Removal {
    /// Takes out what stands in a place, if anything does: the whole header, the cookie or the query parameter, however
    /// often it is there. Nothing else changes by a byte.
    pub fn add(&mut self, source: &Source, head: Head<'_>) {
        if source.read(head) == Field::Absent {
            return;
        }
        match source {
            Source::Header { name, .. } => self.edit(name, None),
            Source::Query(name) => {
                let path = self.current(":path", head, |lines| lines.concat());
                self.edit(":path", path.map(|path| forms::without_parameter(&path, name)));
            }
            Source::Cookie(name) => {
                let cookies = self.current("cookie", head, |lines| lines.join(&b"; "[..]));
                self.edit("cookie", cookies.and_then(|cookies| forms::without_cookie(&cookies, name)));
            }
        }
    }

    /// Takes a header out, if it is there.
    pub fn add_header(&mut self, name: &str, head: Head<'_>) {
        if head.headers.field(name) != Field::Absent {
            self.edit(name, None);
        }
    }

    /// The headers that change: to another value, or to none at all.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.edits.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// A header as it is after what was taken out so far.
    fn current(&self, name: &str, head: Head<'_>, join: fn(&[&[u8]]) -> Vec<u8>) -> Option<Vec<u8>> {
        match self.edits.get(name) {
            Some(value) => value.map(<[u8]>::to_vec),
            None => Some(join(&head.headers.all(name).collect::<Vec<_>>())),
        }
    }

    fn edit(&mut self, name: &str, value: Option<Vec<u8>>) {
        self.edits.set(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
