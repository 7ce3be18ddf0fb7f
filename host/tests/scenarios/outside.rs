//! The outside: callouts, ticks, queues, shared data, metrics.

use crate::support::{guest, said};
use palisade_host::{Answer, Host, HostBuilder};
use std::time::Duration;

/// `callouts`, then pairs of `:path` `/`, `:method` `GET`, `:authority` `a`.
const CALL_DATA: &str = "callouts\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00\
    :path\\00/\\00:method\\00GET\\00:authority\\00a\\00";

fn call(timeout: &str) -> String {
    format!(
        "(call $number (call $proxy_http_call (i32.const 256) (i32.const 8) (i32.const 264) (i32.const 61) \
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const {timeout}) (i32.const 1024)))\
        (global.set $held (i32.const 2)) (i32.const 1)"
    )
}

/// Logs the token, how many headers there are, and the size of the body; then lets the stream 2 go on.
const ANSWERED: &str = "(call $number (local.get 1)) (call $number (local.get 2)) (call $number (local.get 3)) \
    (call $number (call $proxy_set_effective_context (global.get $held))) (drop (call $proxy_continue_stream (i32.const 0)))";

fn host(timeout: &str) -> HostBuilder {
    Host::builder()
        .module(guest(CALL_DATA, &[("on_request_headers", &call(timeout)), ("on_http_call_response", ANSWERED)]))
}

#[test]
fn an_answer_to_a_callout_comes_on_the_root_and_lets_the_stream_go_on() {
    let host = host("1000").cluster("callouts", |callout| {
        assert_eq!(callout.headers.text(":path").as_deref(), Some("/"));
        Answer::status(200).header("a", "b").body("abc").after(Duration::from_millis(10))
    });
    let host = host.build().unwrap();
    let exchange = host.request("GET /").send();
    assert!(exchange.request_paused() && exchange.upstream().is_none());
    host.advance(Duration::from_millis(10));
    assert!(exchange.upstream().is_some());
    assert_eq!(said(&host, 1), "00 04 02 03 00");
}

#[test]
fn a_cluster_that_there_is_none_of_and_a_timeout_without_end_are_2() {
    let without = host("1000").build().unwrap();
    without.request("GET /").send();
    let endless = host("-1").cluster("callouts", |_| Answer::never()).build().unwrap();
    endless.request("GET /").send();
    assert_eq!((said(&without, 1).as_str(), said(&endless, 1).as_str()), ("02", "02"));
}

#[test]
fn a_refused_callout_is_503_and_a_late_one_504() {
    let refused = host("1000").cluster("callouts", |_| Answer::refused()).build().unwrap();
    refused.request("GET /").send();
    assert_eq!(said(&refused, 1), "00 04 03 98 00");
    let late = host("50").cluster("callouts", |_| Answer::status(200).after(Duration::from_secs(1))).build().unwrap();
    late.request("GET /").send();
    late.advance(Duration::from_millis(49));
    assert_eq!(said(&late, 1), "00");
    late.advance(Duration::from_secs(5));
    assert_eq!(said(&late, 1), "00 04 03 24 00", "once, and not again when it comes");
}

#[test]
fn an_answer_comes_also_when_its_stream_is_gone() {
    let host = host("0").cluster("callouts", |_| Answer::status(200).after(Duration::from_secs(100))).build().unwrap();
    host.request("GET /").send().abort();
    host.advance(Duration::from_secs(100));
    assert_eq!(said(&host, 1), "00 04 01 00 02");
}

#[test]
fn roots_tick_on_the_main_thread_and_on_each_worker() {
    let module = guest(
        "",
        &[
            ("on_configure", "(drop (call $proxy_set_tick_period_milliseconds (i32.const 100))) (i32.const 1)"),
            ("on_tick", "(call $say (i32.const 1))"),
        ],
    );
    let host = Host::builder().module(module).workers(2).build().unwrap();
    host.advance(Duration::from_millis(350));
    assert_eq!([0, 1, 2].map(|worker| said(&host, worker)), ["1 1 1", "1 1 1", "1 1 1"]);
}

#[test]
fn an_item_of_a_queue_is_told_to_the_root_that_registered_it_last() {
    let module = guest(
        "",
        &[
            (
                "on_configure",
                "(drop (call $proxy_register_shared_queue (i32.const 0) (i32.const 1) (i32.const 1024))) (i32.const 1)",
            ),
            (
                "on_request_headers",
                "(drop (call $proxy_enqueue_shared_queue (i32.const 1) (i32.const 0) (i32.const 3))) (i32.const 0)",
            ),
            ("on_queue_ready", "(call $say (local.get 1))"),
        ],
    );
    let host = Host::builder().module(module).workers(2).build().unwrap();
    host.request("GET /").worker(1).send();
    assert_eq!([0, 1, 2].map(|worker| said(&host, worker)), ["", "", "1"]);
}

#[test]
fn workers_share_metrics_and_data() {
    let module = guest(
        "hits",
        &[
            (
                "on_configure",
                "(drop (call $proxy_define_metric (i32.const 0) (i32.const 256) (i32.const 4) (i32.const 1024))) (i32.const 1)",
            ),
            (
                "on_request_headers",
                "(drop (call $proxy_increment_metric (i32.load (i32.const 1024)) (i64.const 1))) (i32.const 0)",
            ),
        ],
    );
    let host = Host::builder().module(module).workers(3).build().unwrap();
    for _ in 0..6 {
        host.request("GET /").send();
    }
    assert_eq!(host.metric("hits"), Some(6));
}
