//! Identities: what the upstream and the other filters learn of a verified caller.

use std::borrow::Cow;
use std::rc::Rc;

use palisade_sdk::config::{FromConfig, FromFields, Node, Object};
use palisade_sdk::matching::names;
use serde_json::{Map, Value};

use crate::base64url;
use crate::hand_over::{HandOver, MAX_VALUE};
use crate::json;
use crate::method::{Identity, claim_name};

#[cfg(feature = "schema")]
mod schema;

/// The name of the filter state in which the identity is published; others read it as [`palisade_sdk::matching::IDENTITY`].
pub const FILTER_STATE: &str = "palisade.identity";

/// What the names of all headers begin with that are kept for verified callers.
const RESERVED: &str = "x-auth-";

/// What is handed over of a caller: the field `forward` of a method.
#[derive(Clone, Debug, Default)]
pub struct Forward {
    claims: Vec<ForwardedClaim>,
    payload_header: Option<String>,
}

/// The same of a method with tokens, and whether the token itself goes upstream.
#[derive(Clone, Debug, Default)]
pub struct ForwardToken {
    /// What is handed over.
    pub forward: Forward,
    /// Whether the token stays behind.
    pub strip_token: bool,
}

/// A claim that is handed over.
#[derive(Clone, Debug)]
struct ForwardedClaim {
    claim: String,
    /// The name under which other filters find it, if that is another.
    name: Option<String>,
    header: Option<String>,
    /// As a text where it is left out.
    encoding: Option<Encoding>,
}

/// How a claim stands in a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Encoding {
    /// A text as it is, if it is visible ASCII; all else as JSON in ASCII.
    #[default]
    Text,
    /// The same, and any text, in base64url without padding.
    Base64url,
}

// === impl Forward ===

impl Forward {
    /// The headers that it sets.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().filter_map(|claim| claim.header.as_deref()).chain(self.payload_header.as_deref())
    }
}

impl FromFields for Forward {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let forward = Self { claims: claims(object), payload_header: None };
        forward.is_unambiguous(object).then_some(forward)
    }
}

fn claims(object: &mut Object<'_>) -> Vec<ForwardedClaim> {
    object.or("claims", |node| node.non_empty_list(ForwardedClaim::from_config), Vec::new())
}

impl Forward {
    /// Reports a header that is to hold two values.
    fn is_unambiguous(&self, object: &Object<'_>) -> bool {
        let names: Vec<_> = self.header_names().collect();
        let mut seen = names.iter().enumerate();
        let repeated = seen.find(|(at, name)| names.get(..*at).is_some_and(|before| before.contains(name)));
        if let Some((_, name)) = repeated {
            object.error::<()>(&["the header \"", name, "\" is to hold two values"].concat());
        }
        repeated.is_none()
    }
}

// === impl ForwardToken ===

impl FromFields for ForwardToken {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let payload_header = object.or("payload_header", |node| header_name(node).map(Some), None);
        let forward = Forward { claims: claims(object), payload_header };
        let strip_token = object.or("strip_token", bool::from_config, false);
        forward.is_unambiguous(object).then_some(Self { forward, strip_token })
    }
}

// === impl ForwardedClaim ===

impl FromFields for ForwardedClaim {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let claim = object.required_with("claim", claim_name);
        let name = object.or("as", |node| names::non_empty(node, "the name for other filters").map(Some), None);
        let header = object.or("header", |node| header_name(node).map(Some), None);
        let encoding = object.or(
            "encoding",
            |node| node.one_of(&[("text", Some(Encoding::Text)), ("base64url", Some(Encoding::Base64url))]),
            None,
        );
        if object.all_valid() && header.is_none() && encoding.is_some() {
            return object.error_at("encoding", "belongs to a \"header\" only");
        }
        Some(Self { claim: claim?, name, header, encoding })
    }
}

/// A header that may be the filter's own: the upstream gets it from nobody else.
fn header_name(node: Node<'_>) -> Option<String> {
    let name = names::header(node)?;
    match name.as_str() {
        name if name.starts_with(':') => node.error("a pseudo-header is not for claims"),
        "host" | "content-length" | "transfer-encoding" | "connection" | "keep-alive" | "proxy-connection" | "te"
        | "upgrade" | "http2-settings" | "content-type" | "cookie" | "trailer" => {
            node.error("this header has a meaning of its own; take one such as \"x-auth-sub\"")
        }
        _ => Some(name),
    }
}

