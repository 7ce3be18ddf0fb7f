//! Four filters in one module, beside a chain of the same four: nobody outside of Envoy can tell them apart.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod budget;
mod mesh;

use std::thread;
use std::time::Duration;

use palisade_testbed::client::VERSIONS;
use palisade_testbed::{Answer, Request};
use serde_json::json;

use mesh::{CHAIN, FUSED, Mesh};

/// Signed by the key of [`mesh::keys`]: `cargo run -p palisade-issuer -- token EdDSA '{"kid": "a"}' '{}'`
const TOKEN: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwiYXVkIjoic2hvcCIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.MSUiD_CouWHTgBwIiOgNdPoyXycAaTlRKwrlrgDhKJ8xFuj1XmY7jlL_znEE1cpBosgMcm3z8CCN6kgkjZjsDA";

fn get(path: &str) -> Request {
    Request::get(path).header("x-api-key", "hello")
}

fn post(path: &str, body: &str) -> Request {
    Request::post(path, body).header("x-api-key", "hello").header("content-type", "application/json")
}

/// What filters write for those behind them, and on the way back, comes through one module as through four.
#[test]
fn requests_and_responses_pass_as_in_a_chain() {
    let mesh = Mesh::start(true);
    mesh.upstream
        .on("/json", Answer::default().header("content-type", "application/json").body(r#"{"a":"b@c.example"}"#));
    for request in [
        get("/plain"),
        get("/plain").header("x-user-tier", "vip"),
        get("/plain").header("x-contact", "call b@c.example").header("x-auth-sub", "root"),
        get("/plain").header("x-contact", "b@c.example").header("x-contact", "d@c.example"),
        get("/plain").header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        get("/json"),
        Request::new("HEAD", "/json").header("x-api-key", "hello"),
        post("/json", r#"{"mail":"b@c.example"}"#),
        post("/plain", r#"{"mail":"b@c.example","card":"4111 1111 1111 1111"}"#),
        post("/json", "").chunks([r#"{"mail":"b@c."#, r#"example","x":"#, "1}"]),
        post("/json", "").chunks([r#"{"mail":"b@c."#, r#"example"}"#]).trailer("x-end", "b@c.example"),
        post("/plain", "").trailer("x-end", "1"),
    ] {
        mesh.same(&request);
    }
}

/// Catches a filter that works on what one before it has refused, and one before it that does not see the refusal.
#[test]
fn who_refuses_ends_a_request_as_in_a_chain() {
    let mesh = Mesh::start(true);
    mesh.same(&get("/plain"));
    for (request, status) in [
        (Request::get("/plain"), 401),
        (get("/plain").header("x-api-key", "other"), 401),
        (Request::post("/plain", r#"{"mail":"b@c.example"}"#), 401),
        (get("/plain").header("x-user", "no-more"), 200),
        (get("/plain").header("x-user", "no-more"), 429),
        (post("/plain", "{}").header("x-user", "no-more"), 429),
        (post("/blocked", r#"{"card":"4111 1111 1111 1111"}"#), 403),
        (post("/blocked", "").chunks([r#"{"a":1,"#, r#""card":"4111 1111 1111 1111"}"#]), 403),
    ] {
        let before = mesh.decisions();
        assert_eq!(mesh.same(&request), Some(status), "{request:?}");
        // In a chain and in one module, each, where nobody before the sampler has refused the request.
        let decided = if matches!(status, 401 | 429) { 0 } else { 2 };
        assert_eq!(mesh.decisions() - before, decided, "{request:?}");
    }
    mesh.upstream.on(
        "/blocked",
        Answer::default().header("content-type", "application/json").body(r#"{"card":"4111111111111111"}"#),
    );
    assert_eq!(mesh.same(&get("/blocked")), None, "its headers have gone when the body is found out");
}

/// Catches a body or trailers that release what a filter holds, and a body that is lost when it ends with trailers.
#[test]
fn held_requests_go_on_whole_and_once() {
    for hold_headers in [true, false] {
        let mesh = Mesh::start(hold_headers);
        let mut held = Vec::new();
        for version in VERSIONS {
            for listener in [CHAIN, FUSED] {
                for framing in ["empty", "body", "body-and-trailers", "trailers-only"] {
                    let path = format!("/held/{framing}-{version}-{listener}").replace("HTTP/", "");
                    let mut request = Request::new("POST", &path)
                        .header("authorization", format!("Bearer {TOKEN}"))
                        .header("content-type", "application/json");
                    if framing.contains("trailers") {
                        request = request.trailer("x-end", "1");
                    }
                    let mut upload = version.upload(mesh.addr(listener), request).unwrap();
                    if framing.starts_with("body") {
                        upload.piece(r#"{"mail":"b@c."#).unwrap();
                        upload.piece(r#"example"}"#).unwrap();
                    }
                    upload.end().unwrap();
                    held.push((path, framing, upload));
                }
            }
        }
        // Long enough for whatever would slip through.
        thread::sleep(Duration::from_secs(1));
        assert_eq!(mesh.upstream.count(), 0, "allow_on_headers_stop_iteration {hold_headers}");
        mesh.idp.keys(&mesh::keys());
        for (path, framing, upload) in held {
            let response = upload.response_within(Duration::from_secs(60)).unwrap();
            assert_eq!(response.status, 200, "{path}, {hold_headers}: {}", response.text());
            let received = mesh.upstream.received_at(&path);
            assert_eq!(received.len(), 1, "{path}, {hold_headers}");
            let body: &[u8] = if framing.starts_with("body") { br#"{"mail":"[email]"}"# } else { b"" };
            assert_eq!(received[0].body, body, "{path}, {hold_headers}");
            assert_eq!(received[0].headers.text("x-auth-sub").as_deref(), Some("alice"), "{path}, {hold_headers}");
        }
    }
}

/// All that is wrong is told at once, with where it stands, and nothing of the configuration is taken up.
#[test]
fn a_configuration_is_refused_with_the_names_of_its_sections() {
    let mut configuration = mesh::configuration();
    configuration["auth"]["defualt"] = json!({});
    configuration["rate_limit"]["limits"][0]["rate"] = json!(1);
    configuration.as_object_mut().unwrap().remove("data_masking");
    configuration["tracer"] = json!({});
    let told = mesh::refusal(&configuration);
    for line in [
        r#"fused: configuration refused: auth.defualt: unknown field, did you mean "default"?"#,
        "rate_limit.limits[0].rate: ",
        r#"config: missing field "data_masking""#,
        "tracer: unknown field",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
}
