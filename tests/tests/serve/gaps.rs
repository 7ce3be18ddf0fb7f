//! The known gaps of the proxy: what it does otherwise than Envoy.

use palisade_testbed::{Answer, RawUpstream, Request, Upstream, http1};

use crate::setup::{Proxy, guest};

#[test]
fn a_body_that_outgrows_its_length_is_cut_off() {
    let raw = RawUpstream::start().unwrap();
    let longer = guest(
        r#"(data (i32.const 256) "abcGET /smuggled HTTP/1.1\0d\0ahost: a\0d\0a\0d\0a")
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
          (drop (call $set (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 256) (i32.const 38))) (i32.const 0))"#,
    );
    let proxy = Proxy::before(Upstream::start().unwrap(), raw.addr(), &longer, &[]);
    // Whether it is answered is the upstream's business.
    let _ = http1::exchange(proxy.addr(), &Request::new("POST", "/").chunks(["abc"]));
    let seen = raw.requests();
    assert!(seen.iter().all(|request| request == "POST /"), "{seen:?}");
}

#[test]
fn trailers_go_on_where_a_header_names_them() {
    let proxy = Proxy::start(&guest(""), &[]);
    proxy.upstream.on("/named", Answer::default().header("trailer", "x-end").trailer("x-end", "1"));
    proxy.upstream.on("/not", Answer::default().trailer("x-end", "1"));
    let trailers = |path: &str| {
        let request = Request::get(path).header("te", "trailers");
        http1::exchange(proxy.addr(), &request).unwrap().trailers.get("x-end").map(<[u8]>::to_vec)
    };
    assert_eq!((trailers("/named"), trailers("/not")), (Some(b"1".to_vec()), None));
}
