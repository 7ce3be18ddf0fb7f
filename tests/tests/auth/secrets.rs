//! Secrets: with the module's log at its most talkative, no credential stands in a log line, a metric, the filter state or an
//! answer.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit as _, Mac as _};
use palisade_testbed::{Idp, Request};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::mesh::{Mesh, PLUGIN, edit_manager, edit_plugin, with_idp};
use crate::signing::Signer;

/// A part of every secret here.
const CANARY: &str = "canary-5b9e";

/// The one that the identity provider knows.
const CLIENT_SECRET: &str = "gateway-s3cret";

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
    assert_silent(&mesh, "identity {\"claims\":{\"sub\":\"mobile\"}");
}

#[test]
fn no_token_and_no_secret_of_a_method_is_written_anywhere() {
    let idp = Idp::start().unwrap();
    let [opaque, revoked] = ["token", "revoked"].map(|name| format!("{CANARY}-{name}"));
    idp.token(&opaque, &json!({"sub": "alice", "email": format!("{CANARY}@example.org")}));
    let shared = format!("{CANARY}-shared-by-us-and-the-issuer-of-tokens");
    let signing = format!("{CANARY}-shared-by-us-and-the-partner");
    let forward = json!({"claims": [{"claim": "sub", "header": "x-auth-sub"}], "strip_token": true});
    let configuration = json!({
        "jwt": {"providers": {"main": {
            "issuer": "https://idp.example",
            "algorithms": ["HS256"],
            "jwks": {"inline": {"keys": [{"kty": "oct", "k": {"env": "JWT_KEY"}}]}},
            "forward": forward,
        }}},
        "hmac": {"clients": [{"id": "partner", "secret": signing}]},
        "introspection": {
            "cluster": "idp", "client_id": "gateway", "client_secret": CLIENT_SECRET, "timeout": "30s",
            "forward": forward,
        },
        "rules": [
            {"match": {"path": {"exact": "/jwt"}}, "require": {"jwt": "main"}},
            {"match": {"path": {"exact": "/hmac"}}, "require": {"hmac": {}}},
        ],
        "expose_reason": true,
        "default": {"require": {"introspection": {}}},
    });
    let mesh = Mesh::start(|builder| {
        let builder = builder.plugin_configuration(PLUGIN, &configuration)?.log_level("wasm", "trace");
        let builder = builder.edit(|bootstrap| {
            edit_manager(bootstrap, |manager| manager["access_log"] = access_log())?;
            edit_plugin(bootstrap, |plugin| {
                let key = Base64UrlUnpadded::encode_string(shared.as_bytes());
                plugin["vm_config"]["environment_variables"] = json!({"key_values": {"JWT_KEY": key}});
            })
        })?;
        with_idp(builder, idp.addr())
    })
    .unwrap();

    let bearer = |path: &str, token: &str| Request::get(path).header("authorization", format!("Bearer {token}"));
    let claims = json!({"iss": "https://idp.example", "sub": "alice", "exp": 4_102_444_800_u64, "email": CANARY});
    let token = hs256(&shared, &claims);
    let partner = |secret: &str| Signer::new("partner", secret);
    let requests = [
        (200, bearer("/jwt", &token)),
        (200, bearer("/jwt", &token)),
        (401, bearer("/jwt", &hs256(&revoked, &claims))),
        (401, bearer("/jwt", &format!("{token}x"))),
        (401, bearer("/jwt", &opaque)),
        (200, bearer("/", &opaque)),
        (200, bearer("/", &opaque)),
        (401, bearer("/", &revoked)),
        (401, bearer("/", &opaque).header("authorization", format!("Bearer {revoked}"))),
        (200, partner(&signing).sign(Request::post("/hmac", b"amount=1"))),
        (401, partner(&signing).sign(Request::get("/hmac")).header("signature", "sig=:AAAA:")),
        (401, partner(&revoked).sign(Request::get("/hmac"))),
    ];
    for (status, request) in requests {
        let response = mesh.get(&request);
        assert_eq!(response.status, status, "{request:?}: {}", response.text());
        // Of the answer, and of what the upstream got and echoes.
        assert!(!holds_secret(&response.text()), "{}", response.text());
        for (_, value) in response.headers.iter() {
            assert!(!holds_secret(&String::from_utf8_lossy(value)));
        }
    }
    assert_silent(&mesh, "identity {\"claims\":{\"sub\":\"alice\"}");
}

/// Holds that neither log nor metrics hold a secret, in a log that holds `identity`.
fn assert_silent(mesh: &Mesh, identity: &str) {
    let log = mesh.envoy.log();
    assert!(log.contains("[trace]") && log.contains(identity), "{log}");
    for line in log.lines() {
        assert!(!holds_secret(line), "{line}");
    }
    for (name, _) in mesh.envoy.stats("").unwrap() {
        assert!(!holds_secret(&name), "{name}");
    }
}

fn hs256(secret: &str, claims: &Value) -> String {
    let signed = [json!({"alg": "HS256"}), claims.clone()]
        .map(|part| Base64UrlUnpadded::encode_string(part.to_string().as_bytes()))
        .join(".");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes()))
}

fn holds_secret(text: &str) -> bool {
    // As it is, and wherever it may begin in base64.
    [CANARY, CLIENT_SECRET].iter().any(|secret| {
        let encoded = [secret, &secret[1..], &secret[2..]].map(|part| base64(part)[..8].to_owned());
        text.contains(secret) || encoded.iter().any(|part| text.contains(part))
    })
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
