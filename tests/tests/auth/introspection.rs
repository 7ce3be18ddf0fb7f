//! Token introspection (RFC 7662), with an authorization server that is slow, broken or gone.

use crate::mesh::Mesh;
use crate::setup::Setup;
use palisade_issuer::Issuer;
use palisade_testbed::{Answer, Idp, Request, http1};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn setup(fields: &Value) -> Setup {
    let mut introspection = json!({
        "cluster": "idp", "client_id": "gateway", "client_secret": "gateway-s3cret", "timeout": "10s",
    });
    introspection.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Setup::new(&json!({"introspection": introspection, "default": {"require": {"introspection": {}}}}))
}

fn start(fields: &Value) -> (Mesh, Idp) {
    let idp = Idp::start().unwrap();
    let mesh = setup(fields).idp(idp.addr()).start().unwrap();
    (mesh, idp)
}

fn bearer(token: &str) -> Request {
    Request::get("/").header("authorization", format!("Bearer {token}"))
}

fn status(mesh: &Mesh, token: &str) -> u16 {
    http1::exchange(mesh.addr(), &bearer(token)).unwrap().status
}

fn in_seconds(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds
}

fn json_answer(body: &str) -> Answer {
    Answer::with_status(200).header("content-type", "application/json").body(body)
}

#[test]
fn the_server_is_asked_as_the_rfc_says() {
    let (mesh, idp) = start(&json!({}));
    idp.token("c4nary/+ =&token", &json!({"sub": "alice"}));
    assert_eq!(status(&mesh, "c4nary/+ =&token"), 200);
    let asked = idp.introspections().pop().unwrap();
    assert_eq!(asked.headers.text("authorization").as_deref(), Some("Basic Z2F0ZXdheTpnYXRld2F5LXMzY3JldA=="));
    assert_eq!(asked.headers.text("content-type").as_deref(), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked.body, b"token=c4nary%2F%2B+%3D%26token&token_type_hint=access_token");
    assert!(!mesh.envoy.log().contains("c4nary"), "{}", mesh.envoy.log());
}

#[test]
fn an_active_token_passes_and_no_other() {
    let (mesh, idp) = start(&json!({"issuer": "https://idp", "audiences": ["shop"], "scopes": ["read"]}));
    let good = json!({"sub": "alice", "iss": "https://idp", "aud": ["shop", "x"], "scope": "write read"});
    let with = |name: &str, value: Value| {
        let mut token = good.clone();
        token[name] = value;
        token
    };
    idp.token("good", &good);
    idp.token("issuer", &with("iss", json!("https://other")));
    idp.token("audience", &with("aud", json!("bank")));
    idp.token("scope", &with("scope", json!("write")));
    idp.token("expired", &with("exp", json!(1_700_000_000)));
    idp.token("early", &with("nbf", json!(in_seconds(3600))));
    idp.token("bound", &with("token_type", json!("DPoP")));
    for (token, expected) in [
        ("good", 200),
        ("unknown", 401),
        ("issuer", 401),
        ("audience", 403),
        ("scope", 403),
        ("expired", 401),
        ("early", 401),
        ("bound", 401),
        ("", 401),
    ] {
        assert_eq!(status(&mesh, token), expected, "{token}");
    }
    assert_eq!(http1::exchange(mesh.addr(), &Request::get("/")).unwrap().status, 401);
    assert_eq!(mesh.upstream.count(), 1);
}

#[test]
fn an_answer_counts_for_its_time_and_no_longer_than_the_token() {
    let (mesh, idp) = start(&json!({"cache": "1h", "clock_skew": "0s"}));
    idp.token("long", &json!({"sub": "alice"}));
    idp.token("short", &json!({"sub": "alice", "exp": in_seconds(3)}));
    for _ in 0..5 {
        assert_eq!(status(&mesh, "long"), 200);
        assert_eq!(status(&mesh, "unknown"), 401);
    }
    assert_eq!(idp.introspection_count(), 2);
    assert_eq!(status(&mesh, "short"), 200);
    thread::sleep(Duration::from_secs(4));
    assert_eq!(status(&mesh, "short"), 401);
    assert_eq!(idp.introspection_count(), 4, "it is asked about anew");
}

