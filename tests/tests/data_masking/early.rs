//! Responses that come before their requests are complete.

use std::thread;
use std::time::Duration;

use palisade_testbed::{Answer, Request, client};
use serde_json::{Value, json};

use crate::mesh::{Mesh, Version};

const MAIL: &str = "a.b@example.com";

/// Long enough for what comes early, and for what must not pass.
const WHILE: Duration = Duration::from_millis(300);

/// The status for a request whose response comes early, and what the upstream has of it.
fn exchange(configuration: &Value, version: client::Version, content_type: &str) -> (u16, String) {
    let mesh = Mesh::start(configuration, Version::Http1);
    mesh.upstream.on("/x", Answer::default().header("content-type", "image/png").body("early").early());
    let request = Request::new("POST", "/x").header("content-type", content_type).header("trailer", "x-note");
    let mut upload = version.upload(mesh.addr(), request.trailer("x-note", MAIL)).unwrap();
    upload.piece("front, ").unwrap();
    thread::sleep(WHILE);
    // Envoy may have closed the connection.
    let _ = upload.piece(MAIL);
    let _ = upload.end();
    let status = upload.response().unwrap().status;
    thread::sleep(WHILE);
    let received = mesh.upstream.received().pop().unwrap();
    let trailers = received.trailers.text("x-note").unwrap_or_default();
    (status, String::from_utf8_lossy(&received.body).into_owned() + &trailers)
}

#[test]
fn a_response_that_comes_early_lets_nothing_of_a_request_pass_unmasked() {
    let rule = json!({"direction": ["request", "response"], "detectors": [{"type": "email", "action": "remove"}]});
    let headers = json!([{"name": "x-note", "direction": ["request"]}]);
    for version in client::VERSIONS {
        // What is masked while it comes, and what passes but for its trailers: both are broken off.
        for content_type in ["text/plain", "image/png"] {
            let (status, seen) = exchange(&json!({"rules": [rule], "headers": headers}), version, content_type);
            assert_eq!(status, 500, "{version} {content_type}");
            assert!(!seen.contains("example"), "{version} {content_type}: {seen}");
        }
        // Where no trailer can be masked there is nothing to wait for.
        assert_eq!(exchange(&json!({"rules": [rule]}), version, "image/png").0, 200, "{version}");
    }
}
