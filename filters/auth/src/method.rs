//! Methods: the ways to prove who is calling, and what came of one of them for one request.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

/// What came of one method for one request.
#[derive(Debug)]
pub enum Attempt {
    /// The request has no credential of this kind.
    Absent,
    /// The credential is good.
    Verified(Identity),
    /// There is a credential, and it is not good; or it could not be looked at.
    Refused(Refusal),
}

/// Who is calling, as one method has verified it.
#[derive(Clone, PartialEq)]
pub struct Identity {
    /// `jwt`, `basic`, `api_key`, `hmac` or `introspection`.
    pub method: &'static str,
    /// Which of the method's providers has verified it; empty for methods that have one only.
    pub provider: String,
    /// The caller's name: `sub`, the user, the client's id.
    pub subject: String,
    /// What else is known of the caller; `sub` need not be repeated.
    pub claims: Map<String, Value>,
}

/// Why a credential does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status of the answer, should this refusal decide: 400, 401, 403, 413, 429 or 503.
    pub status: u16,
    /// The reason in metrics and in the response code details, in snake case: `expired`, `jwks_unavailable`.
    pub reason: &'static str,
    /// The error code of RFC 6750, section 3.1, for a bearer's challenge.
    pub error: Option<&'static str>,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

/// Without the claims, which no log should hold.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, {})", self.method, self.provider)
    }
}
