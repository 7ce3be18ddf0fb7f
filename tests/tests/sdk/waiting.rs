//! Callouts and sleeps: answers, errors, deadlines, and clients that go away.

use crate::SHELL;
use crate::mesh::Mesh;
use palisade_testbed::{Answer, Request, http1};
use std::time::Duration;

#[test]
fn a_callout_decides_about_the_request() {
    let mesh = Mesh::start(false).unwrap();
    mesh.callouts.on("/allow", Answer::with_status(200).body("subject"));
    mesh.callouts.on("/deny", Answer::with_status(401));
    let response = http1::exchange(mesh.addr(), &Request::get("/call?/allow")).unwrap();
    assert_eq!(response.echo().unwrap().header("x-probe-call"), ["subject"]);
    let response = http1::exchange(mesh.addr(), &Request::get("/call?/deny")).unwrap();
    assert_eq!((response.status, response.text().as_str()), (403, "401"));
    assert_eq!(mesh.upstream.count(), 1);
}

#[test]
fn each_way_in_which_a_callout_fails_has_its_error() {
    let mesh = Mesh::start(false).unwrap();
    mesh.callouts.on("/slow", Answer::with_status(200).delay(Duration::from_secs(3)));
    mesh.callouts.on("/long", Answer::with_status(200).body(vec![b'x'; 2000]));
    mesh.callouts.on("/503", Answer::with_status(503).body("busy"));
    mesh.callouts.on("/504", Answer::with_status(504).body("upstream request timeout"));
    let outcome = |cluster: &str, path: &str| {
        let request = Request::get(&format!("/call/error?{path}")).header("x-cluster", cluster);
        http1::exchange(mesh.addr(), &request).unwrap().text()
    };
    assert_eq!(outcome("callouts", "/slow"), "Err(Timeout)");
    assert_eq!(outcome("callouts", "/long"), "Err(TooLong)");
    assert_eq!(outcome("nobody", "/"), "Err(Unreachable)");
    assert!(outcome("no-such-cluster", "/").starts_with("Err(NotSent("));
    assert_eq!(outcome("callouts", "/503"), "Ok(Answer(503, 4 bytes))");
    assert_eq!(outcome("callouts", "/504"), "Ok(Answer(504, 24 bytes))");
}

/// Catches a client that has the worker trap by bytes that are no text.
#[test]
fn a_callout_carries_bytes_that_are_no_text_or_is_not_sent() {
    let mesh = Mesh::start(false).unwrap();
    for (bytes, is_text) in [(&b"caf\xE9"[..], false), (b"\xFF", false), ("caf\u{E9}".as_bytes(), true)] {
        let request = Request::get("/call/bytes").header("x-bytes", bytes);
        let outcome = http1::exchange(mesh.addr(), &request).unwrap().text();
        if is_text || SHELL != "proxy-wasm" {
            assert!(outcome.starts_with("Ok("), "{outcome}");
            let received = mesh.callouts.received().pop().unwrap();
            assert_eq!(received.headers.get("x-bytes"), Some(bytes));
        } else {
            // The crate `proxy-wasm` takes text only.
            assert!(outcome.contains("NotSent") && outcome.contains("SerializationFailure"), "{outcome}");
        }
    }
}

#[test]
fn a_callout_can_hold_a_response_and_a_body() {
    let mesh = Mesh::start(false).unwrap();
    mesh.callouts.on("/allow", Answer::with_status(200).delay(Duration::from_millis(50)));
    mesh.callouts.on("/deny", Answer::with_status(401));
    let response = http1::exchange(mesh.addr(), &Request::get("/call/in-response?/allow")).unwrap();
    assert_eq!(response.headers.text("x-probe-call").as_deref(), Some("200"));
    let request = Request::new("POST", "/call/in-body?/allow").chunks(["a", "b"]);
    http1::exchange(mesh.addr(), &request).unwrap();
    assert_eq!(mesh.upstream.received().pop().unwrap().body, b"ab");
    let request = Request::new("POST", "/call/in-body?/deny").chunks(["a", "b"]);
    assert_eq!(http1::exchange(mesh.addr(), &request).unwrap().status, 403);
}

#[test]
fn a_sleep_lasts_at_least_as_long_as_it_should() {
    let mesh = Mesh::start(false).unwrap();
    let echo = http1::exchange(mesh.addr(), &Request::get("/sleep")).unwrap().echo().unwrap();
    let slept: u64 = echo.header("x-probe-slept")[0].parse().unwrap();
    assert!(slept >= 120, "{slept}");
}

#[test]
fn an_answer_for_a_client_that_has_gone_finds_nobody() {
    let mesh = Mesh::start(false).unwrap();
    mesh.callouts.on("/late", Answer::with_status(200).delay(Duration::from_millis(200)));
    for _ in 0..20 {
        let mut connection = http1::Connection::open(mesh.addr()).unwrap();
        connection.send(&Request::get("/call?/late").to_http1()).unwrap();
        drop(connection);
    }
    mesh.callouts.wait_for(20, Duration::from_secs(5)).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(http1::exchange(mesh.addr(), &Request::get("/")).unwrap().status, 200);
    assert_eq!(mesh.upstream.count(), 1);
    assert!(!mesh.envoy.log().contains("RuntimeError"), "{}", mesh.envoy.log());
}
