//! Messages that do not pass.

use palisade_testbed::{Answer, Request};
use serde_json::json;

use crate::mesh::{Mesh, VERSIONS, Version};

#[test]
fn a_request_that_cannot_be_read_never_reaches_the_upstream() {
    let rules = json!([{"direction": ["request"], "fields": [{"path": "$.a", "action": {"mask": {}}}]}]);
    for (client, upstream) in VERSIONS {
        let mesh = Mesh::start(&json!({"rules": rules}), upstream);
        let request = Request::post("/x", "{}").header("content-type", "application/json");
        let zstd = request.clone().header("content-encoding", "zstd");
        assert_eq!(client.exchange(mesh.addr(), &zstd).unwrap().status, 415);
        assert_eq!(mesh.upstream.count(), 0, "{client:?}");
        let wide = Request::post("/x", "{}").header("content-type", "application/json; charset=utf-16");
        assert_eq!(client.exchange(mesh.addr(), &wide).unwrap().status, 415);
        assert_eq!(mesh.upstream.count(), 0, "{client:?}");
        let invalid = Request::post("/x", "{\"a\": secret}").header("content-type", "application/json");
        assert_eq!(client.exchange(mesh.addr(), &invalid).unwrap().status, 400);
        assert_eq!(client.exchange(mesh.addr(), &request).unwrap().status, 200);
    }
}

#[test]
fn a_response_that_must_not_pass_is_broken_off() {
    let rules = json!([{"detectors": [{"type": "email", "action": {"block": {"status": 502}}}]}]);
    let mesh = Mesh::start(&json!({"rules": rules}), Version::Http1);
    let text = |body: &str| Answer::default().header("content-type", "text/plain").body(body);
    if let Ok(response) = mesh.get(Version::Http1, text("write to a.b@example.com")) {
        assert!(response.status == 502 && !response.text().contains("example"), "{response:?}");
    }
    assert_eq!(mesh.get(Version::Http1, text("write to nobody")).unwrap().text(), "write to nobody");
    assert_eq!(mesh.counter("hits;type=email;where=response;action=block"), 1);
}

#[test]
fn what_cannot_be_masked_passes_where_the_config_says_so() {
    let rules = json!([{"fields": [{"path": "$.a", "action": {"mask": {}}}]}]);
    let json = |body: &str| Answer::default().header("content-type", "application/json").body(body);
    let mesh = Mesh::start(&json!({"rules": rules, "bodies": {"on_error": "pass"}}), Version::Http1);
    let body = "{\"a\": \"x\", \"b\": oops, \"a\": \"y\"}";
    let response = mesh.get(Version::Http1, json(body)).unwrap();
    assert_eq!(response.text(), body);
    let mesh = Mesh::start(&json!({"rules": rules}), Version::Http1);
    if let Ok(response) = mesh.get(Version::Http1, json(body)) {
        assert!(response.status == 502 && !response.text().contains('x'), "{response:?}");
    }
}
