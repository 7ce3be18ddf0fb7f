//! Filters with the fewest phases that inspect and change whole bodies: the host's other callbacks pass them by.

use crate::guests::Guest;
use crate::mesh::Setup;
use palisade_testbed::client::VERSIONS;
use palisade_testbed::{Answer, Request, Response, grpc, http2};
use std::thread;
use std::time::Duration;

/// Catches a body that is released by the trailers, because the module does not export their callback.
#[test]
fn a_refused_body_never_reaches_the_upstream_with_trailers_or_without() {
    for hold_headers in [false, true] {
        let mesh = Setup::new(Guest::Guard).hold_headers(hold_headers).start().unwrap();
        for version in VERSIONS {
            for trailers in [true, false] {
                let case = format!("{version}, trailers {trailers}, allow_on_headers_stop_iteration {hold_headers}");
                let request = |path: &str| {
                    let request = Request::new("POST", path);
                    if trailers { request.trailer("x-end", "1") } else { request }
                };
                for pieces in [&["an evil body"][..], &["an ev", "il body"]] {
                    let mut upload = version.upload(mesh.addr(), request("/refused")).unwrap();
                    for piece in pieces {
                        upload.piece(piece).unwrap();
                        // So that the trailers come in a callback of their own.
                        thread::sleep(Duration::from_millis(30));
                    }
                    upload.end().unwrap();
                    assert_eq!(upload.response().unwrap().status, 403, "{case}");
                    let received = mesh.upstream.received();
                    assert!(received.iter().all(|request| request.body.is_empty()), "{case}: {received:?}");
                    assert!(received.iter().all(|request| request.ended.is_none()), "{case}: {received:?}");
                }
                mesh.upstream.forget();
                let response = version.exchange(mesh.addr(), &request("/good").chunks(["a good", " body"])).unwrap();
                assert_eq!(response.status, 200, "{case}");
                let received = mesh.upstream.received().pop().unwrap();
                assert_eq!(received.body, b"a good body", "{case}");
                assert_eq!(received.trailers.len(), usize::from(trailers), "{case}");
                mesh.upstream.forget();
            }
        }
    }
}

/// Catches a module that does not export what it never declared, and a host that then lets go what is held: a body and
/// trailers that come while the headers wait for a callout.
#[test]
fn a_filter_that_only_asks_holds_whole_requests_and_loses_nothing_of_them() {
    let guests = [Guest::Gate, Guest::Screen, Guest::Quota];
    for (guest, hold_headers) in guests.into_iter().flat_map(|guest| [(guest, false), (guest, true)]) {
        let mesh = Setup::new(guest).hold_headers(hold_headers).start().unwrap();
        mesh.callouts.on("/quota.Quota/allowed", grpc::ok("").delay(Duration::from_millis(60)));
        mesh.callouts.on("/quota.Quota/denied", grpc::status(7, "").delay(Duration::from_millis(60)));
        mesh.callouts.on("/allowed", Answer::with_status(200).delay(Duration::from_millis(60)));
        mesh.callouts.on("/denied", Answer::with_status(401).delay(Duration::from_millis(60)));
        for version in VERSIONS {
            for (pieces, trailers) in [(0, false), (0, true), (2, false), (2, true)] {
                let case = format!(
                    "{guest:?}, {version}, {pieces} pieces, trailers {trailers}, \
                     allow_on_headers_stop_iteration {hold_headers}"
                );
                for (path, status) in [("/denied", 403), ("/allowed", 200)] {
                    let request = Request::new("POST", path);
                    let request = if trailers { request.trailer("x-end", "1") } else { request };
                    let mut upload = version.upload(mesh.addr(), request).unwrap();
                    let mut sent = Ok(());
                    for _ in 0..pieces {
                        sent = sent.and_then(|()| upload.piece("piece"));
                        thread::sleep(Duration::from_millis(10));
                    }
                    let sent = sent.and_then(|()| upload.end());
                    assert!(sent.is_ok() || status == 403, "only a refusal overtakes the request: {case}: {sent:?}");
                    assert_eq!(upload.response().unwrap().status, status, "{case}");
                }
                let received = mesh.upstream.received();
                assert_eq!(received.len(), 1, "{case}: {received:?}");
                assert_eq!(received[0].path, "/allowed", "{case}");
                assert_eq!(received[0].body, b"piece".repeat(pieces), "{case}");
                assert_eq!(received[0].trailers.len(), usize::from(trailers), "{case}");
                mesh.upstream.forget();
            }
        }
    }
}

fn secret(trailers: bool) -> Answer {
    let answer = Answer::with_status(200).body("a secret, twice: secret").chunks(4, Duration::from_millis(5));
    if trailers { answer.trailer("x-end", "1") } else { answer }
}

/// Catches a response's body that is released by its trailers.
#[test]
fn a_masked_word_never_reaches_the_client_with_trailers_or_without() {
    for (hold_headers, upstream_http2) in [(false, false), (false, true), (true, false), (true, true)] {
        let mesh = Setup::new(Guest::Mask).hold_headers(hold_headers).upstream_http2(upstream_http2).start().unwrap();
        for version in VERSIONS {
            for trailers in [true, false] {
                mesh.upstream.on("/masked", secret(trailers));
                let request = Request::get("/masked").header("te", "trailers");
                let response = version.exchange(mesh.addr(), &request).unwrap();
                let case = format!("{version}, trailers {trailers}, {hold_headers}, HTTP/2 upstream {upstream_http2}");
                assert_eq!(response.text(), "a /masked, twice: /masked", "{case}");
                assert_eq!(response.trailers.len(), usize::from(trailers), "{case}");
            }
        }
    }
}

/// Catches a filter's state that belongs to another stream than the callback.
#[test]
fn streams_that_overlap_are_each_served_with_their_own_response() {
    let mesh = Setup::new(Guest::Mask).start().unwrap();
    let paths: Vec<_> = (0..8).map(|place| format!("/{place}")).collect();
    for (place, path) in (1..).zip(&paths) {
        // The last one is answered first.
        mesh.upstream.on(path, secret(false).delay(Duration::from_millis(160 / place)));
    }
    let mut connection = http2::Connection::open(mesh.addr()).unwrap();
    let streams: Vec<_> = paths.iter().map(|path| connection.open_stream(&Request::get(path), true).unwrap()).collect();
    let responses: Vec<Response> = streams.into_iter().map(|stream| stream.response().unwrap()).collect();
    for (path, response) in paths.iter().zip(responses) {
        assert_eq!(response.text(), format!("a {path}, twice: {path}"));
    }
}