/// The headers of a request that only the filter may set.
#[derive(Debug, Default)]
pub struct Reserved {
    /// Those that it sets, in lower case.
    pub own: Vec<String>,
    /// Those that it reads credentials from, in lower case.
    pub credentials: Vec<String>,
}

/// What is handed over of the callers. Where two name the same header or claim, the first counts.
#[must_use]
pub fn hand_over(callers: &[(&Identity, &Forward)]) -> Rc<HandOver> {
    match callers {
        // Most requests have one caller, who mostly calls again.
        [(identity, _)] => identity.handed_over.get_or_init(|| Rc::new(merged(callers))).clone(),
        _ => Rc::new(merged(callers)),
    }
}

fn merged(callers: &[(&Identity, &Forward)]) -> HandOver {
    let mut hand_over = HandOver::default();
    let Some((first, _)) = callers.first() else { return hand_over };
    let mut published = Map::new();
    for (identity, forward) in callers {
        for chosen in &forward.claims {
            let Some(claim) = identity.claim(&chosen.claim).filter(|claim| !claim.is_null()) else { continue };
            let name = chosen.name.as_ref().unwrap_or(&chosen.claim);
            if !published.contains_key(name) {
                match json::text(&claim).len() <= MAX_VALUE {
                    true => drop(published.insert(name.clone(), claim.clone().into_owned())),
                    false => hand_over.drop_one(),
                }
            }
            if let Some(header) = &chosen.header {
                hand_over.set(header, chosen.encoding.unwrap_or_default().encode(&claim));
            }
        }
        if let Some(header) = &forward.payload_header {
            let claims = Value::Object(identity.claims.clone());
            hand_over.set(header, Encoding::Base64url.encode(&claims));
        }
    }
    if callers.iter().any(|(_, forward)| !forward.claims.is_empty()) {
        let mut identity = Map::new();
        for (name, text) in [("method", first.method), ("provider", &first.provider), ("subject", &first.subject)] {
            identity.insert(name.to_owned(), text.into());
        }
        identity.insert("claims".to_owned(), Value::Object(published));
        hand_over.published = json::text(&Value::Object(identity)).into_bytes();
    }
    hand_over
}

// === impl Reserved ===

impl Reserved {
    /// Whether a header is one that the filter sets, or begins with `x-auth-` and holds no credential. `_` counts as `-`,
    /// since gateways of the CGI tradition take both for the same.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        let is_own = |own: &String| own.len() == name.len() && are_alike(own.as_bytes(), name);
        let is_credential = || self.credentials.iter().any(|credential| credential.as_bytes() == name);
        // Most headers are told apart by their length or their first letters.
        let may_begin_so = matches!(name, [b'x' | b'X', _, b'a' | b'A', ..]);
        let begins_so = || name.get(..RESERVED.len()).is_some_and(|start| are_alike(start, RESERVED.as_bytes()));
        self.own.iter().any(is_own) || (may_begin_so && begins_so() && !is_credential())
    }
}

/// Whether two names of one length are the same to a gateway of the CGI tradition.
fn are_alike(left: &[u8], right: &[u8]) -> bool {
    let dash = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    left.iter().map(dash).eq(right.iter().map(dash))
}

// === impl Encoding ===

impl Encoding {
    /// The value of a header; `None` where it cannot hold the claim.
    fn encode(self, claim: &Value) -> Option<Vec<u8>> {
        let text = match claim {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            other => Cow::Owned(ascii_json(other)),
        };
        match self {
            Self::Text => is_header_value(text.as_bytes()).then(|| text.into_owned().into_bytes()),
            Self::Base64url => Some(base64url::encode(text.as_bytes()).into_bytes()),
        }
    }
}

/// Visible ASCII and single blanks within, so that nobody reads it in another way.
fn is_header_value(value: &[u8]) -> bool {
    let ends = [value.first(), value.last()];
    value.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') && !ends.contains(&Some(&b' '))
}

/// JSON in which everything beyond ASCII is escaped (RFC 8259, section 7).
fn ascii_json(value: &Value) -> String {
    let mut ascii = String::new();
    for char in json::text(value).chars() {
        match char {
            '\x7f' => ascii.push_str("\\u007f"),
            _ if char.is_ascii() => ascii.push(char),
            _ => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    ascii.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests;
