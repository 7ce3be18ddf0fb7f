//! Messages that do not pass.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use palisade_testbed::{Answer, ModuleServer, Request, checkout};
use serde_json::json;

use crate::mesh::{Mesh, VERSIONS, Version, envoy};

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

/// An upstream that answers one request with these bytes, and closes.
fn upstream(answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = BufReader::new(stream.try_clone().unwrap());
        request.lines().take_while(|line| !line.as_ref().unwrap().is_empty()).for_each(drop);
        stream.write_all(answer.as_bytes()).unwrap();
    });
    addr
}

#[test]
fn a_body_of_another_length_than_it_says_neither_passes_nor_looks_complete() {
    let configuration = json!({"rules": [{"detectors": [{"type": "email", "action": {"replace": "[mail]"}}]}]});
    let modules = ModuleServer::start(checkout::root().unwrap().join("dist/modules")).unwrap();
    let body = "to a.b@example.com, to a.b@example.com";
    for (len, expected) in [(body.len() + 10, None), ("to a.b@example.com".len(), Some("to [mail]"))] {
        for version in [Version::Http1, Version::Http2] {
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {len}\r\n\r\n{body}");
            let envoy = envoy(&configuration, &modules, upstream(answer), |_| Ok(())).unwrap();
            let response = version.exchange(envoy.addr("ingress").unwrap(), &Request::get("/x"));
            let text = response.map(|response| response.text()).ok();
            assert_eq!(text.as_deref(), expected, "{version:?} {len}");
        }
    }
}
