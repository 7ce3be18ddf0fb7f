//! Remote key sets: one worker fetches for all, and without keys nobody gets in.

use crate::mesh::{Mesh, PLUGIN, with_idp};
use anyhow::{Context, Result, ensure};
use palisade_issuer::{Issuer, with};
use palisade_testbed::envoy::config::{capabilities_mut, plugin_mut, set_plugin_configuration};
use palisade_testbed::envoy::{Builder, Update};
use palisade_testbed::upstream::Reset;
use palisade_testbed::{Answer, Idp, Request, Response, Upstream, checkout, http1, http2};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes that is not broken, on a machine that is busy.
const LONG: Duration = Duration::from_secs(90);

/// Who signs tokens with a key that is named like its algorithm.
#[derive(Clone, Copy)]
struct Signer(&'static str);

const FIRST: Signer = Signer("ES256");
const SECOND: Signer = Signer("EdDSA");
const STRANGER: Signer = Signer("RS256");

/// Starts Envoy with the identity provider at this address.
fn start(workers: usize, idp: SocketAddr, configuration: &Value) -> Mesh {
    start_with(workers, idp, configuration, Ok).unwrap()
}

fn start_with(
    workers: usize,
    idp: SocketAddr,
    configuration: &Value,
    change: impl FnOnce(Builder) -> Result<Builder>,
) -> Result<Mesh> {
    Mesh::start(|builder| {
        let builder = with_idp(builder, idp)?;
        change(builder.plugin_configuration(PLUGIN, configuration)?.concurrency(workers))
    })
}

/// Sends a request on a connection of its own, to whichever worker takes it.
fn send(mesh: &Mesh, path: &str, signer: Signer) -> Response {
    http1::exchange(mesh.addr(), &request(path, signer)).unwrap()
}

fn status(mesh: &Mesh, signer: Signer) -> u16 {
    send(mesh, "/", signer).status
}

/// Waits until that many requests in a row are answered like this.
fn wait_for_status(mesh: &Mesh, signer: Signer, expected: u16, in_a_row: usize) {
    let (began, mut row) = (Instant::now(), 0);
    while row < in_a_row {
        let last = status(mesh, signer);
        row = if last == expected { row + 1 } else { 0 };
        if row == 0 {
            assert!(began.elapsed() < LONG, "{last} and not {expected} after {LONG:?}:\n{}", mesh.envoy.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Waits until so many fetches of a provider's set have come to this.
fn wait_for_fetches(mesh: &Mesh, provider: &str, outcome: &str, least: u64) {
    let name = fetches(provider, outcome);
    mesh.envoy.wait_for_stat(&name, |count| count >= least, LONG).unwrap();
}

fn fetches(provider: &str, outcome: &str) -> String {
    format!("wasmcustom.palisade.auth.jwks_fetches;provider={provider};outcome={outcome}")
}

fn request(path: &str, signer: Signer) -> Request {
    Request::get(path).header("authorization", format!("Bearer {}", signer.token()))
}

/// A configuration that wants a token of the one provider for everything.
fn configuration(remote: &Value) -> Value {
    json!({"jwt": {"providers": {"main": provider("/jwks.json", remote)}}, "default": {"require": {"jwt": "main"}}})
}

fn provider(path: &str, remote: &Value) -> Value {
    let mut jwks = json!({"cluster": "idp", "path": path});
    for (name, value) in remote.as_object().unwrap() {
        jwks[name] = value.clone();
    }
    json!({"issuer": "https://idp.example", "audiences": ["shop"], "algorithms": ["ES256", "EdDSA", "RS256"], "jwks": {"remote": jwks}})
}

/// An identity provider that serves the keys of these signers.
fn idp(signers: &[Signer]) -> Idp {
    let idp = Idp::start().unwrap();
    idp.keys(&set(signers));
    idp
}

fn set(signers: &[Signer]) -> Value {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()})
}

// === impl Signer ===

impl Signer {
    fn jwk(self) -> Value {
        with(Issuer::new().jwk(self.0), &json!({"kid": self.0, "use": "sig"}))
    }

    fn token(self) -> String {
        self.signed_by(self)
    }

    /// A token that names this signer's key, whoever has signed it.
    fn signed_by(self, signer: Signer) -> String {
        let header = json!({"alg": self.0, "kid": self.0});
        let claims = json!({"iss": "https://idp.example", "aud": "shop", "sub": "alice", "exp": 4_102_444_800_u64});
        Issuer::new().token(signer.0, &header, &claims)
    }
}

// === the first set ===

/// Catches a worker that fetches for itself, and requests that are refused while the first fetch is under way.
#[test]
fn one_worker_fetches_for_all_and_requests_wait_for_it() {
    let idp = idp(&[]);
    idp.answer_jwks(Answer::default().body(set(&[FIRST]).to_string()).delay(Duration::from_millis(700)));
    let mesh = start(4, idp.addr(), &configuration(&json!({"startup_wait": "30s", "timeout": "60s"})));
    let waiting: Vec<_> = (0..16)
        .map(|_| {
            let mut connection = http2::Connection::open(mesh.addr()).unwrap();
            let stream = connection.open_stream(&request("/", FIRST), true).unwrap();
            (connection, stream)
        })
        .collect();
    for (_connection, stream) in waiting {
        assert_eq!(stream.response().unwrap().status, 200);
    }
    wait_for_status(&mesh, FIRST, 200, 40);
    assert_eq!((idp.jwks_count(), mesh.envoy.stat(&fetches("main", "ok")).unwrap()), (1, 1));
    let forgery = Request::get("/").header("authorization", format!("Bearer {}", FIRST.signed_by(STRANGER)));
    assert_eq!(http1::exchange(mesh.addr(), &forgery).unwrap().status, 401);
}

/// Catches a filter that lets requests pass, or holds them for ever, while there are no keys.
#[test]
fn without_a_server_nobody_gets_in_until_it_is_there() {
    let gone = idp(&[FIRST]);
    let addr = gone.addr();
    drop(gone);
    let mesh = start(2, addr, &configuration(&json!({})));
    for _ in 0..20 {
        let response = send(&mesh, "/", FIRST);
        assert_eq!(response.status, 503, "{response:?}");
    }
    assert_eq!(mesh.upstream.count(), 0);
    wait_for_fetches(&mesh, "main", "unreachable", 1);
    assert!(mesh.envoy.log().contains("no key set for main from /jwks.json of cluster idp"), "{}", mesh.envoy.log());

    let idp = Idp::bind(addr).unwrap();
    idp.keys(&set(&[FIRST]));
    wait_for_status(&mesh, FIRST, 200, 20);
    assert_eq!(idp.jwks_count(), 1);
}

#[test]
fn a_request_waits_for_keys_no_longer_than_it_may() {
    let idp = idp(&[]);
    idp.answer_jwks(Answer::default().delay(Duration::from_secs(3600)));
    let mesh = start(1, idp.addr(), &configuration(&json!({"startup_wait": "400ms", "timeout": "2s"})));
    let began = Instant::now();
    let response = send(&mesh, "/", FIRST);
    let waited = began.elapsed();
    assert_eq!(response.status, 503, "{response:?}");
    // The fetch may be over by then, where this machine was slow.
    let over = mesh.envoy.stat(&fetches("main", "timeout")).unwrap() > 0;
    assert!(waited >= Duration::from_millis(390) || over, "{waited:?}");
    wait_for_fetches(&mesh, "main", "timeout", 1);
    assert_eq!(mesh.upstream.count(), 0);
}

/// Catches an answer that is taken for a set, and one that costs the worker its VM.
#[test]
fn what_is_no_key_set_lets_nobody_in() {
    let keys = set(&[FIRST]).to_string();
    let good = || Answer::default().body(&keys);
    let many: Vec<_> = (0..201).map(|_| FIRST.jwk()).collect();
    let cases = [
        ("not-found", good().status(404), "status"),
        ("error", good().status(500), "status"),
        ("redirect", good().status(302).header("location", "/good"), "status"),
        ("partial", good().status(206), "status"),
        ("own-503", good().status(503), "status"),
        ("html", Answer::default().body("<html>"), "content"),
        ("empty", Answer::default().body(""), "content"),
        ("no-keys", Answer::default().body(r#"{"keys": []}"#), "content"),
        ("twice", Answer::default().body(format!("{}, {}", &keys[..keys.len() - 1], &keys[1..])), "content"),
        ("bytes", Answer::default().body([0xFF; 64]), "content"),
        ("too-many", Answer::default().body(json!({"keys": many}).to_string()), "content"),
        ("10-mib", Answer::default().body(vec![b' '; 10 << 20]), "too_long"),
        ("10-mib-of-chunks", Answer::default().body(vec![b' '; 10 << 20]).chunks(1 << 16, Duration::ZERO), "too_long"),
        ("closed", good().reset(Reset::BeforeHeaders), "unreachable"),
        ("cut-off", good().reset(Reset::MidBody), "unreachable"),
        ("hangs", good().delay(Duration::from_secs(3600)), "timeout"),
    ];
    let server = Upstream::start().unwrap();
    server.on("/good", good());
    let (mut providers, mut rules) = (json!({"good": provider("/good", &json!({"startup_wait": "30s"}))}), Vec::new());
    for (name, answer, _) in &cases {
        server.on(&format!("/{name}"), answer.clone());
        providers[name] = provider(&format!("/{name}"), &json!({"timeout": "1s", "startup_wait": "200ms"}));
        rules.push(json!({"match": {"path": {"exact": format!("/{name}")}}, "require": {"jwt": name}}));
    }
    let configuration =
        json!({"jwt": {"providers": providers}, "rules": rules, "default": {"require": {"jwt": "good"}}});
    let mesh = start(2, server.addr(), &configuration);
    for (name, _, outcome) in &cases {
        wait_for_fetches(&mesh, name, outcome, 1);
        for _ in 0..4 {
            assert_eq!(send(&mesh, &format!("/{name}"), FIRST).status, 503, "{name}");
        }
    }
    assert_eq!(mesh.upstream.count(), 0);
    assert_eq!(status(&mesh, FIRST), 200);
    let fetches = mesh.envoy.stats("wasmcustom.palisade.auth.jwks_fetches").unwrap();
    let kinds: Vec<_> = fetches.keys().collect();
    assert_eq!(kinds.len(), cases.len() + 1, "{kinds:?}");
}

/// Catches a failed call that counts as an answer.
#[test]
fn nobody_gets_in_where_the_filter_may_not_fetch() {
    let idp = idp(&[FIRST]);
    for withheld in
        ["proxy_http_call", "proxy_set_tick_period_milliseconds", "proxy_get_shared_data", "proxy_set_shared_data"]
    {
        let mesh = start_with(1, idp.addr(), &configuration(&json!({})), |builder| {
            builder.edit(|bootstrap| {
                let plugin = plugin_mut(bootstrap, PLUGIN).context("no plugin")?;
                let allowed =
                    capabilities_mut(plugin, checkout::envoy_release()?).as_object_mut().context("no list")?;
                ensure!(allowed.remove(withheld).is_some(), "{withheld} is not in the list");
                Ok(())
            })
        });
        let mesh = mesh.unwrap();
        // Without shared data, each worker fetches for itself.
        if withheld.ends_with("shared_data") {
            wait_for_status(&mesh, FIRST, 200, 5);
            continue;
        }
        for _ in 0..5 {
            assert_eq!(status(&mesh, FIRST), 503, "without {withheld}");
        }
        assert_eq!(mesh.upstream.count(), 0, "without {withheld}");
    }
}

// === another set ===

/// Catches a fetch for each request with an unknown key, one that is never made, and a worker that goes on with the old set.
#[test]
fn an_unknown_key_is_looked_for_once_in_ten_seconds_by_all_workers_together() {
    let idp = idp(&[FIRST]);
    let mesh = start(4, idp.addr(), &configuration(&json!({"startup_wait": "30s", "timeout": "60s"})));
    wait_for_status(&mesh, FIRST, 200, 20);
    idp.keys(&set(&[SECOND]));
    // Requests that come all the time, on all workers.
    wait_for_status(&mesh, SECOND, 200, 40);
    let fetches = idp.jwks_requests();
    assert_eq!(fetches.len(), 2);
    let gap = fetches[1].began - fetches[0].began;
    assert!(gap >= Duration::from_millis(9_500), "{gap:?}");
    for _ in 0..40 {
        assert_eq!(status(&mesh, STRANGER), 401);
    }
    assert!(fetches[1].began.elapsed() > Duration::from_secs(9) || idp.jwks_count() == 2);
    wait_for_status(&mesh, FIRST, 401, 40);
}

/// Catches a set that goes with its server, and one that is never fetched again.
#[test]
fn a_set_is_used_while_its_server_is_away_and_replaced_when_it_is_back() {
    let served = idp(&[FIRST]);
    let addr = served.addr();
    let mesh = start(2, addr, &configuration(&json!({"refresh": "1s", "startup_wait": "30s", "timeout": "5s"})));
    wait_for_status(&mesh, FIRST, 200, 10);
    drop(served);
    wait_for_fetches(&mesh, "main", "unreachable", 2);
    for _ in 0..10 {
        assert_eq!(status(&mesh, FIRST), 200);
    }
    let back = Idp::bind(addr).unwrap();
    back.keys(&set(&[SECOND]));
    wait_for_status(&mesh, SECOND, 200, 10);
    wait_for_status(&mesh, FIRST, 401, 10);
    let log = mesh.envoy.wait_for_log("a key set for main has come again", LONG).unwrap();
    assert_eq!(log.matches("no key set for main").count(), log.matches("has come again").count(), "{log}");
}

#[test]
fn a_set_that_is_too_old_is_used_no_more() {
    let served = idp(&[FIRST]);
    let remote = json!({"refresh": "2s", "stale_ttl": "1s", "startup_wait": "100ms", "timeout": "1s"});
    let mesh = start(2, served.addr(), &configuration(&remote));
    wait_for_status(&mesh, FIRST, 200, 10);
    drop(served);
    wait_for_status(&mesh, FIRST, 503, 10);
}

/// Catches keys that a configuration has for itself.
#[test]
fn an_update_that_leaves_the_provider_finds_its_keys() {
    let idp = idp(&[FIRST]);
    let remote = json!({"startup_wait": "30s"});
    let mut mesh =
        start_with(2, idp.addr(), &configuration(&remote), |builder| Ok(builder.dynamic_listeners())).unwrap();
    wait_for_status(&mesh, FIRST, 200, 10);
    let mut changed = configuration(&remote);
    changed["jwt"]["providers"]["main"]["audiences"] = json!(["shop", "other"]);
    let update = mesh.envoy.update_listener("ingress", |listener| set_plugin_configuration(listener, PLUGIN, &changed));
    assert!(matches!(update.unwrap(), Update::Accepted));
    wait_for_status(&mesh, FIRST, 200, 20);
    assert_eq!(idp.jwks_count(), 1);
}
