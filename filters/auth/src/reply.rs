//! Replies: what a client is told that may not pass.

use std::time::Duration;

use palisade_sdk::config::Node;
use palisade_sdk::{HeaderError, Reply};
use serde_json::{Map, Value};

use crate::condition::Condition;
use crate::expression::{Denial, Tried};
use crate::json;
use crate::method::{Attempt, Method, Refusal};

/// How the filter speaks to clients.
#[derive(Clone, Debug)]
pub struct Speech {
    /// The realm of every challenge (RFC 9110, section 11.5); visible ASCII without quotation marks and backslashes.
    pub realm: String,
    /// The realm of `Basic`, where it has one of its own.
    pub basic_realm: Option<String>,
    /// Whether a client learns why.
    pub expose_reason: bool,
}

/// An answer in the upstream's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Why, in snake case.
    pub reason: &'static str,
    /// The values of `www-authenticate`.
    pub challenges: Vec<String>,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

/// A realm that stands in quotation marks as it is.
pub(crate) fn realm(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str =
        "a realm such as \"shop\": visible ASCII and blanks, without quotation marks and backslashes";
    let realm = node.text(EXPECTED)?;
    let is_plain = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && !matches!(byte, b'"' | b'\\');
    match !realm.is_empty() && realm.bytes().all(is_plain) {
        true => Some(realm.to_owned()),
        false => node.malformed(EXPECTED),
    }
}

// === impl Answer ===

impl Answer {
    /// An answer that no method and no credential has to do with.
    #[must_use]
    pub fn plain(status: u16, reason: &'static str) -> Self {
        Self { status, reason, challenges: Vec::new(), retry_after: None }
    }

    /// The answer to a request that an expression denies.
    #[must_use]
    pub fn of(denial: &Denial<'_>, tried: &Tried, speech: &Speech) -> Self {
        let status = denial.status();
        let challenges = match status {
            401 => speech.challenges(tried),
            403 => speech.insufficient(denial).into_iter().collect(),
            _ => Vec::new(),
        };
        let retry_after = denial.refusal.and_then(|refusal| refusal.retry_after);
        Self { status, reason: denial.reason(), challenges, retry_after }
    }

    /// The reply that says it.
    ///
    /// A gRPC client gets the status that fits (401 is 16, 403 is 7) and, as its message, the text that the body would be.
    ///
    /// # Errors
    ///
    /// None; the values are valid in a message.
    pub fn into_reply(self, speech: &Speech, is_grpc: bool) -> Result<Reply, HeaderError> {
        let reason = speech.expose_reason.then_some(self.reason);
        let mut reply = Reply::new(self.status, ["palisade_auth_", self.reason].concat());
        for challenge in &self.challenges {
            reply = reply.header("www-authenticate", challenge)?;
        }
        if let Some(wait) = self.retry_after {
            reply = reply.header("retry-after", seconds(wait).to_string())?;
        }
        if is_grpc {
            return Ok(match grpc_status(self.status) {
                Some(status) => reply.grpc_status(status),
                None => reply,
            }
            .body(reason.unwrap_or_else(|| title(self.status))));
        }
        let mut problem = Map::new();
        problem.insert("type".to_owned(), "about:blank".into());
        problem.insert("title".to_owned(), title(self.status).into());
        problem.insert("status".to_owned(), self.status.into());
        problem.extend(reason.map(|reason| ("reason".to_owned(), reason.into())));
        Ok(reply.header("content-type", "application/problem+json")?.body(json::text(&Value::Object(problem))))
    }
}

/// Whole seconds, rounded up and at least one (RFC 9110, section 10.2.3).
fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// The reason phrase of a status (RFC 9110, section 15).
fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        408 => "Request Timeout",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// The `grpc-status` of a status, where Envoy's own choice is another: it makes 13 of 400, 2 of 413 and 500, and 14 of 429.
fn grpc_status(status: u16) -> Option<u8> {
    match status {
        400 => Some(3),
        413 | 429 => Some(8),
        500 => Some(13),
        _ => None,
    }
}

// === impl Speech ===

impl Speech {
    /// One challenge for the scheme of each method that was tried, in this order. What is wrong with a token is said only
    /// where one was sent (RFC 6750, section 3).
    fn challenges(&self, tried: &Tried) -> Vec<String> {
        let mut schemes: Vec<(&Method, Option<&Refusal>)> = Vec::new();
        for (method, attempt) in tried.iter() {
            let refusal = match attempt {
                Attempt::Refused(refusal) => Some(refusal),
                Attempt::Absent => None,
                Attempt::Verified(_) => continue,
            };
            match schemes.iter_mut().find(|(known, _)| known.scheme() == method.scheme()) {
                Some((_, known)) => *known = known.or(refusal),
                None => schemes.push((method, refusal)),
            }
        }
        schemes.into_iter().map(|(method, refusal)| self.challenge(method, refusal)).collect()
    }

    fn challenge(&self, method: &Method, refusal: Option<&Refusal>) -> String {
        let realm = match method {
            Method::Basic => self.basic_realm.as_ref().unwrap_or(&self.realm),
            _ => &self.realm,
        };
        let mut challenge = [method.scheme(), " realm=\"", realm, "\""].concat();
        if let Method::Basic = method {
            // RFC 7617, section 2.1.
            challenge.push_str(", charset=\"UTF-8\"");
        }
        if let Some(refusal) = refusal
            && let Some(error) = refusal.error
        {
            challenge.extend([", error=\"", error, "\""]);
            if self.expose_reason {
                challenge.extend([", error_description=\"", refusal.reason, "\""]);
            }
        }
        challenge
    }

    /// What a bearer lacks (RFC 6750, section 3.1). Other schemes have no such challenge.
    fn insufficient(&self, denial: &Denial<'_>) -> Option<String> {
        let method = denial.method.filter(|method| method.scheme() == "Bearer")?;
        let condition = denial.condition?;
        let mut challenge = self.challenge(method, None);
        challenge.push_str(", error=\"insufficient_scope\"");
        if let Condition::Scope(words) = condition {
            challenge.extend([", scope=\"", &words.join(" "), "\""]);
        }
        Some(challenge)
    }
}

#[cfg(test)]
mod tests;
