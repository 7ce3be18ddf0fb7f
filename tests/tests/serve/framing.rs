//! Framing: requests whose parts contradict each other, on Envoy and on the proxy.

use std::net::SocketAddr;
use std::time::Duration;

use palisade_testbed::envoy::bootstrap::{manager, single};
use palisade_testbed::http1::Connection;
use palisade_testbed::{Envoy, RawUpstream, Upstream};

use crate::setup::{Proxy, guest};

/// What is sent, and the status of the answer; 0 where there is none.
const REQUESTS: [(&str, u16); 18] = [
    ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", 200),
    ("GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n", 200),
    ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 200),
    ("GET / HTTP/1.1\r\nhost: a\r\nx-own: 1\r\nconnection: x-own\r\n\r\n", 200),
    ("GET / HTTP/1.1\r\nhost: a\r\nte: gzip\r\n\r\n", 200),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.0\r\nhost: a\r\n\r\n", 426),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 4\r\n\r\nabcde", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 501),
    ("GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 1\r\nconnection: x-forwarded-for\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nx: 1\0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nx : 1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\n: 1\r\n\r\n", 400),
    ("GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n", 404),
    ("GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", 403),
];

/// What Envoy refuses with 400, and the proxy takes for what it can only mean: the body that is chunked, one length for two that
/// are the same, a path without its fragment. What it passes on says so in one way.
const MENDED: [&str; 4] = [
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    "GET /#a HTTP/1.1\r\nhost: a\r\n\r\n",
];

const QUIET: Duration = Duration::from_millis(150);

#[test]
fn what_envoy_refuses_the_proxy_refuses_with_the_same_status() {
    let raw = RawUpstream::start().unwrap();
    let envoy = Envoy::from_value(single(&manager("ingress", [])))
        .cluster("upstream", raw.addr())
        .unwrap()
        .concurrency(1)
        .start()
        .unwrap();
    let proxy = Proxy::before(Upstream::start().unwrap(), raw.addr(), &guest(""), &[]);
    for (request, status) in REQUESTS {
        let on = |address| answered(address, request);
        assert_eq!((on(envoy.addr("ingress").unwrap()), on(proxy.addr())), (status, status), "{request:?}");
    }
    for request in MENDED {
        let on = |address| answered(address, request);
        assert_eq!((on(envoy.addr("ingress").unwrap()), on(proxy.addr())), (400, 200), "{request:?}");
    }
}

/// Catches a request in a body, which an upstream takes for the next one.
#[test]
fn no_request_reaches_the_upstream_that_was_not_sent_as_one() {
    let raw = RawUpstream::start().unwrap();
    let proxy = Proxy::before(Upstream::start().unwrap(), raw.addr(), &guest(""), &[]);
    let shapes = [
        "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 30\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n1e\r\nGET /smuggled HTTP/1.1\r\nx: 1\r\n\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nhost: a\r\nconnection: content-length\r\ncontent-length: 34\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
    ];
    for shape in shapes {
        let mut connection = Connection::open(proxy.addr()).unwrap();
        connection.send(shape.as_bytes()).unwrap();
        connection.raw(QUIET).unwrap();
    }
    let seen = raw.requests();
    assert!(seen.iter().all(|request| !request.contains("smuggled")), "{seen:?}");
}

/// The status of the answer.
fn answered(address: SocketAddr, request: &str) -> u16 {
    let mut connection = Connection::open(address).unwrap();
    connection.send(request.as_bytes()).unwrap();
    connection.response_head().unwrap().0
}
