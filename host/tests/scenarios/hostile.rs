//! Hostile guests: what they would have the host remember, wait for or call ends in an error of its own.

use crate::support::{guest, said};
use palisade_host::{Answer, Clock, FailurePolicy, Host, Limits, LoadError, MetricKind, Random, Shared, StartError};
use std::sync::Arc;
use std::time::Duration;

const MARKER: &str =
    r#"(func (export "proxy_abi_version_0_2_1")) (func (export "malloc") (param i32) (result i32) (i32.const 0))"#;

fn module(content: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {content} {MARKER})")).unwrap()
}

fn loading(bytes: &[u8]) -> StartError {
    Host::builder().module(bytes).build().map(|_| ()).unwrap_err()
}

fn why(host: &Host) -> Vec<&'static str> {
    host.failures().iter().map(|failure| failure.why.name()).collect()
}

#[test]
fn a_callback_with_another_signature_is_refused_with_its_name() {
    let headers = |ty: &str| module(&format!(r#"(func (export "proxy_on_request_headers") {ty} (unreachable))"#));
    let refused =
        |bytes: &[u8]| loading(bytes) == LoadError::BadSignature("proxy_on_request_headers".to_owned()).into();
    assert!(refused(&headers("(param i32 i32) (result i32)")));
    assert!(refused(&headers("(param i32 i32 i32)")));
    assert!(refused(&headers("(param i32 i32 i64) (result i32)")));
    let allocator =
        r#"(module (func (export "proxy_abi_version_0_2_1")) (global (export "malloc") i32 (i32.const 0)))"#;
    assert_eq!(loading(&wat::parse_str(allocator).unwrap()), LoadError::NoAllocator.into());
}

#[test]
fn headers_have_no_end_of_stream_in_the_first_version_of_the_abi() {
    let text = format!(
        r#"(module {} (func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0)))"#,
        MARKER.replace("0_2_1", "0_1_0")
    );
    let host = Host::builder().module(wat::parse_str(text).unwrap()).build().unwrap();
    assert!(host.request("GET /").send().upstream().is_some());
}

#[test]
fn a_reactor_runs_main_once_and_a_command_its_start() {
    let text = |exports: &str| {
        module(&format!(
            r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 0) "123")
            (func $say (param i32) (drop (call $log (i32.const 2) (local.get 0) (i32.const 1)))) {exports}"#
        ))
    };
    let said_at_start = |exports: &str| said(&Host::builder().module(text(exports)).build().unwrap(), 1);
    let initialize = r#"(func (export "_initialize") (call $say (i32.const 0)))"#;
    let main = r#"(func (export "main") (param i32 i32) (result i32) (call $say (i32.const 1)) (i32.const 0))"#;
    let void = r#"(func (export "__main_void") (result i32) (call $say (i32.const 2)) (i32.const 0))"#;
    let start = r#"(func (export "_start") (call $say (i32.const 2)))"#;
    assert_eq!(said_at_start(&[initialize, main, void, start].concat()), "1 2");
    assert_eq!(said_at_start(&[initialize, void].concat()), "1 3");
    assert_eq!(said_at_start(&[main, start].concat()), "3");
}

#[test]
fn several_memories_do_not_grow_beyond_the_limit_together() {
    let bytes = module(
        r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (memory $other 1) (data (i32.const 0) "01")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $log (i32.const 2) (i32.eq (memory.grow $other (i32.const 30)) (i32.const -1)) (i32.const 1)))
          (drop (call $log (i32.const 2) (i32.eq (memory.grow (i32.const 30)) (i32.const -1)) (i32.const 1)))
          (i32.const 0))"#,
    );
    let limits = Limits { memory: 40 << 16, ..Limits::default() };
    let host = Host::builder().module(bytes).limits(limits).build().unwrap();
    host.request("GET /").send();
    assert_eq!(said(&host, 1), "0 1");
}

#[test]
fn memory_that_threads_share_is_refused_since_waiting_for_it_has_no_limit() {
    let bytes = module(r#"(memory (export "memory") 1 1 shared)"#);
    assert!(matches!(loading(&bytes), StartError::Load(LoadError::Invalid(_))));
}

#[test]
fn a_memory_or_a_table_beyond_the_limit_does_not_start() {
    for content in [r#"(memory (export "memory") 65536)"#, "(table 10000000 funcref)"] {
        assert!(matches!(loading(&module(content)), StartError::Failed { .. }), "{content}");
    }
}

#[test]
fn a_trap_in_the_start_section_is_counted_as_any_other() {
    let shared = Arc::new(Shared::new(Clock::still(), Random::Seeded(1), |_| {}));
    let bytes = module("(func $start (unreachable)) (start $start)");
    let outcome = Host::builder().module(bytes).shared(Arc::clone(&shared)).build().map(|_| ());
    assert!(matches!(outcome, Err(StartError::Failed { .. })));
    assert_eq!(shared.metrics.number(MetricKind::Counter, "wasm.trap.unreachable"), Some(1));
}

#[test]
fn a_start_section_without_end_ends() {
    let limits = Limits { fuel: Some(1_000_000), ..Limits::default() };
    let bytes = module("(func $start (loop $again (br $again))) (start $start)");
    let outcome = Host::builder().module(bytes).limits(limits).build().map(|_| ());
    assert!(outcome.unwrap_err().to_string().contains("start trapped: out of fuel"));
}

#[test]
fn what_a_guest_hands_over_without_end_ends_it() {
    let set = "(drop (call $proxy_set_shared_data (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 60000) (i32.const 0)))";
    let add = "(drop (call $proxy_add_header_map_value (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)))";
    let go = "(drop (call $proxy_continue_stream (i32.const 0)))";
    for call in [set, add, go] {
        let body = format!("(loop $again {call} (br $again)) (i32.const 0)");
        let limits = Limits { handed: 1 << 20, ..Limits::default() };
        let host = Host::builder().module(guest("", &[("on_request_headers", &body)])).limits(limits).build().unwrap();
        host.request("GET /").send();
        assert_eq!(why(&host), ["handed"], "{call}");
    }
}

#[test]
fn a_write_of_the_same_bytes_again_and_again_is_a_flood_of_the_log() {
    let bytes = module(
        r#"(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 32)
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $at i32)
          (loop $again
            (i32.store (i32.add (local.get $at) (i32.const 4)) (i32.const 2000000))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $again (i32.lt_u (local.get $at) (i32.const 1000000))))
          (call $write (i32.const 1) (i32.const 0) (i32.const 125000) (i32.const 1000000)))"#,
    );
    let host = Host::builder().module(bytes).build().unwrap();
    host.request("GET /").send();
    assert_eq!(why(&host), ["log"]);
}

