//! The upstreams, the module server and the clients, with and without Envoy between them.

use std::time::{Duration, Instant};

use palisade_testbed::http2::Broken;
use palisade_testbed::upstream::Reset;
use palisade_testbed::{Answer, ModuleServer, RawUpstream, Request, Upstream, grpc, http1, http2, load, sha256};

use crate::proxy;

#[test]
fn body_trailers_and_frames_pass_on_every_pair_of_protocols() {
    let upstream = Upstream::start().unwrap();
    let envoy = proxy(&upstream).start().unwrap();
    let ingress = envoy.addr("ingress").unwrap();
    for path in ["/h1", "/h2"] {
        let request = Request::new("POST", path)
            .chunks(["ab", "c"])
            .trailer("x-t", "1")
            .header("te", "trailers")
            .header("x-upstream-trailer", "x-u: 2")
            .header("x-upstream-chunk-bytes", "7");
        for response in [http1::exchange(ingress, &request), http2::exchange(ingress, &request)] {
            let response = response.unwrap();
            assert_eq!(response.trailers.text("x-u").as_deref(), Some("2"), "{path}: {response:?}");
            let echo = response.echo().unwrap();
            assert_eq!(echo.body.sha256, sha256(b"abc"), "{path}");
            assert_eq!((echo.trailers[0].name.as_str(), echo.trailers[0].value.as_str()), ("x-t", "1"), "{path}");
        }
    }
}

#[test]
fn an_answer_is_directed_by_path_and_by_header() {
    let upstream = Upstream::start().unwrap();
    upstream.on("/down", Answer::with_status(503).body("down").delay(Duration::from_millis(100)));
    let began = Instant::now();
    let down = http1::exchange(upstream.addr(), &Request::get("/down?x")).unwrap();
    assert_eq!((down.status, down.text().as_str()), (503, "down"));
    assert!(began.elapsed() >= Duration::from_millis(100));
    let request = Request::get("/").header("x-upstream-status", "404").header("x-upstream-header", "a: b");
    for answer in [http1::exchange(upstream.addr(), &request), http2::exchange(upstream.addr(), &request)] {
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.headers.text("a").as_deref()), (404, Some("b")));
    }
    let wrong = Request::get("/").header("x-upstream-reset", "now");
    assert!(http1::exchange(upstream.addr(), &wrong).unwrap().text().contains("mid_body"));
    assert_eq!(upstream.received_at("/down").len(), 1);
}