#[test]
fn without_a_cache_the_server_is_asked_each_time() {
    let (mesh, idp) = start(&json!({"cache": "0s"}));
    idp.token("good", &json!({"sub": "alice"}));
    for asked in 1..4 {
        assert_eq!(status(&mesh, "good"), 200);
        assert_eq!(idp.introspection_count(), asked);
    }
}

/// Catches a flood of equal questions, and waiting requests that are left waiting when the one that asks goes away.
#[test]
fn requests_with_the_same_token_wait_for_one_answer() {
    let (mesh, idp) = start(&json!({}));
    idp.answer_introspection(json_answer(r#"{"active": true}"#).delay(Duration::from_millis(600)));
    let mut leaver = http1::Connection::open(mesh.addr()).unwrap();
    leaver.send(&bearer("shared").to_http1()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(15);
    while idp.introspection_count() == 0 {
        assert!(Instant::now() < deadline, "the server was not asked");
        thread::sleep(Duration::from_millis(5));
    }
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let addr = mesh.addr();
            thread::spawn(move || http1::exchange(addr, &bearer("shared")).unwrap().status)
        })
        .collect();
    thread::sleep(Duration::from_millis(200));
    drop(leaver);
    for client in clients {
        assert_eq!(client.join().unwrap(), 200);
    }
    let asked = idp.introspection_count();
    assert!(asked <= 2, "once more for the one that went away, not {asked} times");
}

#[test]
fn what_says_nothing_of_a_token_lets_nobody_pass() {
    let (mesh, idp) = start(&json!({"timeout": "400ms"}));
    let broken = [
        ("500", Answer::with_status(500).header("content-type", "application/json").body(r#"{"active": true}"#)),
        ("401", Answer::with_status(401).body("")),
        ("redirect", Answer::with_status(302).header("location", "/introspect2").body("")),
        ("garbage", json_answer("<html>")),
        ("no boolean", json_answer(r#"{"active": "true"}"#)),
        ("twice", json_answer(r#"{"active": false, "active": true}"#)),
        ("media type", Answer::with_status(200).header("content-type", "text/html").body(r#"{"active": true}"#)),
        ("no media type", Answer::with_status(200).body(r#"{"active": true}"#)),
        ("10 MiB", json_answer(&format!(r#"{{"active": true, "x": "{}"}}"#, "x".repeat(10 << 20)))),
        ("slow", json_answer(r#"{"active": true}"#).delay(Duration::from_secs(3))),
    ];
    for (how, answer) in broken {
        idp.answer_introspection(answer);
        assert_eq!(status(&mesh, how), 503, "{how}");
        assert_eq!(status(&mesh, how), 503, "{how}, and nothing of it is kept");
    }
    let addr = idp.addr();
    drop(idp);
    assert_eq!(status(&mesh, "gone"), 503);
    let idp = Idp::bind(addr).unwrap();
    idp.token("gone", &json!({"sub": "alice"}));
    assert_eq!(status(&mesh, "gone"), 200, "it is back");
    assert_eq!(mesh.upstream.count(), 1);
}

#[test]
fn a_token_that_is_sent_twice_is_refused_unasked() {
    let (mesh, idp) = start(&json!({}));
    idp.token("good", &json!({"sub": "alice"}));
    let twice = bearer("good").header("authorization", "Bearer good");
    assert_eq!(http1::exchange(mesh.addr(), &twice).unwrap().status, 401);
    assert_eq!(status(&mesh, &"x".repeat(8 * 1024 + 1)), 401);
    assert_eq!(idp.introspection_count(), 0);
}

fn with_fallback(issuer: &Issuer, fields: &Value) -> Value {
    let mut introspection = json!({
        "cluster": "idp", "client_id": "gateway", "client_secret": "gateway-s3cret", "timeout": "10s", "cache": "0s",
        "on_error": "allow_if_jwt_valid",
    });
    introspection.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({
        "jwt": {"providers": {"main": {
            "issuer": "https://idp", "jwks": {"inline": {"keys": [issuer.jwk("ES256")]}}, "algorithms": ["ES256"],
        }}},
        "introspection": introspection,
        "default": {"require": {"introspection": {}}},
    })
}

fn jwt(issuer: &Issuer, fields: &Value) -> String {
    let mut claims = json!({"iss": "https://idp", "sub": "alice", "exp": in_seconds(3600)});
    claims.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    issuer.token("ES256", &json!({"alg": "ES256"}), &claims)
}

/// Catches a way in by making the server unavailable, and one for tokens that it has revoked.
#[test]
fn while_the_server_is_unavailable_a_good_jwt_passes_where_the_config_says_so() {
    let (issuer, idp) = (Issuer::new(), Idp::start().unwrap());
    let (good, expired) = (jwt(&issuer, &json!({})), jwt(&issuer, &json!({"exp": 1_700_000_000})));
    let forged = good.replacen("ey", "eY", 1);
    let mesh = Setup::new(&with_fallback(&issuer, &json!({}))).idp(idp.addr()).start().unwrap();
    idp.token(&good, &json!({"sub": "alice"}));
    assert_eq!((status(&mesh, &good), status(&mesh, &expired), status(&mesh, "opaque")), (200, 401, 401));
    idp.answer_introspection(Answer::with_status(500).body(""));
    assert_eq!((status(&mesh, &good), status(&mesh, &expired), status(&mesh, "opaque")), (200, 503, 503));
    assert_eq!(status(&mesh, &forged), 503);
    idp.answer_introspection(json_answer(r#"{"active": false}"#));
    assert_eq!(status(&mesh, &good), 401, "the server says that it is revoked");
}

/// Catches a way around what the section asks of a token, by making the server unavailable.
#[test]
fn a_jwt_has_to_be_all_that_the_server_would_have_to_say_of_it() {
    let (issuer, idp) = (Issuer::new(), Idp::start().unwrap());
    let asked = json!({"issuer": "https://idp", "audiences": ["shop"], "scopes": ["read"]});
    let mesh = Setup::new(&with_fallback(&issuer, &asked)).idp(idp.addr()).start().unwrap();
    idp.answer_introspection(Answer::with_status(500).body(""));
    let good = json!({"aud": "shop", "scope": "write read"});
    assert_eq!(status(&mesh, &jwt(&issuer, &good)), 200);
    for (claim, value) in [
        ("scope", json!("write")),
        ("scope", json!(["write"])),
        ("aud", json!("bank")),
        ("token_type", json!("DPoP")),
        ("cnf", json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        assert_eq!(status(&mesh, &jwt(&issuer, &claims)), 503, "{claims}");
    }
    let other =
        Setup::new(&with_fallback(&issuer, &json!({"issuer": "https://other"}))).idp(idp.addr()).start().unwrap();
    assert_eq!(status(&other, &jwt(&issuer, &good)), 503, "another issuer");
}

/// Catches a caller of whom the upstream learns what another method hands over.
#[test]
fn who_passes_by_a_jwt_in_place_of_the_server_is_handed_over_as_the_server_has_it() {
    let (issuer, idp) = (Issuer::new(), Idp::start().unwrap());
    let claims = json!({"iss": "https://idp", "sub": "alice", "exp": in_seconds(3600)});
    let token = issuer.token("ES256", &json!({"alg": "ES256"}), &claims);
    let configuration = json!({
        "jwt": {"providers": {"main": {
            "issuer": "https://idp", "jwks": {"inline": {"keys": [issuer.jwk("ES256")]}}, "algorithms": ["ES256"],
            "forward": {"claims": [{"claim": "sub", "header": "x-by-jwt"}]},
        }}},
        "introspection": {
            "cluster": "idp", "client_id": "gateway", "client_secret": "gateway-s3cret", "timeout": "10s", "cache": "0s",
            "on_error": "allow_if_jwt_valid",
            "forward": {"claims": [{"claim": "sub", "header": "x-by-introspection"}]},
        },
        "rules": [{"match": {"path": {"prefix": "/jwt"}}, "require": {"jwt": "main"}}],
        "default": {"require": {"introspection": {}}},
    });
    let mesh = Setup::new(&configuration).idp(idp.addr()).start().unwrap();
    idp.answer_introspection(Answer::with_status(500).body(""));
    for (path, expected) in [
        ("/jwt", (Some("alice"), None)),
        ("/", (None, Some("alice"))),
        ("/jwt", (Some("alice"), None)),
        ("/", (None, Some("alice"))),
    ] {
        let request = Request { path: path.to_owned(), ..bearer(&token) };
        assert_eq!(http1::exchange(mesh.addr(), &request).unwrap().status, 200, "{path}");
        let received = mesh.upstream.received().pop().unwrap();
        let header = |name: &str| received.headers.text(name);
        assert_eq!((header("x-by-jwt").as_deref(), header("x-by-introspection").as_deref()), expected, "{path}");
    }
}
