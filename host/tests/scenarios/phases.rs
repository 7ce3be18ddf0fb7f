//! Phases: what a filter's answers do to a stream, as it was seen on Envoy.

use crate::support::{guest, said};
use palisade_host::{Delivery, Host, HostBuilder};

fn host(data: &str, callbacks: &[(&str, &str)]) -> HostBuilder {
    Host::builder().module(guest(data, callbacks))
}

/// Logs the size of the body and whether it ends, and holds it.
const HOLD: &str = "(call $number (local.get 1)) (call $say (local.get 2)) (i32.const 1)";
const SIZES: &str = "(call $number (local.get 1)) (call $say (local.get 2)) (i32.const 0)";
const PASS: &str = "(i32.const 0)";
const PAUSE: &str = "(i32.const 1)";

#[test]
fn a_body_that_is_held_grows_and_its_end_comes_by_itself() {
    let host = host("", &[("on_request_body", HOLD)]).build().unwrap();
    let exchange = host.request("POST /").chunk("abc").chunk("defgh").send();
    assert_eq!(said(&host, 1), "03 0 08 0 08 1");
    assert!(exchange.upstream().unwrap().body.is_empty());
}

#[test]
fn over_http2_the_end_comes_with_the_last_bytes() {
    let host = host("", &[("on_request_body", SIZES)]).build().unwrap();
    let exchange = host.request("POST /").chunk("abc").chunk("de").delivery(Delivery::WithLast).send();
    assert_eq!(said(&host, 1), "03 0 02 1");
    assert_eq!(exchange.upstream().unwrap().text(), "abcde");
}

#[test]
fn a_body_that_is_held_and_let_go_is_passed_whole() {
    let last = "(call $number (local.get 1)) (i32.eqz (local.get 2))";
    let host = host("", &[("on_request_body", last)]).build().unwrap();
    let exchange = host.request("POST /").chunk("abc").chunk("defgh").send();
    let upstream = exchange.upstream().unwrap();
    assert_eq!((upstream.text().as_str(), upstream.complete), ("abcdefgh", true));
}

#[test]
fn a_held_body_can_be_read_and_replaced_in_the_trailers_callback() {
    let replace = "(drop (call $proxy_set_buffer_bytes (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 256) (i32.const 3)))\
        (i32.const 0)";
    let host = host("new", &[("on_request_body", HOLD), ("on_request_trailers", replace)]).build().unwrap();
    let exchange = host.request("POST /").chunk("abc").trailer("t", "1").send();
    let upstream = exchange.upstream().unwrap();
    assert_eq!(upstream.text(), "new");
    assert_eq!(upstream.trailers.unwrap().text("t").as_deref(), Some("1"));
}

#[test]
fn a_body_held_beyond_the_limit_is_413_through_the_filter_s_own_response_callbacks() {
    let seen = "(call $say (i32.const 7)) (i32.const 0)";
    let host = host("", &[("on_request_body", PAUSE), ("on_response_headers", seen)]).buffer_limit(10).build().unwrap();
    let exchange = host.request("POST /").chunk("12345").chunk("123456").send();
    assert_eq!((exchange.response().status(), said(&host, 1).as_str()), (413, "7"));
    assert!(exchange.ended());
}

#[test]
fn a_response_held_beyond_the_limit_is_500_while_its_headers_are_held_and_broken_off_after() {
    let answer = |headers: &str| {
        let host = host("", &[("on_response_headers", headers), ("on_response_body", PAUSE)]);
        let host = host.allow_on_headers_stop_iteration(true).buffer_limit(10).build().unwrap();
        let exchange = host.request("GET /").send();
        exchange.respond(200).chunk("12345").chunk("1234567").send();
        exchange.response()
    };
    assert_eq!(answer(PAUSE).status(), 500);
    let broken = answer(PASS);
    assert!(broken.reset && !broken.complete && broken.status() == 200, "{broken:?}");
}

#[test]
fn a_stream_ends_with_log_done_and_delete_in_this_order() {
    let callbacks = [
        ("on_log", "(call $say (i32.const 1))"),
        ("on_done", "(call $say (i32.const 2)) (i32.const 1)"),
        ("on_delete", "(call $say (i32.const 3))"),
    ];
    let host = host("", &callbacks).build().unwrap();
    let exchange = host.request("GET /").send();
    exchange.respond(204).send();
    assert_eq!((said(&host, 1).as_str(), exchange.ended()), ("1 2 3", true));
}

#[test]
fn a_client_that_goes_away_while_its_request_is_held_ends_the_stream() {
    let callbacks = [("on_request_headers", PAUSE), ("on_log", "(call $say (i32.const 1))")];
    let host = host("", &callbacks).build().unwrap();
    let exchange = host.request("GET /").send();
    assert!(exchange.request_paused());
    exchange.abort();
    assert_eq!((said(&host, 1).as_str(), exchange.ended(), exchange.upstream()), ("1", true, None));
}

#[test]
fn a_request_that_is_continued_and_passed_in_one_callback_goes_upstream_twice() {
    let twice = "(drop (call $proxy_continue_stream (i32.const 0))) (i32.const 0)";
    let host = host("", &[("on_request_headers", twice)]).build().unwrap();
    assert_eq!(host.request("GET /").send().upstream_requests().len(), 2);
}

