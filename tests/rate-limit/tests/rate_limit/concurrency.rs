//! Concurrency: how many may be under way at once, and that each one that ends, in whatever way, makes room.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use palisade_testbed::{Answer, Request, http1, http2};
use serde_json::{Value, json};

use crate::mesh::{Mesh, Setup, by};

const ROOM: usize = 5;
const PATIENCE: Duration = Duration::from_secs(20);

fn limit() -> Value {
    json!({"limits": [{"name": "inflight", "key": [{"header": "x-user"}], "concurrency": ROOM, "max_duration": "1h"}]})
}

fn slow(user: &str) -> Request {
    Request::get("/slow").header("x-user", user)
}

/// Waits until as many fit as there is room for.
fn assert_all_free(mesh: &Mesh) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // One more than fit, all at once.
        let mut connection = http2::Connection::open(mesh.addr()).unwrap();
        mesh.upstream.on("/hold", Answer::with_status(200).delay(Duration::from_millis(500)));
        let request = Request::get("/hold").header("x-user", "alice");
        let streams: Vec<_> = (0..=ROOM).map(|_| connection.open_stream(&request, true).unwrap()).collect();
        let statuses: Vec<_> = streams.into_iter().map(|stream| stream.response().unwrap().status).collect();
        let admitted = statuses.iter().filter(|status| **status == 200).count();
        assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
        assert!(admitted <= ROOM, "{statuses:?}");
        if admitted == ROOM {
            return;
        }
        assert!(Instant::now() < deadline, "{admitted} of {ROOM} fit");
        thread::sleep(Duration::from_millis(50));
    }
}

fn wait_for_active(mesh: &Mesh, count: u64) {
    mesh.envoy.wait_for_stat("http.ingress.downstream_rq_active", |active| active == count, PATIENCE).unwrap();
}

#[test]
fn so_many_may_be_under_way_and_the_next_is_refused() {
    let mut mesh = Mesh::with(&limit());
    mesh.upstream.on("/slow", Answer::with_status(200).delay(Duration::from_secs(60)));
    let mut connections: Vec<_> = (0..ROOM).map(|_| http1::Connection::open(mesh.addr()).unwrap()).collect();
    for connection in &mut connections {
        connection.send(&slow("alice").to_http1()).unwrap();
    }
    mesh.upstream.wait_for(ROOM, PATIENCE).unwrap();
    assert_eq!(mesh.get(&slow("alice")).status, 429);
    let other = Request::get("/").header("x-user", "bob");
    assert_eq!(mesh.get(&other).status, 200);
    drop(connections);
    assert_all_free(&mesh);
    mesh.assert_unharmed();
}

/// Catches a place that nobody gives back.
#[test]
fn every_end_of_a_request_makes_room() {
    let mut mesh = Mesh::with(&limit());
    mesh.upstream.on("/slow", Answer::with_status(200).delay(Duration::from_secs(60)));
    let directed = |option: &str, value: &str| {
        let request = Request::get("/").header("x-user", "alice");
        mesh.get(&request.header(format!("x-upstream-{option}"), value)).status
    };
    for _ in 0..3 {
        // Clients that go away while the upstream works.
        let mut connection = http2::Connection::open(mesh.addr()).unwrap();
        let streams: Vec<_> = (0..ROOM).map(|_| connection.open_stream(&slow("alice"), true).unwrap()).collect();
        mesh.upstream.wait_for(ROOM, PATIENCE).unwrap();
        for mut stream in streams {
            stream.reset(h2::Reason::CANCEL);
        }
        wait_for_active(&mesh, 0);
        assert_all_free(&mesh);
        mesh.upstream.forget();
    }
    // Upstreams that answer with an error, or break off.
    for _ in 0..2 * ROOM {
        assert_eq!(directed("status", "500"), 500);
        assert_eq!(directed("reset", "before_headers"), 503);
        for place in ["after_headers", "mid_body"] {
            let request = Request::get("/").header("x-user", "alice").header("x-upstream-reset", place);
            assert!(http1::exchange(mesh.addr(), &request).is_err(), "{place}");
        }
    }
    wait_for_active(&mesh, 0);
    assert_all_free(&mesh);
    mesh.assert_unharmed();
}

/// An upstream that a test answers for, byte by byte.
struct Hand(TcpListener);

