//! Connections: many at once, and those that end otherwise than they should.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use palisade_testbed::client::VERSIONS;
use palisade_testbed::upstream::Reset;
use palisade_testbed::{Answer, Request};

use crate::setup::{Proxy, counting, guest};

const PATIENCE: Duration = Duration::from_secs(30);
const MANY: usize = 1000;

/// Catches connections that are lost where more come at once than wait to be accepted, and files that cannot be opened.
#[test]
fn a_thousand_connections_are_held_at_once_and_all_are_answered() {
    let proxy = Proxy::start(&counting("ends"), &["--workers", "2"]);
    let (address, barrier) = (proxy.addr(), Barrier::new(MANY));
    let client = || {
        barrier.wait();
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // None is closed before all are open.
        barrier.wait();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        std::io::Result::Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    let answered = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, client).unwrap();
        let clients: Vec<_> = (0..MANY).map(spawn).collect();
        clients.into_iter().filter_map(|client| client.join().unwrap().ok()).filter(|answered| *answered).count()
    });
    assert_eq!(answered, MANY);
}

#[test]
fn clients_that_reset_within_a_request_or_a_response_leave_a_proxy_that_answers() {
    let proxy = Proxy::start(&counting("ends"), &[]);
    proxy.upstream.on("/large", Answer::default().body(vec![b'a'; 1 << 20]));
    for _ in 0..20 {
        let mut stream = TcpStream::connect(proxy.addr()).unwrap();
        // What has come and was not read makes a reset of the close.
        stream.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        drop(stream);
        let mut stream = TcpStream::connect(proxy.addr()).unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc").unwrap();
        drop(stream);
    }
    assert_eq!(proxy.get().status, 200);
    wait_until(|| ends(&proxy) == 41);
}

/// As Envoy does, which takes the end of a client's bytes for the end of the client.
#[test]
fn a_client_that_is_half_closed_is_given_up_and_its_stream_ends() {
    let proxy = Proxy::start(&counting("ends"), &[]);
    proxy.upstream.on("/", Answer::default().delay(Duration::from_millis(500)));
    let mut stream = TcpStream::connect(proxy.addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    proxy.upstream.wait_for(1, PATIENCE).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => assert!(answer.is_empty(), "{answer:?}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    wait_until(|| ends(&proxy) == 1);
    assert_eq!(proxy.get().status, 200);
}

#[test]
fn an_upstream_that_breaks_off_is_503_before_its_headers_and_a_broken_response_after() {
    let proxy = Proxy::start(&counting("ends"), &[]);
    proxy.upstream.on("/before", Answer::default().reset(Reset::BeforeHeaders));
    proxy.upstream.on("/mid", Answer::default().body(vec![b'a'; 100_000]).reset(Reset::MidBody));
    for version in VERSIONS {
        let get = |path| version.exchange(proxy.addr(), &Request::get(path));
        assert_eq!(get("/before").unwrap().status, 503, "{version:?}");
        assert!(get("/mid").is_err(), "{version:?}");
        assert_eq!(get("/").unwrap().status, 200, "{version:?}");
    }
    wait_until(|| ends(&proxy) == 6);
}

/// Catches a proxy that takes in what its peer does not.
#[test]
fn a_client_that_does_not_read_slows_the_upstream_down() {
    const LARGE: usize = 64 << 20;
    let proxy = Proxy::start(&counting("ends"), &[]);
    proxy.upstream.on("/", Answer::default().body(vec![b'a'; LARGE]));
    let mut stream = TcpStream::connect(proxy.addr()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    thread::sleep(Duration::from_millis(300));
    // The stream ends when its last byte has passed the filters.
    assert_eq!(ends(&proxy), 0);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.len() > LARGE);
}

/// A filter that holds a body back while its sender waits, as return value 2 says.
#[test]
fn a_filter_that_holds_a_body_back_slows_its_client_down() {
    let module = guest(r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#);
    let proxy = Proxy::start(&module, &[]);
    let mut stream = TcpStream::connect(proxy.addr()).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n").unwrap();
    let piece = vec![b'a'; 1 << 20];
    let sent = (0..1000).take_while(|_| stream.write_all(&piece).is_ok()).count();
    assert!(sent < 64, "{sent} MiB were taken");
}

fn ends(proxy: &Proxy) -> u64 {
    let stats = proxy.admin("/stats?filter=wasmcustom.ends");
    stats.trim().rsplit(' ').next().unwrap().parse().unwrap()
}

fn wait_until(holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(5));
    }
}
