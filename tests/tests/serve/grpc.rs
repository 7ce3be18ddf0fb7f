//! gRPC streams of filters, over the wire.

use std::thread;
use std::time::{Duration, Instant};

use palisade_testbed::{Request, Upstream, grpc, http1};

use crate::setup::{Proxy, guest};

const PATIENCE: Duration = Duration::from_secs(10);

/// Opens a stream for each request, sends `hello` on it, and lets the request go on with the header `x-told` once a message has
/// come.
fn asking() -> Vec<u8> {
    guest(
        r#"(data (i32.const 256) "service") (data (i32.const 264) "Ask") (data (i32.const 268) "hello")
        (data (i32.const 280) "x-told") (global $held (mut i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (global.set $held (local.get 0))
          (drop (call $stream (i32.const 256) (i32.const 7) (i32.const 256) (i32.const 7) (i32.const 264) (i32.const 3)
            (i32.const 0) (i32.const 0) (i32.const 1024)))
          (drop (call $send (i32.load (i32.const 1024)) (i32.const 268) (i32.const 5) (i32.const 1)))
          (i32.const 1))
        (func (export "proxy_on_grpc_receive") (param i32 i32 i32)
          (drop (call $buffer (i32.const 5) (i32.const 0) (local.get 2) (i32.const 1028) (i32.const 1032)))
          (drop (call $effective (global.get $held)))
          (drop (call $add (i32.const 0) (i32.const 280) (i32.const 6)
            (i32.load (i32.const 1028)) (i32.load (i32.const 1032))))
          (drop (call $continue (i32.const 0))))"#,
    )
}

#[test]
fn a_filter_sends_and_gets_messages_on_a_stream() {
    let service = Upstream::start().unwrap();
    service.on("/service/Ask", grpc::ok("answered"));
    let proxy = Proxy::start(&asking(), &["--cluster", &format!("service=http://{}", service.addr())]);
    let response = http1::exchange(proxy.addr(), &Request::get("/")).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(proxy.upstream.received()[0].headers.get("x-told"), Some(&b"answered"[..]));
    let asked = service.received();
    assert_eq!(grpc::messages(&asked[0].body), [b"hello"]);
}

/// Catches calls that go on for nobody until their service has no room for others.
#[test]
fn a_call_that_a_filter_cancels_is_reset_at_its_service() {
    let service = Upstream::start().unwrap();
    service.on("/service/Ask", grpc::ok("").delay(Duration::from_secs(60)));
    let cancelling = guest(
        r#"(data (i32.const 256) "service") (data (i32.const 264) "Ask")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $ask (i32.const 256) (i32.const 7) (i32.const 256) (i32.const 7) (i32.const 264) (i32.const 3)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 60000) (i32.const 1024)))
          (i32.const 1))
        (func (export "proxy_on_log") (param i32) (drop (call $cancel (i32.load (i32.const 1024)))))"#,
    );
    let proxy = Proxy::start(&cancelling, &["--cluster", &format!("service=http://{}", service.addr())]);
    let mut connection = http1::Connection::open(proxy.addr()).unwrap();
    connection.send(&Request::get("/").to_http1()).unwrap();
    service.wait_for(1, PATIENCE).unwrap();
    drop(connection);
    let deadline = Instant::now() + PATIENCE;
    while !service.received()[0].cancelled {
        assert!(Instant::now() < deadline, "the call still runs");
        thread::sleep(Duration::from_millis(5));
    }
}
