//! What access logs show.

use std::time::Duration;

use palisade_testbed::{Answer, Request};
use serde_json::{Value, json};

use crate::mesh::{Mesh, Version};

/// How long Envoy may take to write its log.
const SOON: Duration = Duration::from_secs(10);

const KEY: &str = "canary-4c1d";

fn mesh(rule: &Value, more: &Value) -> Mesh {
    let mut configuration = json!({
        "rules": [rule],
        "headers": [
            {"name": "authorization", "direction": ["access_log"], "action": {"replace": "***"}},
            {"name": "x-note", "direction": ["access_log"]},
        ],
    });
    configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Mesh::start_with(&configuration, Version::Http1, |manager| {
        manager["access_log"] = json!([{
            "name": "envoy.access_loggers.stderr",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
                "log_format": {"text_format_source": {"inline_string":
                    "access %FILTER_STATE(wasm.masked_path:PLAIN)% \
                     %FILTER_STATE(wasm.masked_header.authorization:PLAIN)% \
                     %FILTER_STATE(wasm.masked_header.x-note:PLAIN)%\n"}},
            },
        }]);
    })
}

/// Sends a request to an upstream that repeats nothing of it.
fn send(mesh: &Mesh) {
    mesh.upstream.on(&format!("/users/{KEY}"), Answer::default().body("-"));
    assert_eq!(Version::Http1.exchange(mesh.addr(), &request()).unwrap().status, 200);
}

fn request() -> Request {
    Request::get(&format!("/users/{KEY}?mail=a.b@example.com&page=2"))
        .header("authorization", format!("Bearer {KEY}"))
        .header("x-note", "to a.b@example.com")
        .header("x-note", "b")
}

#[test]
fn access_logs_show_what_is_masked_and_the_upstream_gets_what_came() {
    let rule = json!({
        "detectors": [{"type": "email", "action": {"replace": "[{{type}}]"}}],
        "url": {"for": "logs", "segments": [{"segment": 2, "action": {"mask": {"keep_first": 1}}}]},
    });
    let mesh = mesh(&rule, &json!({}));
    send(&mesh);
    let arrived = mesh.upstream.received().pop().unwrap();
    assert_eq!(arrived.path, format!("/users/{KEY}?mail=a.b@example.com&page=2"));
    assert_eq!(arrived.headers.text("authorization"), Some(format!("Bearer {KEY}")));
    mesh.envoy.wait_for_log("access /users/c**********?mail=%5Bemail%5D&page=2 *** to [email],b", SOON).unwrap();
    let log = mesh.envoy.log();
    assert!(!log.contains(KEY) && !log.contains("a.b@example.com"), "{log}");
}

#[test]
fn what_is_to_be_blocked_is_not_in_a_log_either() {
    let rule = json!({"detectors": [{"type": "email", "action": {"block": {}}}], "url": {"for": "logs"}});
    let mesh = mesh(&rule, &json!({}));
    send(&mesh);
    mesh.envoy.wait_for_log("access [blocked] *** [blocked]", SOON).unwrap();
}

#[test]
fn a_report_publishes_nothing() {
    let rule = json!({"detectors": [{"type": "email", "action": "remove"}], "url": {"for": "logs"}});
    let mesh = mesh(&rule, &json!({"report_only": true}));
    send(&mesh);
    mesh.envoy.wait_for_log("access - - -", SOON).unwrap();
    assert!(mesh.counter("hits;type=email;where=request;action=remove") >= 2);
}