#[test]
fn a_reset_shows_at_the_client_with_what_had_come() {
    let upstream = Upstream::start().unwrap();
    let request = |at: &str| Request::get("/").header("x-upstream-reset", at).header("x-upstream-body", "0123456789");
    assert!(http1::exchange(upstream.addr(), &request("before_headers")).is_err());
    for (at, partial) in [("before_headers", None), ("after_headers", Some("")), ("mid_body", Some("01234"))] {
        let error = http2::exchange(upstream.addr(), &request(at)).unwrap_err();
        let broken = error.downcast_ref::<Broken>().unwrap();
        assert_eq!(broken.reason, Some(h2::Reason::INTERNAL_ERROR), "{at}");
        assert_eq!(broken.partial.as_ref().map(|response| response.text()).as_deref(), partial, "{at}");
    }
    upstream.on("/half", Answer::default().body("0123456789").reset(Reset::MidBody));
    let mut connection = http1::Connection::open(upstream.addr()).unwrap();
    connection.send(b"GET /half HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let raw = String::from_utf8(connection.raw(Duration::from_secs(2)).unwrap()).unwrap();
    assert!(raw.ends_with("\r\n\r\n01234"), "{raw}");
}

#[test]
fn an_early_answer_comes_before_the_body() {
    let upstream = Upstream::start().unwrap();
    let request = Request::post("/", "body").header("x-upstream-early", "1");
    let mut connection = http2::Connection::open(upstream.addr()).unwrap();
    let stream = connection.open_stream(&request, false).unwrap();
    assert_eq!(stream.response().unwrap().status, 200);
    let mut connection = http1::Connection::open(upstream.addr()).unwrap();
    connection.send(b"POST / HTTP/1.1\r\nx-upstream-early: 1\r\ncontent-length: 4\r\n\r\n").unwrap();
    assert_eq!(connection.response().unwrap().status, 200);
    assert!(upstream.received().iter().all(|request| request.ended.is_none()));
}

#[test]
fn http2_frames_are_sent_one_by_one() {
    let upstream = Upstream::start().unwrap();
    let mut connection = http2::Connection::open(upstream.addr()).unwrap();
    let mut stream = connection.open_stream(&Request::new("POST", "/"), false).unwrap();
    stream.data(b"ab", false).unwrap();
    stream.data(b"", false).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(upstream.received()[0].body, b"ab");
    assert!(upstream.received()[0].ended.is_none());
    stream.data(&[b'c'; 100_000], true).unwrap();
    assert_eq!(stream.response().unwrap().echo().unwrap().body.length, 100_002);
    let mut given_up = connection.open_stream(&Request::new("POST", "/"), false).unwrap();
    given_up.reset(h2::Reason::CANCEL);
    assert_eq!(upstream.wait_for(1, Duration::from_secs(1)).unwrap()[0].body.len(), 100_002);
}

#[test]
fn an_upstream_answers_as_a_grpc_server_and_notes_cancelled_calls() {
    let upstream = Upstream::start().unwrap();
    upstream.on("/ok", grpc::ok("message"));
    upstream.on("/error", grpc::status(5, "no such"));
    upstream.on("/late", grpc::ok("").delay(Duration::from_secs(60)));
    let mut connection = http2::Connection::open(upstream.addr()).unwrap();
    let mut call = |path: &str| connection.open_stream(&Request::new("POST", path), true).unwrap();
    let ok = call("/ok").response().unwrap();
    assert_eq!(grpc::messages(&ok.body), [b"message"]);
    assert_eq!(ok.trailers.text("grpc-status").as_deref(), Some("0"));
    let error = call("/error").response().unwrap();
    assert_eq!(error.headers.text("grpc-status").as_deref(), Some("5"));
    assert!(error.headers.get("content-length").is_none() && error.body.is_empty() && error.trailers.is_empty());
    let mut late = call("/late");
    upstream.wait_for(3, Duration::from_secs(5)).unwrap();
    late.reset(h2::Reason::CANCEL);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !upstream.received()[2].cancelled {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(upstream.received()[..2].iter().all(|call| !call.cancelled));
}

#[test]
fn the_raw_upstream_keeps_every_byte() {
    let upstream = RawUpstream::start().unwrap();
    let mut connection = http1::Connection::open(upstream.addr()).unwrap();
    let bytes = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nX: \xff\r\n\r\n\0";
    connection.send(bytes).unwrap();
    let statuses = [(); 3].map(|()| connection.response().unwrap().status);
    assert_eq!(statuses, [200, 200, 400]);
    assert_eq!(upstream.connections(), [bytes.to_vec()]);
    assert_eq!(upstream.requests(), ["POST /a", "GET /b"]);
}

#[test]
fn the_module_server_serves_counts_and_tampers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.wasm"), b"\0asm").unwrap();
    let server = ModuleServer::start(folder.path()).unwrap();
    let fetch = |path: &str| http1::exchange(server.addr(), &Request::get(path)).unwrap();
    assert_eq!(fetch("/modules/a.wasm").body, b"\0asm");
    let served = server.tamper("a.wasm").unwrap();
    assert_eq!(sha256(&fetch("/a.wasm").body), served);
    server.restore("a.wasm");
    assert_eq!(fetch("/a.wasm").body, b"\0asm");
    assert_eq!((fetch("/b.wasm").status, fetch("/a").status), (404, 404));
    assert_eq!(server.fetches("a.wasm"), 3);
}

#[test]
fn a_load_keeps_the_order_of_its_requests() {
    let upstream = Upstream::start().unwrap();
    let responses = load::run(upstream.addr(), 8, 1000, |place| Request::get(&format!("/{place}"))).unwrap();
    for (place, response) in responses.iter().enumerate() {
        assert_eq!(response.echo().unwrap().path, format!("/{place}"));
    }
    assert_eq!((responses.len(), upstream.count()), (1000, 1000));
    let connections = upstream.received().iter().map(|request| request.connection).max();
    assert_eq!(connections, Some(7));
}
