//! gRPC streams of filters, over the wire.

use palisade_testbed::{Request, Upstream, grpc, http1};

use crate::setup::{Proxy, guest};

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
