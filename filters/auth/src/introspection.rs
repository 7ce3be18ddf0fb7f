//! Introspection: opaque tokens, about which an authorization server is asked (RFC 7662).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use palisade_sdk::config::ConfigErrors;
use palisade_sdk::matching::Field;
use palisade_sdk::metrics::Family;
use palisade_sdk::random::Seed;
use palisade_sdk::{Answer, CallError, Counter, Filter, Handle, HeaderError, HostError, HttpCall, Plugin, labels, now};
use zeroize::Zeroizing;

use crate::base64;
use crate::lru::Lru;
use crate::method::{Attempt, Refusal};
use crate::request::{Head, Removal, Sources};
use crate::tag::{Tag, Tagger};

pub mod answer;
mod config;
mod flights;
mod form;

use answer::{Expected, Token};
pub use config::{IntrospectionConfig, OnError};
use flights::Flights;

/// The method's name.
pub const NAME: &str = "introspection";

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// How long an answer counts by which a token is not active, at most.
const INACTIVE: Duration = Duration::from_secs(5);

/// The reason of the refusal when the authorization server cannot be asked or makes no sense.
pub const UNAVAILABLE: &str = "introspection_unavailable";

/// The method, as one plugin configuration has it.
pub struct Introspection {
    config: IntrospectionConfig,
    /// `Basic` and the client's credentials.
    authorization: Zeroizing<Vec<u8>>,
    cache: RefCell<Lru<Known>>,
    flights: Flights<Option<Known>>,
    tagger: Tagger,
    calls: Family<Counter, 1>,
}

/// What the server has said of a token: what it is, or that it is not active.
type Known = Option<Rc<Token>>;

impl Introspection {
    /// The method of a configuration.
    ///
    /// # Errors
    ///
    /// The host has no random source.
    pub fn new(config: IntrospectionConfig, plugin: &Plugin) -> Result<Self, ConfigErrors> {
        let refused = |error: HostError| ConfigErrors::new(NAME, error.to_string());
        let (seed, tagger) = (Seed::new().map_err(refused)?, Tagger::new().map_err(refused)?);
        Ok(Self {
            authorization: authorization(&config.client_id, config.client_secret.expose()).into(),
            cache: RefCell::new(Lru::new(config.cache_size, seed)),
            flights: Flights::default(),
            tagger,
            calls: plugin.counters("introspections", labels!["outcome"]),
            config,
        })
    }

    /// What becomes of a request while the server is unavailable.
    #[must_use]
    pub fn on_error(&self) -> OnError {
        self.config.on_error
    }

