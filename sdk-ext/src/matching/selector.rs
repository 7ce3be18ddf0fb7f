//! Selectors: one value of a request.

use std::borrow::Cow;

use super::names::{self, non_empty};
use super::{Attributes, Field, RequestView};
use crate::config::{FromConfig, FromFields, Node, Object};

/// How long the path of a property may be.
const MAX_PROPERTY_PATH: usize = 16;

/// Where to find one value of a request, such as `{header: x-user}` or `{claim: sub, or: {client_ip: {}}}`.
#[derive(Debug, Clone)]
pub struct Selector {
    source: Source,
    fallback: Option<Box<Selector>>,
}

/// What a [`Selector`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection<'a> {
    /// The value, if one of the sources has one.
    pub value: Option<Cow<'a, [u8]>>,
    /// Whether a source before that of the value came more than once, and was passed over for that.
    pub ambiguous: bool,
}

#[derive(Debug, Clone)]
enum Source {
    Header(String),
    Cookie(String),
    Query(String),
    Claim(String),
    ClientIp,
    Path,
    PathSegment(usize),
    Method,
    Host,
    Route,
    Property(Vec<String>),
    Literal(String),
}

// === impl Selector ===

impl Selector {
    /// The value, taken from the first source that has exactly one.
    ///
    /// Hosts are in lower case, addresses in their shortest form (IPv6 cut to `ipv6_prefix`), all else is as it is.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub fn select<'r, A: Attributes>(&'r self, request: &'r RequestView<'_, A>) -> Result<Selection<'r>, A::Error> {
        let mut ambiguous = false;
        let mut next = Some(self);
        while let Some(selector) = next {
            match selector.source.read(request)? {
                Field::One(value) => {
                    return Ok(Selection { value: Some(value), ambiguous });
                }
                Field::Absent => {}
                Field::Many => ambiguous = true,
            }
            next = selector.fallback.as_deref();
        }
        Ok(Selection { value: None, ambiguous })
    }

    /// Whether the value may be the path or a part of it.
    #[must_use]
    pub fn reads_path(&self) -> bool {
        let own = match &self.source {
            Source::Path | Source::PathSegment(_) => true,
            Source::Header(name) => name == ":path",
            _ => false,
        };
        own || self.fallback.as_ref().is_some_and(|fallback| fallback.reads_path())
    }

    /// What stands in the path before the value, if that is the path or a part of it.
    pub(super) fn before_path(&self) -> Option<&'static str> {
        match &self.source {
            Source::Path => Some(""),
            Source::Header(name) if name == ":path" => Some(""),
            Source::PathSegment(_) => Some("/"),
            _ => None,
        }
    }
}

impl FromFields for Selector {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let source = object.exactly_one(&[
            ("header", |node| names::header(node).map(Source::Header)),
            ("cookie", |node| names::cookie(node).map(Source::Cookie)),
            ("query", |node| non_empty(node, "the name of a query parameter").map(Source::Query)),
            ("claim", |node| non_empty(node, "the name of a claim").map(Source::Claim)),
            ("client_ip", |node| no_options(node).map(|()| Source::ClientIp)),
            ("path", |node| node.object(|path| path.required_with("segment", segment)).map(Source::PathSegment)),
            ("method", |node| no_options(node).map(|()| Source::Method)),
            ("host", |node| no_options(node).map(|()| Source::Host)),
            ("route", |node| no_options(node).map(|()| Source::Route)),
            ("property", |node| property_path(node).map(Source::of_property)),
            ("literal", |node| String::from_config(node).map(Source::Literal)),
        ]);
        let fallback = object.optional("or");
        Some(Self { source: source?, fallback: fallback?.map(Box::new) })
    }
}

// === impl Source ===

impl Source {
    /// A property, but the path where that is one: it is read in one way, by whatever name.
    fn of_property(path: Vec<String>) -> Self {
        match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["request", "url_path"] => Self::Path,
            ["request", "path"] => Self::Header(":path".to_owned()),
            ["request", "headers", name] if name.eq_ignore_ascii_case(":path") => Self::Header(":path".to_owned()),
            _ => Self::Property(path),
        }
    }

    fn read<'r, A: Attributes>(&'r self, request: &'r RequestView<'_, A>) -> Result<Field<Cow<'r, [u8]>>, A::Error> {
        match self {
            Self::Header(name) => request.header(name),
            Self::Cookie(name) => request.cookie(name),
            Self::Query(name) => request.query_parameter(name),
            Self::Claim(name) => request.claim(name).map(Field::from),
            Self::ClientIp => Ok(request.client_key()?.map(|address| address.to_string().into_bytes().into())),
            Self::Path => request.path(),
            Self::PathSegment(number) => request.path_segment(*number),
            Self::Method => request.method(),
            Self::Host => Ok(request.host()?.map(lower_case)),
            Self::Route => request.route().map(Field::from),
            Self::Property(path) => property(request, path).map(Field::from),
            Self::Literal(text) => Ok(Field::One(text.as_bytes().into())),
        }
    }
}

fn lower_case(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if text.iter().any(u8::is_ascii_uppercase) { text.to_ascii_lowercase().into() } else { text }
}

fn property<'r, A: Attributes>(
    request: &'r RequestView<'_, A>,
    path: &[String],
) -> Result<Option<Cow<'r, [u8]>>, A::Error> {
    let mut segments = [""; MAX_PROPERTY_PATH];
    for (segment, name) in segments.iter_mut().zip(path) {
        *segment = name;
    }
    request.property(segments.get(..path.len()).unwrap_or(&segments))
}

fn no_options(node: Node<'_>) -> Option<()> {
    node.object(|_| Some(()))
}

fn segment(node: Node<'_>) -> Option<usize> {
    node.integer(1..=64).and_then(|number| usize::try_from(number).ok())
}

fn property_path(node: Node<'_>) -> Option<Vec<String>> {
    let path = node.non_empty_list(|node| non_empty(node, "a part of a property's path"))?;
    if path.len() > MAX_PROPERTY_PATH {
        return node.malformed(&["at most ", &MAX_PROPERTY_PATH.to_string(), " parts of a property's path"].concat());
    }
    Some(path)
}

#[cfg(test)]
mod tests;
