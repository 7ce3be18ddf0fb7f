//! gRPC messages that wait for their ends.

use palisade_testbed::Request;
use palisade_testbed::client::Version::Http2;
use serde_json::json;

use crate::mesh::{Mesh, Version};

/// The front of a message of 1 MiB.
const BEGUN: &str = "\0\0\x10\0\0";

#[test]
fn messages_that_wait_for_their_ends_leave_the_worker_its_memory() {
    let rules = json!([{"direction": ["request"], "grpc": {"fields": [{"path": [1], "action": "remove"}]}}]);
    let mesh = Mesh::start(&json!({"rules": rules}), Version::Http2);
    let upload = |content: usize| {
        let request = Request::new("POST", "/x").header("content-type", "application/grpc").header("te", "trailers");
        let mut upload = Http2.upload(mesh.addr(), request).unwrap();
        let outcome = upload.piece(BEGUN).and_then(|()| upload.piece(&"x".repeat(content)));
        (upload, outcome)
    };
    // Each holds nearly 1 MiB, and all together may hold 64 MiB more than each may in any case.
    let mut waiting = Vec::new();
    while mesh.counter("failures;where=request;reason=memory") == 0 {
        waiting.push(upload((1 << 20) - 100));
        assert!(waiting.len() < 80, "none fails");
    }
    assert!(waiting.len() > 60, "{}", waiting.len());
    let (refused, _) = waiting.pop().unwrap();
    let response = refused.response().unwrap();
    // Unavailable: it may be tried again.
    assert_eq!((response.status, response.headers.text("grpc-status").as_deref()), (200, Some("14")));
    // One more may have been on its way when the first failed.
    let failed = mesh.counter("failures;where=request;reason=memory");
    let (mut short, _) = upload(1000);
    short.piece("more").unwrap();
    assert_eq!(mesh.counter("failures;where=request;reason=memory"), failed);
    // They have all gone: there is room again.
    drop((short, waiting));
    let (mut one, outcome) = upload((1 << 20) - 100);
    outcome.unwrap();
    one.piece("more").unwrap();
}
