//! Modules that were made otherwise than with this project's SDK, as they are, on the embedded host and on Envoy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::process::Command;

use palisade::build::{Source, Workspace, build};
use palisade_host::{Answer, Host};
use palisade_testbed::envoy::bootstrap::{manager, single, wasm};
use palisade_testbed::{Envoy, Request, Upstream, checkout, http1};
use serde_json::json;
use tempfile::TempDir;

/// The greeter, which is in C on wasi-libc: with `_initialize`, standard output, the environment and the clock.
fn greeter() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("greeter.wasm");
    let mut clang = Command::new("clang");
    clang.args(["--target=wasm32-wasi", "-mexec-model=reactor", "-O2", "-o"]).arg(&module);
    let compiled = clang.arg(checkout::root().unwrap().join("tests/guests/c/greeter.c")).status().unwrap();
    assert!(compiled.success());
    (folder, module)
}

#[test]
fn a_module_in_c_runs_on_the_embedded_host() {
    let (_folder, module) = greeter();
    let host = Host::builder().module(std::fs::read(module).unwrap()).environment("GREETED", "you");
    let host = host.upstream(|_| Answer::status(200)).build().unwrap();
    let exchange = host.request("GET /").send();
    assert_eq!(exchange.upstream().unwrap().header("x-greeting").as_deref(), Some("hello you"));
    assert_eq!(exchange.response().status(), 200);
    assert_eq!(host.log_text().lines().next(), Some("it is late"));
}

#[test]
fn a_module_in_c_runs_on_envoy() {
    let (_folder, module) = greeter();
    let upstream = Upstream::start().unwrap();
    let plugin = json!({
        "name": "greeter",
        "vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": module.display().to_string()}},
            "environment_variables": {"key_values": {"GREETED": "you"}},
        },
    });
    let envoy = Envoy::from_value(single(&manager("ingress", [wasm(&plugin)])));
    let envoy = envoy.cluster("upstream", upstream.addr()).unwrap().concurrency(1).start().unwrap();
    let response = http1::exchange(envoy.addr("ingress").unwrap(), &Request::get("/")).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(upstream.received()[0].headers.get("x-greeting"), Some(&b"hello you"[..]));
    assert!(envoy.log().contains("it is late"));
}

/// The guard, whose module is of the upstream `proxy-wasm` crate.
#[test]
fn a_module_of_the_proxy_wasm_crate_runs_on_the_embedded_host() {
    let root = checkout::root().unwrap();
    let out = root.join("target/guests/unchanged");
    let source = Source::Guest(root.join("tests/guests/guard/proxy-wasm"));
    let modules = build(&Workspace::find().unwrap(), &source, &out).unwrap();
    let host = Host::builder().module(std::fs::read(out.join(&modules[0].file)).unwrap());
    let host = host.config(r#"{"word": "secret"}"#).upstream(|_| Answer::status(200)).build().unwrap();
    assert_eq!(host.request("GET /").header("x-kind", "secret").send().response().status(), 403);
    assert_eq!(host.request("POST /").body("a secret").send().response().status(), 403);
    let passed = host.request("POST /").body("nothing").send();
    assert_eq!((passed.response().status(), passed.upstream().unwrap().text().as_str()), (200, "nothing"));
    assert!(host.failures().is_empty());
}
