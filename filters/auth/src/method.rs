//! Methods: the ways to prove who is calling, and what came of one of them for one request.
//!
//! A method is a file of its name with
//!
//! * its section of the config, `<Method>Config`, which reads all fields but `forward`, the filter's;
//! * `<Method>::new(config, ..)`, which is given what it asks of the host, such as its counters;
//! * `attempt(..) -> Attempt`, which is called at most once for each request, and only when a rule asks for it;
//! * `hide(..)`, where a credential could be used again: it is taken out of the request, if the config wants that.
//!
//! Providers of `jwt` are methods of their own to rules. Where introspection falls back on them, one may be asked again.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use palisade_sdk::config::Node;
use palisade_sdk::matching::names::non_empty;
use serde_json::{Map, Value};

use crate::hand_over::HandOver;

/// A way to prove who is calling, as a rule asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// A JSON Web Token for the provider of this name.
    Jwt(String),
    /// User and password.
    Basic,
    /// An API key.
    ApiKey,
    /// A signature of the message.
    Hmac,
    /// A token that its issuer is asked about.
    Introspection,
}

/// What came of one method for one request.
#[derive(Debug)]
pub enum Attempt {
    /// The request has no credential of this kind.
    Absent,
    /// The credential is good.
    Verified(Rc<Identity>),
    /// There is a credential, and it is not good; or it could not be looked at.
    Refused(Refusal),
}

/// Who is calling, as one method has verified it.
pub struct Identity {
    /// `jwt`, `basic`, `api_key`, `hmac` or `introspection`.
    pub method: &'static str,
    /// Which of the method's providers has verified it; empty for methods that have one only.
    pub provider: String,
    /// The caller's name: `sub`, the user, the client's id.
    pub subject: String,
    /// What else is known of the caller; `sub` need not be repeated.
    pub claims: Map<String, Value>,
    /// What its method hands over of it, once that was asked for.
    pub(crate) handed_over: OnceCell<Rc<HandOver>>,
}

/// Why a credential does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status of the answer, should this refusal decide: 400, 401, 403, 408, 413, 429 or 503.
    pub status: u16,
    /// The reason in metrics and in the response code details, in snake case: `expired`, `jwks_unavailable`.
    pub reason: &'static str,
    /// The error code of RFC 6750, section 3.1, for a bearer's challenge.
    pub error: Option<&'static str>,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

// === impl Method ===

impl Method {
    /// The name in metrics: `basic`, or for example `jwt/main`.
    #[must_use]
    pub fn label(&self) -> Cow<'static, str> {
        match self {
            Self::Jwt(provider) => ["jwt/", provider].concat().into(),
            _ => self.section().into(),
        }
    }

    /// The section of the config that is about it.
    #[must_use]
    pub fn section(&self) -> &'static str {
        match self {
            Self::Jwt(_) => "jwt",
            Self::Basic => "basic",
            Self::ApiKey => "api_key",
            Self::Hmac => "hmac",
            Self::Introspection => "introspection",
        }
    }

    /// The scheme of its challenge in `www-authenticate`. Those of API keys and signatures are registered nowhere, but a
    /// 401 must have one (RFC 9110, section 15.5.2).
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Jwt(_) | Self::Introspection => "Bearer",
            Self::Basic => "Basic",
            Self::ApiKey => "ApiKey",
            Self::Hmac => "Signature",
        }
    }
}

// === impl Identity ===

impl Identity {
    /// Who is calling, as a method has verified it.
    #[must_use]
    pub fn new(method: &'static str, provider: String, subject: String, claims: Map<String, Value>) -> Self {
        Self { method, provider, subject, claims, handed_over: OnceCell::new() }
    }

    /// Of a method that knows a name and nothing else.
    #[must_use]
    pub fn named(method: &'static str, subject: String) -> Rc<Self> {
        Rc::new(Self::new(method, String::new(), subject, Map::new()))
    }

    /// The same caller, of whom another method hands over what it chooses.
    pub(crate) fn anew(&self) -> Rc<Self> {
        Rc::new(Self::new(self.method, self.provider.clone(), self.subject.clone(), self.claims.clone()))
    }

    /// A claim by its name: a member of the claims, else what a path of members such as `plan.tier` leads to. The subject
    /// is the claim `sub` in any case.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<Cow<'_, Value>> {
        if let Some(claim) = self.claims.get(name) {
            return Some(Cow::Borrowed(claim));
        }
        if name == "sub" {
            return Some(Cow::Owned(Value::from(self.subject.as_str())));
        }
        let mut path = name.split('.');
        let mut claim = self.claims.get(path.next()?)?;
        for member in path {
            claim = claim.get(member)?;
        }
        Some(Cow::Borrowed(claim))
    }
}

/// Without the claims, which no log should hold.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, {})", self.method, self.provider)
    }
}

/// The name of a claim, or the path to one, as [`Identity::claim`] takes it: `plan.tier`.
pub(crate) fn claim_name(node: Node<'_>) -> Option<String> {
    non_empty(node, "the name of a claim, such as \"sub\" or \"plan.tier\"")
}
