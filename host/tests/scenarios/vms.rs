//! VMs: what loads, what becomes of a trap, what a configuration's update does.

use crate::support::{guest, said};
use palisade_host::{FailurePolicy, Fault, Host, Limits, LoadError, StartError, Status, Why};
use std::time::Duration;

fn loading(bytes: &[u8]) -> LoadError {
    match Host::builder().module(bytes).build().map(|_| ()) {
        Err(StartError::Load(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

const MARKER: &str =
    r#"(func (export "proxy_abi_version_0_2_1")) (func (export "malloc") (param i32) (result i32) (i32.const 0))"#;

#[test]
fn what_is_no_module_of_this_abi_is_refused_with_its_reason() {
    assert_eq!(loading(b"plain text"), LoadError::NotWasm);
    assert_eq!(loading(b""), LoadError::NotWasm);
    assert_eq!(loading(b"\0asm\x0d\0\x01\0"), LoadError::Component);
    assert!(matches!(loading(b"\0asm\x01\0\0\0garbage"), LoadError::Invalid(_)));
    assert_eq!(loading(&wat("(module)")), LoadError::NoAbi);
    assert_eq!(loading(&wat(r#"(module (func (export "proxy_abi_version_0_2_1")))"#)), LoadError::NoAllocator);
}

#[test]
fn an_import_that_envoy_does_not_have_is_refused_with_its_name() {
    let import = |module: &str, name: &str, ty: &str| {
        loading(&wat(&format!(r#"(module (import "{module}" "{name}" (func {ty})) {MARKER})"#))).to_string()
    };
    assert!(import("env", "proxy_teleport", "").contains("env.proxy_teleport: Envoy has no such function"));
    assert!(import("wasi_snapshot_preview1", "proc_raise", "(param i32) (result i32)").contains("proc_raise"));
    assert!(import("env", "proxy_log", "(param i32)").contains("another signature"));
    assert!(import("other", "proxy_log", "(param i32 i32 i32) (result i32)").contains("other.proxy_log"));
}

#[test]
fn modules_of_all_versions_load() {
    for version in ["0_1_0", "0_2_0", "0_2_1"] {
        let module = wat(&format!("(module {})", MARKER.replace("0_2_1", version)));
        assert!(Host::builder().module(module).build().is_ok(), "{version}");
    }
}

#[test]
fn start_functions_may_log_and_no_more() {
    let start = |call: &str| {
        let text = format!(
            r#"(module (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_log_level" (func $level (param i32) (result i32)))
            (memory (export "memory") 1) {MARKER} (func (export "_initialize") (drop {call})))"#
        );
        Host::builder().module(wat(&text)).build().map(|_| ())
    };
    assert_eq!(start("(call $log (i32.const 2) (i32.const 0) (i32.const 1))"), Ok(()));
    let error = start("(call $level (i32.const 0))").unwrap_err();
    assert!(error.to_string().contains("restricted callback proxy_get_log_level"), "{error}");
}

/// Traps in this way when a request comes.
fn trap(how: &str) -> Host {
    let limits = Limits { fuel: Some(5_000_000), ..Limits::default() };
    let callbacks = [("on_request_headers", format!("{how} (i32.const 0)"))];
    let callbacks: Vec<_> = callbacks.iter().map(|(name, body)| (*name, body.as_str())).collect();
    Host::builder().module(guest("", &callbacks)).limits(limits).build().unwrap()
}

#[test]
fn each_way_to_fail_has_its_own_name_and_metric_and_the_client_gets_503() {
    let flood = "(loop $again (drop (call $proxy_log (i32.const 2) (i32.const 0) (i32.const 60000))) (br $again))";
    for (how, name) in [("(unreachable)", "unreachable"), ("(loop $again (br $again))", "fuel"), (flood, "log")] {
        let host = trap(how);
        let exchange = host.request("GET /").send();
        assert_eq!(exchange.response().status(), 503, "{name}");
        assert_eq!(host.failures()[0].why.name(), name);
        assert_eq!(host.failures()[0].callback, "proxy_on_request_headers");
        let metric = host.shared().metrics.number(palisade_host::MetricKind::Counter, &format!("wasm.trap.{name}"));
        assert_eq!(metric, Some(1));
    }
}

#[test]
fn recursion_without_end_ends_in_out_of_stack() {
    let text = format!(
        r#"(module (memory (export "memory") 1) {MARKER}
        (func $deeper (param i32) (result i32) (i32.add (call $deeper (local.get 0)) (i32.const 1)))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $deeper (i32.const 0))))"#
    );
    let host = Host::builder().module(wat(&text)).build().unwrap();
    assert_eq!(host.request("GET /").send().response().status(), 503);
    assert_eq!(host.failures()[0].why, Why::Stack);
}

#[test]
fn a_loop_ends_when_its_time_is_over() {
    let limits = Limits { fuel: None, time: Some(Duration::from_millis(50)), ..Limits::default() };
    let module = guest("", &[("on_request_headers", "(loop $again (br $again)) (i32.const 0)")]);
    let host = Host::builder().module(module).limits(limits).build().unwrap();
    assert_eq!(host.request("GET /").send().response().status(), 503);
    assert_eq!(host.failures()[0].why, Why::Time);
}

#[test]
fn memory_does_not_grow_beyond_its_limit() {
    let grow = "(call $say (i32.eq (memory.grow (i32.const 100)) (i32.const -1))) (i32.const 0)";
    let limits = Limits { memory: 2 << 20, ..Limits::default() };
    let host = Host::builder().module(guest("", &[("on_request_headers", grow)])).limits(limits).build().unwrap();
    host.request("GET /").send();
    assert_eq!(said(&host, 1), "1");
    assert!(host.counters(1)[0].peak_memory <= 2 << 20);
}

#[test]
fn a_trap_in_each_callback_leaves_a_host_that_answers() {
    for callback in [
        "on_request_headers",
        "on_request_body",
        "on_request_trailers",
        "on_response_headers",
        "on_response_body",
        "on_response_trailers",
        "on_log",
        "on_done",
        "on_delete",
        "on_context_create",
    ] {
        // Not in the root's own creation.
        let body =
            if callback == "on_context_create" { "(if (local.get 1) (then (unreachable)))" } else { "(unreachable)" };
        let host = Host::builder().module(guest("", &[(callback, body)])).build().unwrap();
        let exchange = host.request("POST /").chunk("abc").trailer("t", "1").send();
        if exchange.upstream().is_some_and(|request| request.complete) {
            exchange.respond(200).chunk("abc").trailer("t", "1").send();
        }
        assert_eq!(host.request("GET /").send().response().status(), 503, "{callback}");
        assert_eq!(host.failures().len(), 1, "{callback}");
    }
}

/// Traps at requests of the worker's first VM only: it is the first to find the key.
fn once() -> Vec<u8> {
    let once = "(if (call $proxy_get_shared_data (i32.const 0) (i32.const 1) (i32.const 1024) (i32.const 1028) (i32.const 1032)) \
        (then (drop (call $proxy_set_shared_data (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))) (unreachable))) \
        (i32.const 0)";
    guest("", &[("on_request_headers", once)])
}

fn statuses(policy: FailurePolicy, waits: &[u64]) -> Vec<u16> {
    let host = Host::builder().module(once()).failure_policy(policy);
    let host = host.upstream(|_| palisade_host::Answer::status(200)).build().unwrap();
    let mut statuses = vec![host.request("GET /").send().response().status()];
    for wait in waits {
        host.advance(Duration::from_millis(*wait));
        statuses.push(host.request("GET /").send().response().status());
    }
    statuses
}

#[test]
fn after_a_trap_requests_fare_as_the_failure_policy_says() {
    assert_eq!(statuses(FailurePolicy::Closed, &[1, 60_000]), [503, 503, 503]);
    assert_eq!(statuses(FailurePolicy::Open, &[1]), [503, 200]);
    assert_eq!(statuses(FailurePolicy::OpenAtOnce, &[1]), [200, 200]);
    assert_eq!(statuses(FailurePolicy::Reload, &[1]), [503, 200]);
}

#[test]
fn a_vm_that_fails_again_at_once_is_not_reloaded_for_a_second() {
    let module = guest("", &[("on_request_headers", "(unreachable)")]);
    let host = Host::builder().module(module).failure_policy(FailurePolicy::Reload).build().unwrap();
    for _ in 0..4 {
        assert_eq!(host.request("GET /").send().response().status(), 503);
    }
    let count = |what: &str| {
        let name = format!("wasm.plugin.vm_reload_{what}");
        host.shared().metrics.number(palisade_host::MetricKind::Counter, &name).unwrap_or_default()
    };
    assert_eq!((count("success"), count("backoff")), (1, 2));
    host.advance(Duration::from_secs(1));
    host.request("GET /").send();
    assert_eq!(count("success"), 2);
}

#[test]
fn what_the_capabilities_leave_out_is_10_and_a_callback_left_out_is_not_called() {
    let module = guest(
        "",
        &[
            ("on_request_headers", "(call $number (call $proxy_done)) (i32.const 0)"),
            ("on_log", "(call $say (i32.const 1))"),
        ],
    );
    let run = |names: &[&str]| {
        let host = Host::builder().module(&module).capabilities(names.iter().copied()).build().unwrap();
        host.request("GET /").send().respond(204).send();
        said(&host, 1)
    };
    assert_eq!(run(&["proxy_log", "proxy_on_request_headers", "proxy_on_log"]), "10 1");
    assert_eq!(run(&["proxy_log", "proxy_done", "proxy_on_request_headers"]), "01");
    assert_eq!(run(&["proxy_log", "proxy_done"]), "");
}

#[test]
fn any_status_can_be_given_to_any_call_and_a_trap_to_the_nth() {
    let module = guest("", &[("on_request_headers", "(call $number (call $proxy_done)) (i32.const 0)")]);
    let host = Host::builder().module(module).build().unwrap();
    host.inject(&Fault::answer("proxy_done", Status::UNIMPLEMENTED));
    host.request("GET /").send();
    host.clear_faults();
    host.inject(&Fault::trap("proxy_done", 2));
    host.request("GET /").send();
    host.request("GET /").send();
    assert_eq!(said(&host, 1), "12 01");
    assert_eq!(host.failures()[0].why, Why::Injected("proxy_done"));
}

/// Refuses an empty configuration; logs when it is configured, and the root of each request.
fn configured() -> Vec<u8> {
    guest(
        "",
        &[
            ("on_vm_start", "(call $say (i32.const 1)) (i32.const 1)"),
            ("on_configure", "(call $say (i32.const 2)) (i32.ne (local.get 1) (i32.const 0))"),
            ("on_context_create", "(if (local.get 1) (then (call $number (local.get 1))))"),
            ("on_delete", "(call $say (i32.const 3))"),
            ("on_done", "(i32.const 1)"),
        ],
    )
}

#[test]
fn a_new_configuration_gets_a_second_root_in_the_same_vm_and_the_old_one_is_taken_up_again_without_a_call() {
    let host = Host::builder().module(configured()).config("a").build().unwrap();
    assert_eq!(said(&host, 1), "1 2");
    host.request("GET /").send();
    host.update("bb").unwrap();
    host.request("GET /").send();
    host.update("a").unwrap();
    host.request("GET /").send();
    // The first root is 1, its stream 2, and the second root 3.
    assert_eq!(said(&host, 1), "1 2 01 1 2 03 01");
}

#[test]
fn a_root_that_no_chain_has_any_more_is_deleted_when_it_has_drained() {
    let host = Host::builder().module(configured()).config("a").build().unwrap();
    host.update("bb").unwrap();
    host.drain();
    assert_eq!(said(&host, 1), "1 2 1 2 3");
}

#[test]
fn a_bad_configuration_is_refused_and_the_old_one_stays() {
    let host = Host::builder().module(configured()).config("a").build().unwrap();
    assert_eq!(host.update(""), Err(StartError::ConfigureRefused("plugin".to_owned())));
    host.request("GET /").send();
    assert_eq!(said(&host, 1), "1 2 01");
    let refused = Host::builder().module(configured()).build().map(|_| ());
    assert_eq!(refused, Err(StartError::ConfigureRefused("plugin".to_owned())));
}

#[test]
fn plugins_of_one_vm_have_roots_of_their_own() {
    let module = configured();
    let host = Host::builder().module(&module).name("one").config("a").module(&module).name("two").config("b");
    let host = host.build().unwrap();
    host.request("GET /").send();
    assert_eq!(said(&host, 1), "1 2 1 2 01 02");
}

#[test]
fn the_same_scenario_burns_the_same_fuel_and_makes_the_same_calls_each_time() {
    let run = || {
        let host = Host::builder().module(once()).failure_policy(FailurePolicy::Reload).build().unwrap();
        for _ in 0..3 {
            host.request("POST /").chunk("abc").send();
        }
        (host.counters(1), host.log())
    };
    let first = run();
    assert!(first.0[0].fuel > 0);
    for _ in 0..100 {
        assert_eq!(run(), first);
    }
}
