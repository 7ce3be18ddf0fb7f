//! gRPC calls: what goes over the wire, every way in which one ends, and clients that go away.

use crate::SHELL;
use crate::guests::Guest;
use crate::mesh::{Mesh, Setup};
use palisade_testbed::upstream::Reset;
use palisade_testbed::{Answer, Received, Request, grpc, http1, http2};
use std::thread;
use std::time::{Duration, Instant};

const METHOD: &str = "/probe.Probe/Method";

/// What the probe tells about a call of [`METHOD`] to this cluster.
fn outcome(mesh: &Mesh, cluster: &str) -> String {
    let request = Request::get("/grpc?Method").header("x-cluster", cluster);
    http1::exchange(mesh.addr(), &request).unwrap().text()
}

/// Waits until the server has seen that many resets.
fn wait_for_cancelled(mesh: &Mesh, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let cancelled = || mesh.callouts.received().iter().filter(|call| call.cancelled).count();
    while cancelled() < count {
        assert!(Instant::now() < deadline, "{} of {count}", cancelled());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Catches a call without its frame, without a deadline, or with a name that a peer takes for another.
#[test]
fn a_call_goes_over_the_wire_as_grpc_has_it() {
    let mesh = Setup::new(Guest::Probe).workers(2).start().unwrap();
    mesh.callouts.on(METHOD, grpc::ok("world"));
    let request = Request::get("/grpc?Method").header("x-message", "hello").header("x-metadata", "a, b");
    let response = http1::exchange(mesh.addr(), &request).unwrap();
    assert_eq!(response.text(), "GrpcAnswer(5 bytes) world");
    let Received { method, path, authority, headers, body, .. } = mesh.callouts.received().pop().unwrap();
    assert_eq!((method.as_str(), path.as_str(), authority.as_str()), ("POST", METHOD, "h2"));
    for (name, value) in
        [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "10000m"), ("x-probe", "a, b")]
    {
        assert_eq!(headers.all(name), [value.as_bytes()], "{name}");
    }
    assert_eq!(grpc::messages(&body), [b"hello"]);
}

/// Catches an end that is taken for another, and one that never comes.
#[test]
fn each_way_in_which_a_call_ends_has_its_outcome() {
    let mesh = Setup::new(Guest::Probe).workers(2).start().unwrap();
    let framed = |message: &str| grpc::frame(message, false);
    let html = Answer::with_status(200).header("content-type", "text/html");
    let cases = [
        ("an empty message", grpc::ok(""), "GrpcAnswer(0 bytes) "),
        (
            "a message as long as allowed",
            grpc::ok([b'x'; 1000]),
            &format!("GrpcAnswer(1000 bytes) {}", "x".repeat(1000)),
        ),
        ("a longer one", grpc::ok([b'x'; 1001]), "TooLong"),
        ("a much longer one", grpc::ok([b'x'; 300_000]), "TooLong"),
        ("a frame that claims 4 GiB", grpc::raw(b"\0\xFF\xFF\xFF\xFFx").trailer("grpc-status", "0"), "TooLong"),
        ("no message", grpc::raw("").trailer("grpc-status", "0"), "GrpcStatus(13, 0 bytes) "),
        ("no message and no trailers", grpc::status(0, ""), "GrpcStatus(13, 0 bytes) "),
        (
            "two messages",
            grpc::raw([framed("one"), framed("two")].concat()).trailer("grpc-status", "0"),
            "GrpcAnswer(3 bytes) two",
        ),
        ("an error", grpc::status(5, "no such"), "GrpcStatus(5, 7 bytes) no such"),
        ("an error after a message", grpc::raw(framed("a")).trailer("grpc-status", "7"), "GrpcStatus(7, 0 bytes) "),
        (
            "a status message that is no text",
            grpc::status(3, b"%FF%zz\xFF\x80"),
            "GrpcStatus(3, 8 bytes) %FF%zz\\xff\\x80",
        ),
        (
            "a long status message",
            grpc::status(3, "x".repeat(20_000)),
            &format!("GrpcStatus(3, 1024 bytes) {}", "x".repeat(1024)),
        ),
        ("a status that nobody knows", grpc::status(42, "odd"), "GrpcStatus(4294967295, 3 bytes) odd"),
        ("a status that is no number", grpc::status("x", "odd"), "GrpcStatus(4294967295, 3 bytes) odd"),
        ("a negative status", grpc::status(-1, ""), "GrpcStatus(4294967295, 0 bytes) "),
        ("the server's deadline", grpc::status(4, "late"), "Timeout"),
        (
            "a server that claims to be the host",
            grpc::status(14, "x{response_timeout}"),
            "GrpcStatus(14, 19 bytes) x{response_timeout}",
        ),
        ("a reset before the answer", grpc::ok("x").reset(Reset::BeforeHeaders), "Unreachable"),
        ("a reset behind its headers", grpc::ok("x").reset(Reset::AfterHeaders), "Unreachable"),
        ("a reset within its message", grpc::ok("x").reset(Reset::MidBody), "Unreachable"),
        ("a message without trailers", grpc::raw(framed("x")), "GrpcStatus(2, 0 bytes) "),
        ("a prefix that is cut", grpc::raw([0, 0, 0]), "GrpcStatus(2, 0 bytes) "),
        ("a frame that is cut", grpc::raw([0, 0, 0, 0, 9, 1]).trailer("grpc-status", "0"), "GrpcStatus(13, 0 bytes) "),
        (
            "a compressed frame",
            grpc::raw(grpc::frame("x", true)).trailer("grpc-status", "0"),
            "GrpcStatus(13, 0 bytes) ",
        ),
        (
            "a flag that nobody knows",
            grpc::raw([2, 0, 0, 0, 1, 1]).trailer("grpc-status", "0"),
            "GrpcStatus(13, 0 bytes) ",
        ),
        ("HTTP status 503", Answer::with_status(503).body("busy"), "GrpcStatus(14, 0 bytes) "),
        ("HTTP status 404", Answer::with_status(404).headers_only(), "GrpcStatus(12, 0 bytes) "),
        (
            "HTTP status 403 with one of gRPC",
            Answer::with_status(403).header("grpc-status", "7").headers_only(),
            "GrpcStatus(7, 0 bytes) ",
        ),
        ("a page", html.clone().body("<html>sorry</html>"), "GrpcStatus(13, 0 bytes) "),
        (
            "a message under another content-type",
            html.body(framed("x")).trailer("grpc-status", "0"),
            "GrpcAnswer(1 bytes) x",
        ),
    ];
    for (case, answer, expected) in cases {
        mesh.callouts.on(METHOD, answer);
        assert_eq!(outcome(&mesh, "h2"), *expected, "{case}");
    }
    for cluster in ["no-such-cluster", "auth-grpc", "", "empty"] {
        let outcome = outcome(&mesh, cluster);
        assert_eq!(outcome, "NotSent(HostError { call: \"proxy_grpc_call\", status: InternalFailure })", "{cluster:?}");
    }
    assert_eq!(outcome(&mesh, "nobody-by-grpc"), "Unreachable");
    mesh.callouts.on(METHOD, grpc::ok("x"));
    assert_eq!(outcome(&mesh, "callouts"), "GrpcStatus(2, 0 bytes) ", "a cluster that speaks HTTP/1.1");
    assert_eq!(outcome(&mesh, "h2"), "GrpcAnswer(1 bytes) x");
    assert_eq!(mesh.envoy.stats("wasmcustom.palisade.probe.failures").unwrap().values().sum::<u64>(), 0);
}

/// Catches a deadline that the host does not keep, and one that it tells in other words.
#[test]
fn a_call_ends_at_its_deadline_before_its_answer_and_within_it() {
    let mesh = Setup::new(Guest::Probe).workers(2).start().unwrap();
    let late = Duration::from_millis(900);
    for answer in [grpc::ok("x").delay(late), grpc::ok("x").chunks(3, late)] {
        mesh.callouts.on(METHOD, answer);
        let request = Request::get("/grpc?Method").header("x-hurry", "1");
        assert_eq!(http1::exchange(mesh.addr(), &request).unwrap().text(), "Timeout");
        assert_eq!(mesh.callouts.received().pop().unwrap().headers.text("grpc-timeout").as_deref(), Some("200m"));
    }
    // The first answer was still to begin; the second had begun.
    wait_for_cancelled(&mesh, 1);
    thread::sleep(2 * late);
    mesh.callouts.on(METHOD, grpc::ok("soon"));
    assert_eq!(outcome(&mesh, "h2"), "GrpcAnswer(4 bytes) soon");
}

/// Catches a method that goes on in the request line, and metadata that is a second path or content type.
#[test]
fn what_would_make_another_call_of_it_is_not_sent() {
    let mesh = Mesh::start(false).unwrap();
    let response = http1::exchange(mesh.addr(), &Request::get("/grpc/names")).unwrap();
    assert_eq!(response.text(), "refused 4/4 methods, 7/7 lines of metadata");
    assert_eq!(mesh.callouts.count(), 0);
}

/// Catches a call that outlives its stream: its server works on, and its answer comes for nobody.
#[test]
fn a_client_that_goes_away_cancels_its_call() {
    const CLIENTS: usize = 20;
    for workers in [1, 2] {
        let mesh = Setup::new(Guest::Probe).workers(workers).start().unwrap();
        mesh.callouts.on(METHOD, grpc::ok("late").delay(Duration::from_secs(60)));
        let mut connections = Vec::new();
        for _ in 0..CLIENTS {
            let mut connection = http1::Connection::open(mesh.addr()).unwrap();
            connection.send(&Request::get("/cancel/grpc?Method").to_http1()).unwrap();
            connections.push(connection);
        }
        mesh.callouts.wait_for(CLIENTS, Duration::from_secs(5)).unwrap();
        assert!(mesh.callouts.received().iter().all(|call| !call.cancelled));
        drop(connections);
        // The crate `proxy-wasm` would know the token of a cancelled call for ever: there, calls go on to their ends.
        wait_for_cancelled(&mesh, if SHELL == "proxy-wasm" { 0 } else { CLIENTS });
        mesh.callouts.on(METHOD, grpc::ok("soon"));
        assert_eq!(outcome(&mesh, "h2"), "GrpcAnswer(4 bytes) soon");
        assert_eq!(mesh.envoy.stats("wasmcustom.palisade.probe.failures").unwrap().values().sum::<u64>(), 0);
        assert!(!mesh.envoy.log().contains("RuntimeError"), "{}", mesh.envoy.log());
    }
}

/// Catches an answer that finds another exchange than its own.
#[test]
fn a_thousand_calls_at_once_find_their_exchanges() {
    const CONNECTIONS: usize = 4;
    const STREAMS: usize = 250;
    let mesh = Setup::new(Guest::Probe).workers(2).start().unwrap();
    for call in 0..CONNECTIONS * STREAMS {
        // Not in the order of the calls.
        let delay = Duration::from_millis(u64::try_from(call * 37 % 101).unwrap());
        mesh.callouts.on(&format!("/probe.Probe/M{call}"), grpc::ok(format!("answer {call}")).delay(delay));
    }
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| http2::Connection::open(mesh.addr()).unwrap()).collect();
    let mut streams = Vec::new();
    for call in 0..CONNECTIONS * STREAMS {
        let request = Request::get(&format!("/grpc?M{call}"));
        streams.push(connections[call % CONNECTIONS].open_stream(&request, true).unwrap());
    }
    for (call, stream) in streams.into_iter().enumerate() {
        let text = stream.response().unwrap().text();
        assert!(text.ends_with(&format!(" answer {call}")), "{call}: {text}");
    }
    assert_eq!(mesh.callouts.count(), CONNECTIONS * STREAMS);
}

/// Catches an answer that the background task never sees.
#[test]
fn many_exchanges_wait_for_one_call_in_the_background() {
    let mesh = Mesh::start(false).unwrap();
    mesh.callouts.on("/probe.Probe/Background", grpc::ok("shared").delay(Duration::from_millis(200)));
    let mut connection = http2::Connection::open(mesh.addr()).unwrap();
    let mut open = || connection.open_stream(&Request::get("/grpc/single-flight"), true).unwrap();
    let streams: Vec<_> = (0..10).map(|_| open()).collect();
    for stream in streams {
        assert_eq!(stream.response().unwrap().text(), "Ok(GrpcAnswer(6 bytes))");
    }
    assert_eq!(mesh.callouts.count(), 1);
}
