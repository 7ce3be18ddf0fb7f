//! Verified bodies: the filter reads the whole body while the headers are held, and of a refused request not a byte goes
//! upstream.

use crate::guests::Guest;
use crate::mesh::{Mesh, Setup};
use palisade_testbed::client::{VERSIONS, Version};
use palisade_testbed::{Answer, RawUpstream, Request, Upstream};
use std::thread;
use std::time::Duration;

/// Between two pieces, so that they come in callbacks of their own.
const GAP: Duration = Duration::from_millis(20);

/// The same body in each framing.
fn framings(path: &str, body: [&'static str; 2]) -> [(&'static str, Request); 4] {
    let post = || Request::new("POST", path);
    [
        ("content-length", Request::post(path, body.concat().as_bytes())),
        ("chunked", post().chunks(body)),
        ("chunked and trailers", post().chunks(body).trailer("x-end", "1")),
        ("one chunk and trailers", post().chunks([body.concat()]).trailer("x-end", "1")),
    ]
}

/// Without a byte in the body.
fn empty(path: &str) -> [(&'static str, Request); 3] {
    let post = || Request::new("POST", path).chunks([""; 0]);
    [("no body", Request::get(path)), ("empty chunked", post()), ("empty and trailers", post().trailer("x-end", "1"))]
}

/// Envoy lets the filter hold headers alone, and brings it the body behind them.
fn setup() -> Setup {
    Setup::new(Guest::Probe).hold_headers(true)
}

fn pausing(mesh: &Mesh) {
    mesh.callouts.on("/pause", Answer::with_status(200).delay(Duration::from_millis(60)));
}

/// Sends a request piece by piece.
fn upload(mesh: &Mesh, version: Version, request: &Request) -> u16 {
    let mut upload = version.upload(mesh.addr(), request.clone()).unwrap();
    for piece in &request.chunks {
        thread::sleep(GAP);
        upload.piece(str::from_utf8(piece).unwrap()).unwrap();
    }
    thread::sleep(GAP);
    upload.end().unwrap();
    upload.response().unwrap().status
}

/// Catches headers that go on without their body, a body that is lost or doubled by the hold, and a header that cannot
/// be written any more once the body is here.
#[test]
fn a_good_body_goes_on_behind_its_headers_once_and_unchanged() {
    for upstream_http2 in [false, true] {
        let mesh = setup().upstream_http2(upstream_http2).start().unwrap();
        pausing(&mesh);
        for version in VERSIONS {
            for path in ["/verified/body", "/verified/body/call", "/verified/call/body", "/verified/body/body"] {
                for (framing, request) in framings(path, ["hello ", "world"]).into_iter().chain(empty(path)) {
                    for in_pieces in [false, true] {
                        let case =
                            format!("{version} {path} {framing}, in pieces {in_pieces}, to HTTP/2 {upstream_http2}");
                        let status = match in_pieces && framing != "content-length" && framing != "no body" {
                            true => upload(&mesh, version, &request),
                            false => version.exchange(mesh.addr(), &request).unwrap().status,
                        };
                        assert_eq!(status, 200, "{case}");
                        let received = mesh.upstream.received();
                        assert_eq!(received.len(), 1, "{case}");
                        let body = request.chunks.concat();
                        assert_eq!(received[0].body, body, "{case}");
                        let verified = received[0].headers.text("x-probe-verified");
                        assert_eq!(verified, Some(body.len().to_string()), "{case}");
                        assert_eq!(received[0].trailers.len(), request.trailers.len(), "{case}");
                        mesh.upstream.forget();
                    }
                }
            }
        }
    }
}

/// Catches a request of which the upstream sees anything at all before its body was found to be bad.
#[test]
fn of_a_bad_request_not_a_byte_goes_upstream() {
    let (upstream, callouts) = (RawUpstream::start().unwrap(), Upstream::start().unwrap());
    callouts.on("/pause", Answer::with_status(200).delay(Duration::from_millis(60)));
    let envoy = setup().envoy(upstream.addr(), callouts.addr()).unwrap().start().unwrap();
    let addr = envoy.addr("ingress").unwrap();
    for version in VERSIONS {
        for path in ["/verified/body", "/verified/call/body", "/verified/short"] {
            for (framing, request) in framings(path, ["a quite ev", "il body"]) {
                let case = format!("{version} {path} {framing}");
                let expected = if path == "/verified/short" { 413 } else { 403 };
                assert_eq!(version.exchange(addr, &request).unwrap().status, expected, "{case}");
                // Envoy writes what it writes in its next turn.
                thread::sleep(GAP);
                assert_eq!(upstream.connections().concat(), b"", "{case}");
            }
        }
    }
    let good = Request::post("/verified/body", b"good");
    assert_eq!(Version::Http1.exchange(addr, &good).unwrap().status, 200);
    assert_eq!(upstream.requests(), ["POST /verified/body"]);
}

/// Catches the same where the request goes on by HTTP/2.
#[test]
fn of_a_bad_request_not_a_frame_goes_upstream() {
    let mesh = setup().upstream_http2(true).start().unwrap();
    pausing(&mesh);
    for version in VERSIONS {
        for path in ["/verified/body", "/verified/call/body"] {
            for (framing, request) in framings(path, ["a quite ev", "il body"]) {
                let case = format!("{version} {path} {framing}");
                assert_eq!(version.exchange(mesh.addr(), &request).unwrap().status, 403, "{case}");
                thread::sleep(GAP);
                assert_eq!(mesh.upstream.count(), 0, "{case}");
            }
        }
    }
}

#[test]
fn a_body_that_was_read_behind_held_headers_can_be_rewritten() {
    let mesh = setup().start().unwrap();
    pausing(&mesh);
    for version in VERSIONS {
        for path in ["/verified/body/wrap", "/verified/call/body/wrap", "/verified/body/call/wrap"] {
            for (framing, request) in framings(path, ["hello ", "world"]) {
                let case = format!("{version} {path} {framing}");
                assert_eq!(version.exchange(mesh.addr(), &request).unwrap().status, 200, "{case}");
                let received = mesh.upstream.received();
                assert_eq!(received.len(), 1, "{case}");
                assert_eq!(received[0].body, b"<hello world>", "{case}");
                assert_eq!(received[0].headers.get("content-length"), None, "{case}");
                assert_eq!(received[0].trailers.len(), request.trailers.len(), "{case}");
                mesh.upstream.forget();
            }
        }
    }
}

/// Catches a client that sends a part and waits, and holds the worker's memory as long as it likes.
#[test]
fn a_body_that_does_not_end_in_time_is_refused() {
    let mesh = setup().start().unwrap();
    for version in VERSIONS {
        let mut upload = version.upload(mesh.addr(), Request::new("POST", "/verified/late")).unwrap();
        upload.piece("never ").unwrap();
        assert_eq!(upload.response().unwrap().status, 408, "{version}");
    }
    assert_eq!(mesh.upstream.count(), 0);
}

/// Catches a filter that lets a request pass unread where Envoy does not bring it the body, in the default mode.
#[test]
fn where_envoy_brings_no_body_behind_held_headers_the_request_is_refused() {
    let mesh = setup().hold_headers(false).start().unwrap();
    for version in VERSIONS {
        for (framing, request) in framings("/verified/late", ["hello ", "world"]) {
            let case = format!("{version} {framing}");
            assert_eq!(version.exchange(mesh.addr(), &request).unwrap().status, 408, "{case}");
            thread::sleep(GAP);
            assert_eq!(mesh.upstream.count(), 0, "{case}");
        }
        let response = version.exchange(mesh.addr(), &Request::get("/verified/late")).unwrap();
        assert_eq!(response.status, 200, "{version}");
        mesh.upstream.forget();
    }
    assert!(mesh.envoy.log().contains("allow_on_headers_stop_iteration"), "{}", mesh.envoy.log());
}

/// Catches a module that dies of a client that goes away in the middle of its body.
#[test]
fn a_client_that_goes_away_in_the_middle_of_its_body_leaves_nothing() {
    let mesh = setup().start().unwrap();
    for version in VERSIONS {
        for _ in 0..5 {
            let mut upload = version.upload(mesh.addr(), Request::new("POST", "/verified/body")).unwrap();
            upload.piece("half").unwrap();
            thread::sleep(GAP);
            drop(upload);
        }
        let request = Request::post("/verified/body", b"whole");
        assert_eq!(version.exchange(mesh.addr(), &request).unwrap().status, 200, "{version}");
    }
    assert_eq!(mesh.upstream.count(), 2);
    assert!(!mesh.envoy.log().contains("RuntimeError"), "{}", mesh.envoy.log());
}