#[test]
fn filters_that_set_off_each_other_without_end_do_not_keep_the_host_from_going_on() {
    let call = "(drop (call $proxy_http_call (i32.const 256) (i32.const 1) (i32.const 257) (i32.const 61) \
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1024)))";
    let data = "c\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00\
        :path\\00/\\00:method\\00GET\\00:authority\\00a\\00";
    let first = format!("{call} (i32.const 0)");
    let module = guest(data, &[("on_request_headers", &first), ("on_http_call_response", call)]);
    let host = Host::builder().module(module).cluster("c", |_| Answer::status(200)).build().unwrap();
    assert!(host.request("GET /").send().upstream().is_some());
    host.advance(Duration::from_secs(1));
    assert!(host.log_text().contains("does not come to rest"));
}

#[test]
fn a_new_configuration_starts_a_new_vm_in_place_of_one_that_failed() {
    let traps = "(if (i32.eq (local.get 1) (i32.const 5)) (then (unreachable))) (i32.const 0)";
    let host = Host::builder().module(guest("", &[("on_request_headers", traps)])).config("a").build().unwrap();
    assert_eq!(host.request("GET /").header("a", "b").send().response().status(), 503);
    assert_eq!(host.request("GET /").send().response().status(), 503);
    host.update("b").unwrap();
    assert!(host.request("GET /").send().upstream().is_some());
    assert_eq!(host.counters(1).len(), 2, "the failed one can still be asked");
}

#[test]
fn plugins_that_share_a_vm_share_the_one_that_takes_its_place() {
    let traps = "(if (i32.eq (local.get 1) (i32.const 5)) (then (unreachable))) (i32.const 0)";
    let module = guest("", &[("on_request_headers", traps)]);
    let reload = FailurePolicy::Reload;
    let host = Host::builder().module(&module).name("one").failure_policy(reload);
    let host = host.module(&module).name("two").failure_policy(reload).build().unwrap();
    assert_eq!(host.request("GET /").header("a", "b").send().response().status(), 503);
    host.request("GET /").send();
    assert_eq!(host.counters(1).len(), 2);
}

#[test]
fn vms_that_fail_again_and_again_are_not_all_kept() {
    let module = guest("", &[("on_request_headers", "(unreachable)")]);
    let host = Host::builder().module(module).failure_policy(FailurePolicy::Reload).build().unwrap();
    for _ in 0..40 {
        host.request("GET /").send();
        host.advance(Duration::from_secs(1));
    }
    assert_eq!(host.counters(1).len(), 17);
}

/// With a configuration of one byte it waits for a queue, an answer and a tick. It says 1 when its root is deleted, and 2 when
/// it is told of a queue or an answer.
fn leaving(done: &str) -> Vec<u8> {
    let data = "c\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00\
        :path\\00/\\00:method\\00GET\\00:authority\\00a\\00";
    let configure = "(if (i32.eq (local.get 1) (i32.const 1)) (then
        (drop (call $proxy_register_shared_queue (i32.const 0) (i32.const 1) (i32.const 1024)))
        (drop (call $proxy_set_tick_period_milliseconds (i32.const 500)))
        (drop (call $proxy_http_call (i32.const 256) (i32.const 1) (i32.const 257) (i32.const 61) \
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 60000) (i32.const 1024))))) (i32.const 1)";
    let callbacks = [
        ("on_configure", configure),
        ("on_done", done),
        ("on_delete", "(call $say (i32.const 1))"),
        ("on_http_call_response", "(call $say (i32.const 2))"),
        ("on_queue_ready", "(call $say (i32.const 2))"),
        ("on_tick", "(drop (call $proxy_done))"),
    ];
    guest(data, &callbacks)
}

#[test]
fn a_root_that_says_later_that_it_is_done_is_deleted_then() {
    let host = Host::builder().module(leaving("(i32.const 0)")).config("a");
    let host = host.cluster("c", |_| Answer::never()).build().unwrap();
    host.update("bb").unwrap();
    host.drain();
    assert_eq!(said(&host, 1), "");
    host.advance(Duration::from_millis(1500));
    assert_eq!(said(&host, 1), "1");
}

#[test]
fn a_root_that_is_deleted_is_told_of_no_answer_and_no_queue() {
    let host = Host::builder().module(leaving("(i32.const 1)")).config("a");
    let host = host.cluster("c", |_| Answer::status(200).after(Duration::from_secs(10))).build().unwrap();
    let queue = host.shared().queues.resolve("", b"0").unwrap();
    host.update("bb").unwrap();
    host.drain();
    host.shared().queues.enqueue(queue, b"item");
    host.advance(Duration::from_secs(20));
    assert_eq!(said(&host, 1), "1");
}
