//! Secrets: with the module's log at its most talkative, no credential stands in a log line, a metric, the filter state or an
//! answer.

use base64ct::{Base64, Encoding};
use palisade_testbed::Request;
use serde_json::{Value, json};

use crate::mesh::{Mesh, PLUGIN, edit_manager};

/// A part of every secret here.
const CANARY: &str = "canary-5b9e";

#[test]
fn no_credential_is_written_anywhere() {
    let key = format!("{CANARY}-key");
    let configuration = json!({
        "api_key": {
            "from": [{"header": "x-api-key"}, {"query": "key"}, {"cookie": "key"}],
            "hide_credentials": true,
            "clients": [{"id": "mobile", "key_sha256": palisade_testbed::sha256(key.as_bytes())}],
            "forward": {"claims": [{"claim": "sub", "header": "x-auth-client"}]},
        },
        "basic": {
            "hide_credentials": true, "max_hashes_per_second": 1000, "max_hash_share": "100%",
            "users": {"htpasswd": {"inline": htpasswd()}},
        },
        "rules": [{"match": {"path": {"prefix": "/shadow"}}, "require": {"api_key": {}}, "enforce": false}],
        "expose_reason": true,
        "default": {"require": {"any": [{"api_key": {}}, {"basic": {}}]}},
    });
    let mesh = Mesh::start(|builder| {
        let builder = builder.plugin_configuration(PLUGIN, &configuration)?.log_level("wasm", "trace");
        builder.edit(|bootstrap| edit_manager(bootstrap, |manager| manager["access_log"] = access_log()))
    })
    .unwrap();

    let basic = |credential: &str| format!("Basic {}", base64(credential));
    let wrong = format!("{CANARY}-wrong");
    let get = Request::get;
    let requests = [
        (200, get("/").header("x-api-key", &key)),
        (200, get(&format!("/?key={key}&a=1"))),
        (200, get("/").header("cookie", format!("a=1; key={key}"))),
        (200, get("/").header("authorization", basic(&format!("alice:{CANARY}")))),
        (401, get("/").header("x-api-key", &wrong)),
        (401, get(&format!("/?key={wrong}"))),
        (401, get("/").header("cookie", format!("key={wrong}"))),
        (401, get("/").header("x-api-key", &key).header("x-api-key", &wrong)),
        (401, get("/").header("authorization", basic(&format!("alice:{wrong}")))),
        (401, get("/").header("authorization", basic(&format!("{wrong}:x")))),
        (401, get("/").header("authorization", format!("Basic {wrong}"))),
        (401, get("/").header("authorization", format!("{wrong} {wrong}"))),
        (401, get("/").header("authorization", format!("Bearer {wrong}"))),
        (200, get("/shadow").header("x-api-key", &wrong)),
        (400, get(&format!("/a//b?key={key}"))),
    ];
    for (status, request) in requests {
        let response = mesh.get(&request);
        assert_eq!(response.status, status, "{request:?}: {}", response.text());
        if status != 200 {
            assert!(!holds_secret(&response.text()), "{}", response.text());
            for (_, value) in response.headers.iter() {
                assert!(!holds_secret(&String::from_utf8_lossy(value)));
            }
        } else if request.path != "/shadow" {
            // What is hidden does not reach the upstream either.
            assert!(!holds_secret(&response.text()), "{}", response.text());
        }
    }
    let log = mesh.envoy.log();
    assert!(log.contains("[trace]") && log.contains("identity {\"claims\":{\"sub\":\"mobile\"}"), "{log}");
    for line in log.lines() {
        assert!(!holds_secret(line), "{line}");
    }
    for (name, _) in mesh.envoy.stats("").unwrap() {
        assert!(!holds_secret(&name), "{name}");
    }
}

fn holds_secret(text: &str) -> bool {
    // As it is, and wherever it may begin in base64.
    let encoded = [CANARY, &CANARY[1..], &CANARY[2..]].map(|canary| base64(canary)[..8].to_owned());
    text.contains(CANARY) || encoded.iter().any(|canary| text.contains(canary))
}

fn htpasswd() -> String {
    // openssl passwd -apr1 -salt saltsalt canary-5b9e
    "alice:$apr1$saltsalt$DbGxUkCgry11feN9kmTz5.".to_owned()
}

/// What other filters learn, and why a request was refused.
fn access_log() -> Value {
    json!([{
        "name": "envoy.access_loggers.stderr",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
            "log_format": {"text_format_source": {"inline_string":
                "access %RESPONSE_CODE_DETAILS% identity %FILTER_STATE(wasm.palisade.identity:PLAIN)%\n"}},
        },
    }])
}

fn base64(text: &str) -> String {
    Base64::encode_string(text.as_bytes())
}
