//! The known gaps of the README: what this host does otherwise than Envoy.

use crate::support::{guest, said};
use palisade_host::Host;

/// A module that makes one call of the host when a request comes, and says the status.
fn calling(import: &str, data: &str, call: &str) -> Host {
    let text = format!(
        r#"(module {import}
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "0123456789") (data (i32.const 256) "{data}")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 4096))
        (func (export "proxy_on_new_connection") (param i32) (result i32) (unreachable))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $log (i32.const 2) {call} (i32.const 1))) (i32.const 0)))"#
    );
    let host = Host::builder().module(wat::parse_str(text).unwrap()).build().unwrap();
    host.request("GET /").send();
    host
}

const PROPERTY: &str = r#"(import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))"#;

#[test]
fn callbacks_of_tcp_are_not_called() {
    let host = calling(PROPERTY, "", "(i32.const 1)");
    assert!(host.failures().is_empty());
}

#[test]
fn any_filter_state_of_envoy_s_can_be_set() {
    let import =
        r#"(import "env" "proxy_call_foreign_function" (func $call (param i32 i32 i32 i32 i32 i32) (result i32)))"#;
    // The path `envoy.unknown`, and the value `v`.
    let data = "set_envoy_filter_state\\0a\\0denvoy.unknown\\12\\01v";
    let call =
        "(call $call (i32.const 256) (i32.const 22) (i32.const 278) (i32.const 18) (i32.const 1024) (i32.const 1028))";
    assert_eq!(said(&calling(import, data, call), 1), "0");
}

#[test]
fn nothing_resolves_names() {
    let import = r#"(import "env" "envoy_resolve_dns" (func $resolve (param i32 i32 i32) (result i32)))"#;
    let call = "(call $resolve (i32.const 256) (i32.const 9) (i32.const 1024))";
    assert_eq!(said(&calling(import, "localhost", call), 1), "2");
}

#[test]
fn the_node_is_not_told() {
    let call = "(call $get (i32.const 256) (i32.const 8) (i32.const 1024) (i32.const 1028))";
    assert_eq!(said(&calling(PROPERTY, "xds\\00node", call), 1), "1");
}

/// Two filters that hold a body back see it one after the other.
#[test]
fn each_filter_of_a_chain_has_a_buffer_of_its_own() {
    let hold = guest("", &[("on_request_body", "(call $number (local.get 1)) (i32.eqz (local.get 2))")]);
    let host = Host::builder().module(&hold).module(&hold).buffer_limit(6).build().unwrap();
    let exchange = host.request("POST /").chunk("abc").chunk("def").send();
    assert_eq!(exchange.upstream().unwrap().text(), "abcdef");
    assert_eq!(said(&host, 1), "03 06 06 06");
}