    /// Where tokens may stand.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        self.config.sources()
    }

    /// Takes the token out of the request, wherever it may stand.
    pub fn hide(&self, head: Head<'_>, removal: &mut Removal) {
        self.config.from.iter().for_each(|source| removal.add(source, head));
    }

    /// Asks the server about the request's token, unless its answer is known. Requests with the same token wait for one
    /// answer.
    pub async fn attempt<F: Filter>(&self, head: Head<'_>, handle: &Handle<F>) -> Attempt {
        let token = match self.config.from.read(head) {
            Field::Absent => return Attempt::Absent,
            Field::Many => return Attempt::Refused(refusal(401, "multiple_credentials")),
            Field::One(token) => token,
        };
        if token.is_empty() || token.len() > self.config.max_token {
            return Attempt::Refused(invalid("malformed_token"));
        }
        match self.verify(&token, handle).await {
            Ok(attempt) => attempt,
            Err(error) => {
                handle.report(&error);
                Attempt::Refused(refusal(503, UNAVAILABLE))
            }
        }
    }

    async fn verify<F: Filter>(&self, token: &[u8], handle: &Handle<F>) -> Result<Attempt, HostError> {
        let key = self.tagger.tag(token);
        let known = self.cache.borrow_mut().get(&key, now()?).cloned();
        let known = match known {
            Some(known) => Some(known),
            None => self.flights.join(key, self.ask(key, token, handle)).await,
        };
        Ok(match known {
            None => Attempt::Refused(refusal(503, UNAVAILABLE)),
            Some(None) => Attempt::Refused(invalid("inactive_token")),
            Some(Some(token)) => match token.meets(&self.expected(), now()?) {
                Ok(()) => Attempt::Verified(token.identity()),
                Err(refusal) => Attempt::Refused(refusal),
            },
        })
    }

    /// What a token has to be, whoever says so.
    #[must_use]
    pub fn expected(&self) -> Expected<'_> {
        let IntrospectionConfig { issuer, audiences, scopes, clock_skew, .. } = &self.config;
        Expected { issuer: issuer.as_deref(), audiences, scopes, clock_skew: *clock_skew }
    }

    /// The server's answer, which is kept as long as it may be; `None` where there is none.
    async fn ask<F: Filter>(&self, key: Tag, token: &[u8], handle: &Handle<F>) -> Option<Known> {
        match self.call(token, handle).await {
            Ok(known) => {
                self.calls.increment([if known.is_some() { "active" } else { "inactive" }]);
                self.keep(key, &known);
                Some(known)
            }
            Err(failure) => {
                self.calls.increment([failure.outcome()]);
                handle.report(&failure);
                None
            }
        }
    }

    async fn call<F: Filter>(&self, token: &[u8], handle: &Handle<F>) -> Result<Known, Failure> {
        let answer = self.request(handle.http_call(&self.config.cluster), token)?.send().await?;
        let Answer { status, headers, body } = answer;
        if status != 200 {
            return Err(Failure::Status(status));
        }
        let is_json = matches!(headers.field("content-type"), Field::One(media_type) if answer::is_json(media_type));
        let token = if is_json { Token::parse(&body).ok() } else { None };
        Ok(token.ok_or(Failure::Malformed)?.map(Rc::new))
    }

    fn request(&self, call: HttpCall, token: &[u8]) -> Result<HttpCall, HeaderError> {
        let body = [b"token=", form::encoded(token).as_bytes(), b"&token_type_hint=access_token"].concat();
        let authority = self.config.authority.as_ref().unwrap_or(&self.config.cluster);
        let headers: [(&str, &[u8]); 6] = [
            (":method", b"POST"),
            (":path", self.config.path.as_bytes()),
            (":authority", authority.as_bytes()),
            ("content-type", b"application/x-www-form-urlencoded"),
            ("accept", b"application/json"),
            ("authorization", &self.authorization),
        ];
        let call = call.body(body).timeout(self.config.timeout).max_body(LONGEST_ANSWER);
        headers.into_iter().try_fold(call, |call, (name, value)| call.header(name, value))
    }

    fn keep(&self, key: Tag, known: &Known) {
        let Ok(now) = now() else { return };
        let ttl = match known {
            Some(_) => self.config.cache,
            None => self.config.cache.min(INACTIVE),
        };
        let until = now.saturating_add(ttl);
        let expires = known.as_ref().and_then(|token| token.expires());
        self.cache.borrow_mut().insert(key, known.clone(), expires.map_or(until, |expires| expires.min(until)));
    }
}

/// Why the server has not answered what it should; it says nothing of the token.
enum Failure {
    Call(CallError),
    Header(HeaderError),
    Status(u16),
    Malformed,
}

impl Failure {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Call(CallError::Timeout) => "timeout",
            Self::Call(CallError::TooLong) | Self::Malformed => "malformed",
            Self::Call(_) | Self::Header(_) => "unreachable",
            Self::Status(_) => "status",
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("introspection: ")?;
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Header(error) => error.fmt(f),
            Self::Status(401) => f.write_str("the server refused client_id and client_secret with 401"),
            Self::Status(status) => write!(f, "the server answered with {status}"),
            Self::Malformed => f.write_str("the server's answer is none of RFC 7662, section 2.2"),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<HeaderError> for Failure {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

/// The credentials are form-encoded before they are joined (RFC 6749, section 2.3.1).
fn authorization(id: &str, secret: &[u8]) -> Vec<u8> {
    let credentials = [&form::encoded(id.as_bytes()), ":", &form::encoded(secret)].concat();
    ["Basic ", &base64::encode(credentials.as_bytes())].concat().into_bytes()
}

fn refusal(status: u16, reason: &'static str) -> Refusal {
    Refusal { status, reason, error: None, retry_after: None }
}

fn invalid(reason: &'static str) -> Refusal {
    Refusal { error: Some("invalid_token"), ..refusal(401, reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_as_a_form_before_they_are_joined() {
        assert_eq!(authorization("gw", b"secret"), b"Basic Z3c6c2VjcmV0");
        let encoded = base64::encode(b"a%3Ab:c+d%25%C3%A9");
        assert_eq!(authorization("a:b", "c d%é".as_bytes()), ["Basic ", &encoded].concat().into_bytes());
    }
}
