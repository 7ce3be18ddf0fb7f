//! JSON Web Tokens: who verifies them, and how long that counts.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use palisade_issuer::{Issuer, with};
use palisade_testbed::envoy::Builder;
use palisade_testbed::envoy::config::{capabilities_mut, plugin_mut};
use palisade_testbed::{Request, checkout};
use serde_json::{Value, json};

use crate::mesh::{Mesh, PLUGIN};

/// More than a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn start(algorithms: &[&str], others: Value, change: impl FnOnce(Builder) -> anyhow::Result<Builder>) -> Mesh {
    let issuer = Issuer::new();
    let keys: Vec<_> = algorithms.iter().map(|algorithm| issuer.jwk(algorithm)).collect();
    let provider = json!({
        "issuer": "https://idp.example",
        "jwks": {"inline": {"keys": keys}},
        "algorithms": algorithms,
    });
    let configuration = json!({
        "jwt": {"providers": {"main": with(provider, &others)}},
        "expose_reason": true,
        "default": {"require": {"jwt": "main"}},
    });
    Mesh::start(|builder| change(builder.concurrency(1).plugin_configuration(PLUGIN, &configuration)?)).unwrap()
}

/// Without one of the entries in the list of what the module may call.
fn without(capability: &str, builder: Builder) -> anyhow::Result<Builder> {
    builder.edit(|bootstrap| {
        let plugin = plugin_mut(bootstrap, PLUGIN).unwrap();
        let capabilities = capabilities_mut(plugin, checkout::envoy_release()?).as_object_mut().unwrap();
        assert!(capabilities.remove(capability).is_some(), "{capabilities:?}");
        Ok(())
    })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn token(algorithm: &str, claims: &Value) -> String {
    let usual = json!({"iss": "https://idp.example", "sub": "alice", "exp": now() + 3_600});
    Issuer::new().token(algorithm, &json!({"alg": algorithm}), &with(usual, claims))
}

/// The status, and the reason of a refusal.
fn send(mesh: &Mesh, token: &str) -> (u16, Option<String>) {
    let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    let response = mesh.connection().exchange(&request).unwrap();
    let problem = serde_json::from_str::<Value>(&response.text()).ok();
    (response.status, problem.and_then(|problem| problem["reason"].as_str().map(str::to_owned)))
}

fn signatures(mesh: &Mesh, algorithm: &str, by: &str) -> u64 {
    mesh.counter(&format!("signatures;provider=main;algorithm={algorithm};verified_by={by}"))
}

const BY_HOST: [&str; 6] = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"];
const BY_MODULE: [&str; 8] = ["PS256", "PS384", "PS512", "EdDSA", "Ed25519", "HS256", "HS384", "HS512"];

#[test]
fn envoy_verifies_what_it_can_and_the_module_the_rest() {
    let all: Vec<_> = BY_HOST.into_iter().chain(BY_MODULE).collect();
    let mesh = start(&all, json!({}), Ok);
    for algorithm in all {
        let good = token(algorithm, &json!({}));
        assert_eq!(send(&mesh, &good), (200, None), "{algorithm}");
        let (_, signature) = good.rsplit_once('.').unwrap();
        let bad = token(algorithm, &json!({"sub": "mallory"}));
        let (signed, _) = bad.rsplit_once('.').unwrap();
        let refused = (401, Some("bad_signature".to_owned()));
        assert_eq!(send(&mesh, &format!("{signed}.{signature}")), refused, "{algorithm}");
        let by = if BY_HOST.contains(&algorithm) { ("host", "module") } else { ("module", "host") };
        assert_eq!((signatures(&mesh, algorithm, by.0), signatures(&mesh, algorithm, by.1)), (2, 0), "{algorithm}");
    }
}

#[test]
fn a_module_that_may_not_ask_envoy_verifies_by_itself() {
    let mesh = start(&["RS256", "ES256"], json!({}), |builder| without("proxy_call_foreign_function", builder));
    for algorithm in ["RS256", "ES256"] {
        assert_eq!(send(&mesh, &token(algorithm, &json!({}))), (200, None), "{algorithm}");
        assert_eq!(
            (signatures(&mesh, algorithm, "host"), signatures(&mesh, algorithm, "module")),
            (0, 1),
            "{algorithm}"
        );
    }
}

#[test]
fn a_config_that_needs_what_envoy_may_not_do_is_refused() {
    let mesh = start(&["RS256", "ES384"], json!({}), |builder| without("proxy_call_foreign_function", builder));
    let refusal = "jwt.providers.main.algorithms: ES384: this host has no working function verify_signature";
    mesh.envoy.wait_for_log(refusal, PATIENCE).unwrap();
    for algorithm in ["RS256", "ES384"] {
        assert_ne!(send(&mesh, &token(algorithm, &json!({}))).0, 200, "{algorithm}");
    }
}

/// Catches a well-signed token that costs a verification each time that it is sent, though it never counts.
#[test]
fn a_token_that_is_refused_for_its_claims_is_not_verified_each_time() {
    let mesh = start(&["RS256"], json!({"audiences": ["api"]}), Ok);
    let past = now() - 3_600;
    let cases = [
        ((401, "expired"), json!({"aud": "api", "exp": past})),
        ((401, "wrong_issuer"), json!({"aud": "api", "iss": "https://other.example"})),
        ((403, "wrong_audience"), json!({"aud": "other"})),
    ];
    for ((status, reason), claims) in cases {
        let (token, before) = (token("RS256", &claims), signatures(&mesh, "RS256", "host"));
        for _ in 0..20 {
            assert_eq!(send(&mesh, &token), (status, Some(reason.to_owned())));
        }
        let verified = signatures(&mesh, "RS256", "host") - before;
        assert!((1..20).contains(&verified), "{reason}: {verified}");
    }
}

#[test]
fn a_token_is_verified_once_and_refused_when_its_time_is_over() {
    let mesh = start(&["RS256"], json!({"clock_skew": "0s"}), Ok);
    let expires = now() + 20;
    let token = token("RS256", &json!({"exp": expires}));
    for _ in 0..3 {
        assert_eq!(send(&mesh, &token), (200, None));
    }
    assert_eq!(signatures(&mesh, "RS256", "host"), 1);
    while now() <= expires {
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(send(&mesh, &token), (401, Some("expired".to_owned())));
}

#[test]
fn without_a_cache_every_token_is_verified_each_time() {
    let mesh = start(&["RS256"], json!({"cache": {"entries": 0}}), Ok);
    let token = token("RS256", &json!({}));
    for _ in 0..3 {
        assert_eq!(send(&mesh, &token), (200, None));
    }
    assert_eq!(signatures(&mesh, "RS256", "host"), 3);
}
