//! A trap: where a module fails in the middle of a request, nobody passes, neither with that request nor with a later one.

use std::fs;

use palisade_testbed::Request;
use serde_json::json;

use crate::mesh::{Mesh, edit_plugin};

/// It comes up like the filter, and fails on each request.
const GUEST: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable))"#;

#[test]
fn a_trap_lets_nobody_through_in_the_shipped_config() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trap.wasm");
    fs::write(&file, wat::parse_str(GUEST).unwrap()).unwrap();
    for policy in ["FAIL_CLOSED", "FAIL_RELOAD"] {
        let mesh = Mesh::start(|builder| {
            builder.concurrency(1).edit(|bootstrap| {
                edit_plugin(bootstrap, |plugin| {
                    assert_eq!(plugin["failure_policy"], "FAIL_CLOSED", "as it ships");
                    plugin["failure_policy"] = policy.into();
                    plugin["vm_config"]["code"] = json!({"local": {"filename": file}});
                })
            })
        })
        .unwrap();
        for request in ["/", "/healthz", "/", "/api"].map(Request::get) {
            assert_eq!(mesh.get(&request).status, 503, "{policy}");
        }
        assert_eq!(mesh.upstream.count(), 0, "{policy}");
        assert!(mesh.envoy.log().contains("unreachable"), "{policy}: {}", mesh.envoy.log());
    }
}
