//! What goes wrong in filters of the field: smuggling, double dispatch, release before the answer, split responses.

use crate::guests::Guest;
use crate::mesh::{Mesh, Setup};
use palisade_testbed::client::VERSIONS;
use palisade_testbed::{Answer, RawUpstream, Request, Upstream, http1};
use std::time::Duration;

/// A request with each way in which a body can end, and none.
fn framings(path: &str) -> [(&'static str, Request); 6] {
    let post = || Request::new("POST", path);
    [
        ("no body", Request::get(path)),
        ("content-length", Request::post(path, b"body")),
        ("chunked", post().chunks(["bo", "dy"])),
        ("empty chunked", post().chunks([""; 0])),
        ("chunked and trailers", post().chunks(["bo", "dy"]).trailer("x-end", "1")),
        ("empty and trailers", post().chunks([""; 0]).trailer("x-end", "1")),
    ]
}

/// H3 and H2: whatever comes after the headers, and whether or not Envoy lets a filter hold headers alone, the
/// request goes to the upstream once, and after the answer.
#[test]
fn no_request_passes_before_its_callout_is_answered_and_none_twice() {
    for hold_headers in [false, true] {
        let mesh = Mesh::start(hold_headers).unwrap();
        mesh.callouts.on("/allow", Answer::with_status(200).body("yes").delay(Duration::from_millis(80)));
        mesh.callouts.on("/deny", Answer::with_status(401).delay(Duration::from_millis(80)));
        for version in VERSIONS {
            for (framing, request) in framings("/call?/deny") {
                let case = format!("{version}, {framing}, allow_on_headers_stop_iteration {hold_headers}");
                let response = version.exchange(mesh.addr(), &request).unwrap();
                assert_eq!(response.status, 403, "{case}");
                assert_eq!(mesh.upstream.count(), 0, "{case}");
            }
            for (framing, request) in framings("/call?/allow") {
                let case = format!("{version}, {framing}, allow_on_headers_stop_iteration {hold_headers}");
                let response = version.exchange(mesh.addr(), &request).unwrap();
                assert_eq!(response.status, 200, "{case}");
                let answered = mesh.callouts.received().last().unwrap().began + Duration::from_millis(80);
                let received = mesh.upstream.received();
                assert_eq!(received.len(), 1, "{case}");
                assert!(received[0].began >= answered, "{case}");
                assert_eq!(received[0].body, request.chunks.concat(), "{case}");
                assert_eq!(received[0].trailers.len(), request.trailers.len(), "{case}");
                mesh.upstream.forget();
            }
        }
    }
}

/// The same for a filter that sleeps, whose timer is another callback.
#[test]
fn a_request_held_by_a_timer_goes_once() {
    for hold_headers in [false, true] {
        let mesh = Mesh::start(hold_headers).unwrap();
        for version in VERSIONS {
            for (framing, request) in framings("/sleep") {
                version.exchange(mesh.addr(), &request).unwrap();
                let received = mesh.upstream.received();
                assert_eq!(received.len(), 1, "{version}, {framing}, {hold_headers}");
                assert_eq!(received[0].body, request.chunks.concat(), "{version}, {framing}, {hold_headers}");
                mesh.upstream.forget();
            }
        }
    }
}

/// H1: the upstream's connection holds whole requests and nothing else, however the client's body is framed.
#[test]
fn a_longer_body_never_becomes_the_front_of_the_next_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    for hold_headers in [false, true] {
        let (upstream, callouts) = (RawUpstream::start().unwrap(), Upstream::start().unwrap());
        let setup = Setup::new(Guest::Probe).hold_headers(hold_headers);
        let envoy = setup.envoy(upstream.addr(), callouts.addr()).unwrap().start().unwrap();
        let addr = envoy.addr("ingress").unwrap();
        let mut expected = Vec::new();
        for version in VERSIONS {
            for path in ["/body/rewrite", "/body/whole", "/body/keep"] {
                for (framing, mut request) in framings(path) {
                    for chunk in request.chunks.iter_mut().filter(|chunk| !chunk.is_empty()) {
                        *chunk = smuggled.into();
                    }
                    let response = version.exchange(addr, &request).unwrap();
                    assert_eq!(response.status, 200, "{version} {path} {framing} {hold_headers}");
                    expected.push(format!("{} {path}", request.method));
                }
            }
            version.exchange(addr, &Request::get("/after")).unwrap();
            expected.push("GET /after".to_owned());
        }
        assert_eq!(upstream.requests(), expected, "{hold_headers}");
    }
}

/// H4: what would split a message cannot be written, neither into a request nor into a reply.
#[test]
fn no_line_break_leaves_the_filter() {
    for hold_headers in [false, true] {
        let mesh = Mesh::start(hold_headers).unwrap();
        for version in VERSIONS {
            for (framing, request) in framings("/split") {
                let response = version.exchange(mesh.addr(), &request).unwrap();
                let echo = response.echo().unwrap();
                assert_eq!(echo.header("x-probe-refused"), ["23/23 true"], "{version} {framing} {hold_headers}");
                assert!(echo.header("x-smuggled").is_empty(), "{version} {framing} {hold_headers}");
            }
            for (framing, request) in framings("/reply/split") {
                let response = version.exchange(mesh.addr(), &request).unwrap();
                assert_eq!(response.status, 500, "{version} {framing} {hold_headers}");
                assert!(response.headers.get("set-cookie").is_none(), "{version} {framing} {hold_headers}");
            }
        }
        let mut connection = http1::Connection::open(mesh.addr()).unwrap();
        connection.send(&Request::get("/reply/split").to_http1()).unwrap();
        let bytes = connection.raw(Duration::from_millis(300)).unwrap();
        let reply = String::from_utf8_lossy(&bytes);
        assert!(reply.starts_with("HTTP/1.1 500 ") && !reply.contains("set-cookie"), "{reply}");
    }
}

/// A status that allows no body, on a response with one, leaves bytes that the client takes for the next response.
#[test]
fn a_response_with_a_body_never_gets_a_status_without_one() {
    let mesh = Mesh::start(false).unwrap();
    for version in VERSIONS {
        let response = version.exchange(mesh.addr(), &Request::get("/response/status/without-body")).unwrap();
        assert_eq!(response.status, 200, "{version}");
        assert_eq!(response.headers.text("x-probe-refused").as_deref(), Some("3"), "{version}");
    }
}
