//! Held requests: while keys are awaited, nothing of a request goes upstream, however it is framed and whatever comes of it.

use std::thread;
use std::time::Duration;

use palisade_testbed::{Answer, Idp, Request};
use serde_json::{Value, json};

use crate::setup::Setup;
use palisade_testbed::client::VERSIONS;

/// Signed by the key of [`keys`]: `cargo run -p palisade-issuer -- token EdDSA '{"kid": "a"}' '{}'`
const GOOD: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwiYXVkIjoic2hvcCIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.MSUiD_CouWHTgBwIiOgNdPoyXycAaTlRKwrlrgDhKJ8xFuj1XmY7jlL_znEE1cpBosgMcm3z8CCN6kgkjZjsDA";
/// The same with another signature.
const FORGED: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwiYXVkIjoic2hvcCIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.ASUiD_CouWHTgBwIiOgNdPoyXycAaTlRKwrlrgDhKJ8xFuj1XmY7jlL_znEE1cpBosgMcm3z8CCN6kgkjZjsDA";

/// `cargo run -p palisade-issuer -- key EdDSA '{"kid": "a"}'`
fn keys() -> Value {
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "L97pqU6ZmmStKNzSaadjqMF8tCqdsNiHmp8kmswKeOM"}]})
}

fn configuration() -> Value {
    json!({
        "jwt": {"providers": {"main": {
            "issuer": "https://idp.example", "audiences": ["shop"],
            "jwks": {"remote": {"cluster": "idp", "path": "/jwks.json", "startup_wait": "30s"}},
        }}},
        "default": {"require": {"jwt": "main"}},
    })
}

/// Catches a body or trailers that release a held request (with `allow_on_headers_stop_iteration`), and a request that is
/// released twice.
#[test]
fn nothing_goes_upstream_before_the_keys_are_there() {
    for hold_headers in [true, false] {
        let idp = Idp::start().unwrap();
        idp.answer_jwks(Answer::with_status(500));
        let setup = Setup::new(&configuration()).hold_headers(hold_headers).idp(idp.addr());
        let mesh = setup.start().unwrap();
        let mut held = Vec::new();
        for version in VERSIONS {
            for (token, status) in [(GOOD, 200), (FORGED, 401)] {
                for framing in ["empty", "body", "body-and-trailers", "trailers-only"] {
                    let path = format!("/{framing}-{version}-{status}").replace("HTTP/", "");
                    let mut request = Request::new("POST", &path).header("authorization", format!("Bearer {token}"));
                    if framing.ends_with("trailers") || framing == "trailers-only" {
                        request = request.trailer("x-end", "1");
                    }
                    let mut upload = version.upload(mesh.addr(), request).unwrap();
                    if framing.starts_with("body") {
                        upload.piece("aaa").unwrap();
                        upload.piece("bbb").unwrap();
                    }
                    upload.end().unwrap();
                    held.push((path, framing, status, upload));
                }
            }
        }
        // Long enough for whatever would slip through.
        thread::sleep(Duration::from_secs(1));
        assert_eq!(mesh.upstream.count(), 0, "allow_on_headers_stop_iteration {hold_headers}");
        idp.keys(&keys());
        for (path, framing, status, upload) in held {
            let response = upload.response_within(Duration::from_secs(30)).unwrap();
            assert_eq!(response.status, status, "{path}, {hold_headers}: {}", response.text());
            let received = mesh.upstream.received_at(&path);
            assert_eq!(received.len(), usize::from(status == 200), "{path}, {hold_headers}");
            for request in received {
                let body: &[u8] = if framing.starts_with("body") { b"aaabbb" } else { b"" };
                assert_eq!(request.body, body, "{path}, {hold_headers}");
            }
        }
    }
}
