//! Answer: what an authorization server says of a token (RFC 7662, section 2.2), and whether that is enough.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::condition::has_scope;
use crate::json;
use crate::method::{Identity, Refusal};

/// An active token.
#[derive(Debug)]
pub struct Token {
    /// With the members of the answer as claims.
    identity: Rc<Identity>,
    expires: Option<Duration>,
    not_before: Option<Duration>,
}

/// An answer that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What a token has to be, besides active.
pub struct Expected<'a> {
    /// Who has issued it.
    pub issuer: Option<&'a str>,
    /// One of those for whom it is meant; anybody, where there are none.
    pub audiences: &'a [String],
    /// All that it has to permit.
    pub scopes: &'a [String],
    /// How far the clocks may be apart.
    pub clock_skew: Duration,
}

/// Whether a media type is JSON; its parameters do not count.
#[must_use]
pub fn is_json(media_type: &[u8]) -> bool {
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

impl Token {
    /// Reads an answer; `Ok(None)` says that the token is not active.
    ///
    /// # Errors
    ///
    /// It is no JSON object without duplicates, `active` is no boolean, or another member is not what RFC 7662 says.
    pub fn parse(answer: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut members = json::object(answer).ok_or(Malformed)?;
        match members.remove("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Ok(None),
            _ => return Err(Malformed),
        }
        for text in ["sub", "username", "client_id", "iss", "scope", "token_type"] {
            if members.get(text).is_some_and(|value| !value.is_string()) {
                return Err(Malformed);
            }
        }
        let time = |name| json::time(&members, name).ok_or(Malformed);
        let (expires, not_before) = (time("exp")?, time("nbf")?);
        let subject = ["sub", "username", "client_id"].into_iter().find_map(|name| text(&members, name));
        let subject = subject.unwrap_or_default().to_owned();
        let identity = Rc::new(Identity::new(super::NAME, String::new(), subject, members));
        Ok(Some(Self { identity, expires, not_before }))
    }

    /// When it expires, as the time since the Unix epoch.
    #[must_use]
    pub fn expires(&self) -> Option<Duration> {
        self.expires
    }

    /// Who it says is calling.
    #[must_use]
    pub fn identity(&self) -> Rc<Identity> {
        self.identity.clone()
    }

    /// Whether the token is what it has to be at this time.
    ///
    /// # Errors
    ///
    /// Why it is not.
    pub fn meets(&self, expected: &Expected<'_>, now: Duration) -> Result<(), Refusal> {
        if self.expires.is_some_and(|expires| now > expires.saturating_add(expected.clock_skew)) {
            return Err(invalid("expired"));
        }
        if self.not_before.is_some_and(|start| start > now.saturating_add(expected.clock_skew)) {
            return Err(invalid("not_yet_valid"));
        }
        expected.check(&self.identity.claims)
    }
}

// === impl Expected ===

impl Expected<'_> {
    /// Whether the claims are what they have to be, whoever makes them; times are not looked at.
    ///
    /// # Errors
    ///
    /// Why they are not.
    pub fn check(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        if is_bound(claims) {
            return Err(invalid("wrong_token_type"));
        }
        if self.issuer.is_some_and(|issuer| text(claims, "iss") != Some(issuer)) {
            return Err(invalid("wrong_issuer"));
        }
        if !self.audiences.is_empty() && !self.audiences.iter().any(|audience| is_meant_for(claims, audience)) {
            return Err(Refusal { status: 403, ..invalid("wrong_audience") });
        }
        if !self.scopes.iter().all(|scope| has_scope(claims, scope)) {
            let error = Some("insufficient_scope");
            return Err(Refusal { status: 403, reason: "insufficient_scope", error, retry_after: None });
        }
        Ok(())
    }
}

/// Whether a token is bound to a key (RFC 9449, sections 6.1 and 6.2): whoever sends it as a bearer's has not proven to
/// have that (section 7.2).
fn is_bound(claims: &Map<String, Value>) -> bool {
    let has_key = claims.get("cnf").is_some_and(|key| key.get("jkt").is_some());
    has_key || text(claims, "token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("dpop"))
}

fn is_meant_for(claims: &Map<String, Value>, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(own)) => own == audience,
        Some(Value::Array(all)) => all.iter().any(|own| own == audience),
        _ => false,
    }
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    members.get(name)?.as_str()
}

fn invalid(reason: &'static str) -> Refusal {
    Refusal { status: 401, reason, error: Some("invalid_token"), retry_after: None }
}

#[cfg(test)]
mod tests;
