//! An identity provider: key sets (RFC 7517, section 5) and token introspection (RFC 7662).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::server::{FREE_PORT, lock};
use crate::upstream::{Answer, Received, Upstream};

/// A running identity provider. It speaks HTTP/1.1 and HTTP/2 with prior knowledge on one port:
///
/// | request | answer |
/// |---|---|
/// | `GET /jwks.json` | the key set, at first an empty one |
/// | `POST /introspect` | what is known of the token in the form, for a client that it knows |
/// | `GET /counts` | how many of both have come, for example `{"jwks": 2, "introspect": 0}` |
/// | `PUT /jwks.json`, `PUT /introspect` | the body and the `x-upstream-*` headers are the answer from now on (see [`Answer::from_headers`]) |
/// | `PUT /tokens?TOKEN` | the body, a JSON object, is what is known of this token; `active` is added |
/// | `DELETE /jwks.json`, `DELETE /introspect`, `DELETE /tokens` | as at first |
///
/// To kill it, drop it; [`Idp::bind`] starts another at the same address.
#[derive(Debug)]
pub struct Idp {
    upstream: Upstream,
    state: Arc<Mutex<State>>,
}

/// Where the key set is.
pub const JWKS_PATH: &str = "/jwks.json";
/// Where tokens are looked up.
pub const INTROSPECTION_PATH: &str = "/introspect";
/// The id of the client that may look up tokens.
pub const CLIENT_ID: &str = "gateway";
/// Its secret.
pub const CLIENT_SECRET: &str = "gateway-s3cret";

/// The requests that it remembers, so that it can be left running.
const MEMORY: usize = 10_000;

#[derive(Debug, Default)]
struct State {
    jwks: Option<Answer>,
    introspection: Option<Answer>,
    tokens: BTreeMap<String, Value>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    jwks: usize,
    introspect: usize,
}

/// How one of its endpoints answers.
type Route = fn(&mut State, &Received) -> Answer;

// === impl Idp ===

impl Idp {
    /// Starts one on a free port.
    pub fn start() -> Result<Self> {
        Self::bind(FREE_PORT)
    }

    /// Starts one on this address.
    pub fn bind(addr: SocketAddr) -> Result<Self> {
        let upstream = Upstream::bind(addr)?;
        upstream.keep(MEMORY);
        let state = Arc::new(Mutex::new(State::default()));
        let routes: [(&str, Route); 4] = [
            (JWKS_PATH, State::jwks),
            (INTROSPECTION_PATH, State::introspect),
            ("/tokens", State::learn),
            ("/counts", State::count),
        ];
        for (path, route) in routes {
            let state = Arc::clone(&state);
            upstream.on_each(path, move |request| route(&mut lock(&state), request));
        }
        Ok(Self { upstream, state })
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.upstream.addr()
    }

    /// Serves this key set from now on.
    pub fn keys(&self, keys: &Value) {
        self.answer_jwks(json_answer(keys));
    }

    /// Answers for the key set like this from now on.
    pub fn answer_jwks(&self, answer: Answer) {
        lock(&self.state).jwks = Some(answer);
    }

    /// How often the key set was asked for.
    pub fn jwks_count(&self) -> usize {
        lock(&self.state).counts.jwks
    }

    /// The requests for the key set so far, in the order in which their headers came.
    pub fn jwks_requests(&self) -> Vec<Received> {
        let received = self.upstream.received_at(JWKS_PATH);
        received.into_iter().filter(|request| request.method == "GET").collect()
    }

    /// Knows this token from now on: it is active, and these are its other members.
    pub fn token(&self, token: &str, members: &Value) {
        lock(&self.state).know(token, members);
    }

    /// Answers every introspection like this from now on, whoever asks.
    pub fn answer_introspection(&self, answer: Answer) {
        lock(&self.state).introspection = Some(answer);
    }

    /// How often tokens were looked up.
    pub fn introspection_count(&self) -> usize {
        lock(&self.state).counts.introspect
    }

    /// The lookups of tokens so far, in the order in which their headers came.
    pub fn introspections(&self) -> Vec<Received> {
        let received = self.upstream.received_at(INTROSPECTION_PATH);
        received.into_iter().filter(|request| request.method == "POST").collect()
    }