#[test]
fn a_response_that_is_continued_and_held_in_one_callback_hangs() {
    let callbacks = [
        ("on_response_headers", "(drop (call $proxy_continue_stream (i32.const 1))) (i32.const 1)"),
        ("on_response_body", "(call $say (i32.const 9)) (i32.const 0)"),
    ];
    let host = host("", &callbacks).build().unwrap();
    let exchange = host.request("GET /").send();
    exchange.respond(200).chunk("body").send();
    let response = exchange.response();
    assert_eq!((response.status(), response.complete, said(&host, 1).as_str()), (200, false, ""));
}

#[test]
fn held_headers_hold_the_body_unless_stop_iteration_is_allowed() {
    let reached = |allow| {
        let host = host("", &[("on_request_headers", PAUSE), ("on_request_body", PASS)]);
        let host = host.allow_on_headers_stop_iteration(allow).build().unwrap();
        host.request("POST /").body("abc").send().upstream().is_some()
    };
    assert!(!reached(false));
    assert!(reached(true), "this is the bypass that filters have to guard against");
}

#[test]
fn trailers_without_a_callback_release_a_request_whose_headers_are_held() {
    let callbacks = [("on_request_headers", PAUSE), ("on_request_body", PAUSE)];
    let host = host("", &callbacks).allow_on_headers_stop_iteration(true).build().unwrap();
    assert!(host.request("POST /").chunk("abc").trailer("t", "1").send().upstream().is_some());
}

#[test]
fn headers_go_on_where_a_filter_returns_2_and_stop_where_it_returns_3_or_more() {
    for (answer, passes) in [(0, true), (1, false), (2, true), (3, false), (4, false), (77, false)] {
        let host = host("", &[("on_request_headers", &format!("(i32.const {answer})"))]).build().unwrap();
        assert_eq!(host.request("GET /").send().upstream().is_some(), passes, "{answer}");
    }
}

const REPLY: &str = "(drop (call $proxy_send_local_response (i32.const 403) (i32.const 0) (i32.const 0) \
    (i32.const 256) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const -1))) (i32.const 0)";

#[test]
fn a_local_reply_to_a_request_passes_the_filter_s_own_response_callbacks() {
    let host = host("no", &[("on_request_headers", REPLY), ("on_response_headers", SIZES)]).build().unwrap();
    let exchange = host.request("GET /").send();
    let response = exchange.response();
    assert_eq!((response.status(), response.text().as_str()), (403, "no"));
    assert_eq!(response.header("content-type").as_deref(), Some("text/plain"));
    assert_eq!((said(&host, 1).as_str(), exchange.upstream()), ("03 0", None));
}

#[test]
fn a_local_reply_to_a_response_passes_no_response_callback() {
    let callbacks = [("on_response_headers", REPLY), ("on_response_body", SIZES)];
    let host = host("no", &callbacks).build().unwrap();
    let exchange = host.request("GET /").send();
    exchange.respond(200).body("upstream").send();
    assert_eq!((exchange.response().status(), exchange.response().text().as_str()), (403, "no"));
    assert_eq!(said(&host, 1), "");
}

#[test]
fn a_local_reply_in_a_response_s_body_breaks_it_off() {
    let host = host("no", &[("on_response_body", REPLY)]).build().unwrap();
    let exchange = host.request("GET /").send();
    exchange.respond(200).body("upstream").send();
    let response = exchange.response();
    assert!(response.reset && response.status() == 200 && response.body.is_empty(), "{response:?}");
}

#[test]
fn a_local_reply_to_grpc_is_headers_alone() {
    let host = host("no", &[("on_request_headers", REPLY)]).build().unwrap();
    let exchange = host.request("POST /").header("content-type", "application/grpc").chunk("x").send();
    let response = exchange.response();
    let field = |name| response.header(name).unwrap();
    assert_eq!((response.status(), field("grpc-status"), field("grpc-message")), (200, "7".into(), "no".into()));
    assert!(response.body.is_empty());
}

#[test]
fn inner_filters_get_no_response_callback_of_an_outer_filter_s_reply_and_log_all_the_same() {
    let inner =
        [("on_response_headers", "(call $say (i32.const 8)) (i32.const 0)"), ("on_log", "(call $say (i32.const 5))")];
    let host = host("no", &[("on_request_headers", REPLY)]).module(guest("", &inner)).build().unwrap();
    assert_eq!(host.request("GET /").send().response().status(), 403);
    assert_eq!(said(&host, 1), "5");
}

#[test]
fn a_request_without_method_is_503_and_one_without_path_404() {
    for (name, status) in [(":method", 503), (":path", 404)] {
        let length = name.len();
        let remove = format!(
            "(drop (call $proxy_remove_header_map_value (i32.const 0) (i32.const 256) (i32.const {length}))) (i32.const 0)"
        );
        let host = host(name, &[("on_request_headers", &remove)]).build().unwrap();
        assert_eq!(host.request("GET /").send().response().status(), status, "{name}");
    }
}

#[test]
fn a_response_without_status_is_502() {
    let remove =
        "(drop (call $proxy_remove_header_map_value (i32.const 2) (i32.const 256) (i32.const 7))) (i32.const 0)";
    let host = host(":status", &[("on_response_headers", remove)]).build().unwrap();
    let exchange = host.request("GET /").send();
    exchange.respond(200).send();
    assert_eq!(exchange.response().status(), 502);
}