impl Hand {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    /// The next connection, after the head of its first request.
    fn accept(&self) -> TcpStream {
        let deadline = Instant::now() + PATIENCE;
        let mut stream = loop {
            match self.0.accept() {
                Ok((stream, _)) => break stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
                Err(error) => panic!("{error}"),
            }
            assert!(Instant::now() < deadline, "no request came");
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream
    }

    /// That a request is admitted now.
    fn assert_room(&self, mesh: &Mesh) {
        let mut connection = http1::Connection::open(mesh.addr()).unwrap();
        connection.send(&by("alice").to_http1()).unwrap();
        self.accept().write_all(FINAL).unwrap();
        assert_eq!(connection.response().unwrap().status, 200);
    }

    /// With room for one request at a time, and these fields of the HTTP connection manager.
    fn mesh(&self, manager: Value) -> Mesh {
        let mut limit = limit();
        limit["limits"][0]["concurrency"] = json!(1);
        limit["headers"] = json!({"when": "always"});
        Setup::new(&limit).upstream(self.0.local_addr().unwrap()).manager(manager).start()
    }
}

const FINAL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Catches a place that is free as soon as anything comes from the upstream, and one that an interim response keeps.
#[test]
fn an_interim_response_is_not_the_end_of_a_request() {
    let interim: [(&[u8], &[u8]); 3] = [
        (b"", b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"),
        (b"expect: 100-continue\r\ncontent-length: 2\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    ];
    for (header, interim) in interim {
        let hand = Hand::new();
        let mut mesh = hand.mesh(json!({"proxy_100_continue": true}));
        let mut connection = http1::Connection::open(mesh.addr()).unwrap();
        let request = [b"POST / HTTP/1.1\r\nhost: a\r\nx-user: alice\r\n", header, b"\r\n"].concat();
        connection.send(&request).unwrap();
        let mut stream = hand.accept();
        stream.write_all(interim).unwrap();
        if !header.is_empty() {
            assert_eq!(connection.response_head().unwrap().0, 100);
            connection.send(b"ab").unwrap();
            stream.read_exact(&mut [0; 2]).unwrap();
        }
        assert_eq!(mesh.status("alice"), 429);
        stream.write_all(FINAL).unwrap();
        let response = connection.response().unwrap();
        assert_eq!(response.status, 200);
        assert!(response.headers.get("ratelimit").is_some(), "{response:?}");
        wait_for_active(&mesh, 0);
        hand.assert_room(&mesh);
        mesh.assert_unharmed();
    }
}

/// A connection that was upgraded is under way until it ends, whoever ends it.
#[test]
fn an_upgraded_connection_holds_its_place_until_it_ends() {
    let hand = Hand::new();
    let mut mesh = hand.mesh(json!({"upgrade_configs": [{"upgrade_type": "websocket"}]}));
    for upstream_ends in [false, true] {
        let mut connection = http1::Connection::open(mesh.addr()).unwrap();
        connection
            .send(b"GET / HTTP/1.1\r\nhost: a\r\nx-user: alice\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            .unwrap();
        let mut stream = hand.accept();
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            .unwrap();
        assert_eq!(connection.response_head().unwrap().0, 101);
        connection.send(b"ping").unwrap();
        let mut ping = [0; 4];
        stream.read_exact(&mut ping).unwrap();
        assert_eq!((&ping, mesh.status("alice")), (b"ping", 429));
        if upstream_ends {
            drop(stream);
        } else {
            drop(connection);
        }
        wait_for_active(&mesh, 0);
        hand.assert_room(&mesh);
    }
    mesh.assert_unharmed();
}

/// A request that never comes to its end holds its place for `max_duration` and no longer.
#[test]
fn a_place_is_free_again_after_its_longest_time() {
    let mut limit = limit();
    limit["limits"][0]["max_duration"] = json!("1s");
    let mut mesh = Mesh::with(&limit);
    mesh.upstream.on("/slow", Answer::with_status(200).delay(Duration::from_secs(60)));
    let mut connections: Vec<_> = (0..ROOM).map(|_| http1::Connection::open(mesh.addr()).unwrap()).collect();
    for connection in &mut connections {
        connection.send(&slow("alice").to_http1()).unwrap();
    }
    mesh.upstream.wait_for(ROOM, PATIENCE).unwrap();
    assert_all_free(&mesh);
    drop(connections);
    mesh.assert_unharmed();
}