    /// Waits until the key set was asked for this often; fails after `timeout`.
    pub fn wait_for_jwks(&self, count: usize, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while self.jwks_count() < count {
            let asked = self.jwks_count();
            ensure!(
                Instant::now() < deadline,
                "the key set was asked for {asked} times, not {count}, within {timeout:?}"
            );
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

// === impl State ===

impl State {
    fn jwks(&mut self, request: &Received) -> Answer {
        match request.method.as_str() {
            "PUT" => take(&mut self.jwks, request),
            "DELETE" => forget(&mut self.jwks),
            _ => {
                self.counts.jwks += 1;
                self.jwks.clone().unwrap_or_else(|| json_answer(&json!({"keys": []})))
            }
        }
    }

    fn introspect(&mut self, request: &Received) -> Answer {
        match request.method.as_str() {
            "PUT" => take(&mut self.introspection, request),
            "DELETE" => forget(&mut self.introspection),
            _ => {
                self.counts.introspect += 1;
                self.introspection.clone().unwrap_or_else(|| self.look_up(request))
            }
        }
    }

    /// RFC 7662, section 2: a form from a client that proves who it is (RFC 6749, section 2.3.1).
    fn look_up(&self, request: &Received) -> Answer {
        let credentials = format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")));
        if request.headers.all("authorization") != [credentials.as_bytes()] {
            return json_answer(&json!({"error": "invalid_client"})).status(401);
        }
        let form = request.headers.get("content-type") == Some(b"application/x-www-form-urlencoded");
        let mut tokens = form_urlencoded::parse(&request.body).filter(|(name, _)| name == "token");
        match (request.method.as_str(), form, tokens.next(), tokens.next()) {
            ("POST", true, Some((_, token)), None) => {
                json_answer(self.tokens.get(token.as_ref()).unwrap_or(&json!({"active": false})))
            }
            _ => json_answer(&json!({"error": "invalid_request"})).status(400),
        }
    }

    fn learn(&mut self, request: &Received) -> Answer {
        let token = request.path.split_once('?').map(|(_, token)| token);
        match (request.method.as_str(), token, serde_json::from_slice(&request.body)) {
            ("PUT", Some(token), Ok(members @ Value::Object(_))) => self.know(token, &members),
            ("DELETE", None, _) => self.tokens.clear(),
            _ => return Answer::with_status(400).body("expected PUT /tokens?TOKEN with an object, or DELETE /tokens"),
        }
        Answer::with_status(204)
    }

    fn know(&mut self, token: &str, members: &Value) {
        let mut known = json!({"active": true});
        for (name, value) in members.as_object().into_iter().flatten() {
            known[name] = value.clone();
        }
        self.tokens.insert(token.to_owned(), known);
    }

    fn count(&mut self, _: &Received) -> Answer {
        let Counts { jwks, introspect } = self.counts;
        json_answer(&json!({"jwks": jwks, "introspect": introspect}))
    }
}

/// Takes the answer that a request describes.
fn take(answer: &mut Option<Answer>, request: &Received) -> Answer {
    match Answer::from_headers(&request.headers) {
        Ok(described) => {
            let described = described.unwrap_or_default();
            let given = described.given_body().is_some();
            *answer = Some(if given { described } else { described.body(&request.body) });
            Answer::with_status(204)
        }
        Err(error) => Answer::with_status(400).body(format!("{error:#}")),
    }
}

fn forget(answer: &mut Option<Answer>) -> Answer {
    *answer = None;
    Answer::with_status(204)
}

fn json_answer(body: &Value) -> Answer {
    Answer::default().header("content-type", "application/json").body(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Request, Response, http1};

    fn send(idp: &Idp, request: &Request) -> Response {
        http1::exchange(idp.addr(), request).unwrap()
    }

    fn put(path: &str, body: &str) -> Request {
        Request { method: "PUT".to_owned(), ..Request::post(path, body) }
    }

    fn lookup(form: &str) -> Request {
        let credentials = STANDARD.encode("gateway:gateway-s3cret");
        Request::post(INTROSPECTION_PATH, form)
            .header("authorization", format!("Basic {credentials}"))
            .header("content-type", "application/x-www-form-urlencoded")
    }

    #[test]
    fn a_key_set_is_served_and_counted() {
        let idp = Idp::start().unwrap();
        assert_eq!(send(&idp, &Request::get(JWKS_PATH)).text(), r#"{"keys":[]}"#);
        idp.keys(&json!({"keys": [1]}));
        let response = send(&idp, &Request::get(JWKS_PATH));
        assert_eq!((response.status, response.text().as_str()), (200, r#"{"keys":[1]}"#));
        assert_eq!(response.headers.text("content-type").as_deref(), Some("application/json"));
        idp.answer_jwks(Answer::with_status(500));
        assert_eq!(send(&idp, &Request::get(JWKS_PATH)).status, 500);
        assert_eq!((idp.jwks_count(), idp.introspection_count()), (3, 0));
        idp.wait_for_jwks(3, Duration::ZERO).unwrap();
        assert!(idp.wait_for_jwks(4, Duration::ZERO).is_err());
    }

    #[test]
    fn a_token_that_is_known_is_active() {
        let idp = Idp::start().unwrap();
        idp.token("a b+c", &json!({"sub": "alice"}));
        assert_eq!(send(&idp, &lookup("token=a+b%2Bc&x=y")).text(), r#"{"active":true,"sub":"alice"}"#);
        assert_eq!(send(&idp, &lookup("token=other")).text(), r#"{"active":false}"#);
        idp.token("revoked", &json!({"active": false}));
        assert_eq!(send(&idp, &lookup("token=revoked")).text(), r#"{"active":false}"#);
        assert_eq!((idp.introspection_count(), idp.introspections().len()), (3, 3));
    }

    #[test]
    fn a_lookup_that_is_none_is_refused() {
        let idp = Idp::start().unwrap();
        idp.token("t", &json!({}));
        for (request, status) in [
            (lookup(""), 400),
            (lookup("token=t&token=t"), 400),
            (Request { headers: lookup("").headers, ..Request::get(INTROSPECTION_PATH) }, 400),
            (Request::post(INTROSPECTION_PATH, "token=t"), 401),
            (lookup("token=t").header("authorization", "Basic eA=="), 401),
        ] {
            assert_eq!(send(&idp, &request).status, status, "{request:?}");
        }
    }

    #[test]
    fn a_running_one_is_told_what_to_answer() {
        let idp = Idp::start().unwrap();
        assert_eq!(send(&idp, &put(JWKS_PATH, "{}").header("x-upstream-status", "203")).status, 204);
        let response = send(&idp, &Request::get(JWKS_PATH));
        assert_eq!((response.status, response.text().as_str()), (203, "{}"));
        send(&idp, &put(JWKS_PATH, "").header("x-upstream-body-bytes", "100000"));
        assert_eq!(send(&idp, &Request::get(JWKS_PATH)).body.len(), 100_000);
        assert_eq!(send(&idp, &put(JWKS_PATH, "").header("x-upstream-statsu", "1")).status, 400);
        send(&idp, &Request::new("DELETE", JWKS_PATH));
        assert_eq!(send(&idp, &Request::get(JWKS_PATH)).text(), r#"{"keys":[]}"#);

        assert_eq!(send(&idp, &put("/tokens?t", r#"{"sub": "bob"}"#)).status, 204);
        assert_eq!(send(&idp, &lookup("token=t")).text(), r#"{"active":true,"sub":"bob"}"#);
        assert_eq!(send(&idp, &put("/tokens?t", "x")).status, 400);
        send(&idp, &Request::new("DELETE", "/tokens"));
        assert_eq!(send(&idp, &lookup("token=t")).text(), r#"{"active":false}"#);
        send(&idp, &put(INTROSPECTION_PATH, "<html>"));
        assert_eq!(send(&idp, &lookup("token=t")).text(), "<html>");
        assert_eq!(send(&idp, &Request::get("/counts")).text(), r#"{"introspect":3,"jwks":3}"#);
    }

    #[test]
    fn one_that_was_killed_is_started_at_the_same_address() {
        let idp = Idp::start().unwrap();
        let addr = idp.addr();
        drop(idp);
        assert!(http1::exchange(addr, &Request::get(JWKS_PATH)).is_err());
        assert_eq!(send(&Idp::bind(addr).unwrap(), &Request::get(JWKS_PATH)).status, 200);
    }
}
