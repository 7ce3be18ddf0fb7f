//! The section `introspection` of the config.

use std::time::Duration;

use palisade_sdk::config::{FromConfig, FromFields, Node, Object, Reader, Secret, Size};

use crate::request::Sources;

#[cfg(feature = "schema")]
mod schema;

const LONGEST_TEXT: usize = 256;
const MOST_CACHED: u64 = 1 << 20;
/// Headers as long as that no server takes.
const LONGEST_TOKEN: u64 = 64 * 1024;
const HOUR: Duration = Duration::from_secs(3600);

/// Which server is asked, how, and what it has to answer.
#[derive(Debug)]
pub struct IntrospectionConfig {
    pub(super) cluster: String,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    /// How long the server may take to answer.
    pub(super) timeout: Duration,
    /// How long an answer counts at most.
    pub(super) cache: Duration,
    pub(super) cache_size: usize,
    pub(super) issuer: Option<String>,
    pub(super) audiences: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) clock_skew: Duration,
    pub(super) from: Sources,
    /// The longest token that is asked about, in bytes.
    pub(super) max_token: usize,
    pub(super) on_error: OnError,
}

/// What becomes of a request while the server is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It is refused.
    Refuse,
    /// It passes with a token that a provider of the section `jwt` verifies.
    AllowIfJwtValid,
}

// As pointers: each closure would make a reader of fields of its own.
const CLUSTER: Reader<String> = |node| text(node, "the name of one of Envoy's clusters");
const AUTHORITY: Reader<String> = authority;
const PATH: Reader<String> = path;
const CLIENT: Reader<String> = |node| text(node, "the name of a client");
const ISSUER: Reader<String> = |node| text(node, "the name of an issuer");
const AUDIENCES: Reader<Vec<String>> = |node| node.non_empty_list(|node| text(node, "an audience"));
const SCOPES: Reader<Vec<String>> = scopes;
const SOME_TIME: Reader<Duration> = |node| duration(node, Duration::from_millis(1));
const ANY_TIME: Reader<Duration> = |node| duration(node, Duration::ZERO);
const CACHED: Reader<usize> = |node| usize::try_from(node.integer(1..=MOST_CACHED)?).ok();
const TOKEN: Reader<usize> = max_token;

impl IntrospectionConfig {
    /// What becomes of a request while the server is unavailable.
    pub fn on_error(&self) -> OnError {
        self.on_error
    }

    /// Where tokens may stand.
    pub fn sources(&self) -> &Sources {
        &self.from
    }
}

impl FromFields for IntrospectionConfig {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let cluster = object.required_with("cluster", CLUSTER);
        let authority = object.optional_with("authority", AUTHORITY);
        let path = object.optional_with("path", PATH);
        let client_id = object.required_with("client_id", CLIENT);
        let client_secret = object.required("client_secret");
        let timeout = object.optional_with("timeout", SOME_TIME);
        let cache = object.optional_with("cache", ANY_TIME);
        let cache_size = object.optional_with("cache_size", CACHED);
        let issuer = object.optional_with("issuer", ISSUER);
        let audiences = object.optional_with("audiences", AUDIENCES);
        let scopes = object.optional_with("scopes", SCOPES);
        let clock_skew = object.optional_with("clock_skew", ANY_TIME);
        let from = object.optional("from");
        let max_token = object.optional_with("max_token", TOKEN);
        let on_error = object.optional("on_error");
        let cluster = cluster?;
        Some(Self {
            authority: authority?.unwrap_or_else(|| cluster.clone()),
            cluster,
            path: path?.unwrap_or_else(|| "/introspect".to_owned()),
            client_id: client_id?,
            client_secret: client_secret?,
            timeout: timeout?.unwrap_or(Duration::from_secs(1)),
            cache: cache?.unwrap_or(Duration::from_secs(30)),
            cache_size: cache_size?.unwrap_or(1024),
            issuer: issuer?,
            audiences: audiences?.unwrap_or_default(),
            scopes: scopes?.unwrap_or_default(),
            clock_skew: clock_skew?.unwrap_or(Duration::from_secs(60)),
            from: from?.unwrap_or_else(Sources::bearer),
            max_token: max_token?.unwrap_or(8 * 1024),
            on_error: on_error?.unwrap_or(OnError::Refuse),
        })
    }
}

impl FromConfig for OnError {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.one_of(&[("refuse", Self::Refuse), ("allow_if_jwt_valid", Self::AllowIfJwtValid)])
    }
}

fn text(node: Node<'_>, expected: &str) -> Option<String> {
    let text = node.text(expected)?;
    if (1..=LONGEST_TEXT).contains(&text.len()) { Some(text.to_owned()) } else { node.malformed(expected) }
}

fn scopes(node: Node<'_>) -> Option<Vec<String>> {
    const EXPECTED: &str = "a scope without blanks (RFC 6749, section 3.3)";
    // What stands in quotation marks elsewhere needs none here.
    let is_part = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    node.non_empty_list(|node| {
        let scope = text(node, EXPECTED)?;
        if scope.bytes().all(is_part) { Some(scope) } else { node.malformed(EXPECTED) }
    })
}

fn authority(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "a host such as \"idp.example\", with a port where it has one";
    let authority = text(node, EXPECTED)?;
    if authority.bytes().all(|byte| byte.is_ascii_graphic()) { Some(authority) } else { node.malformed(EXPECTED) }
}

fn path(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "a path such as \"/introspect\"";
    let path = text(node, EXPECTED)?;
    let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if is_path { Some(path) } else { node.malformed(EXPECTED) }
}

fn duration(node: Node<'_>, shortest: Duration) -> Option<Duration> {
    let duration = Duration::from_config(node)?;
    match duration {
        _ if duration < shortest => node.error("an answer takes a while"),
        _ if duration > HOUR => node.error("longer than \"1h\""),
        _ => Some(duration),
    }
}

fn max_token(node: Node<'_>) -> Option<usize> {
    let size = Size::from_config(node)?;
    if !(1..=LONGEST_TOKEN).contains(&size.bytes()) {
        return node.error("expected a size from \"1B\" to \"64KiB\"");
    }
    usize::try_from(size.bytes()).ok()
}

#[cfg(test)]
mod tests;
