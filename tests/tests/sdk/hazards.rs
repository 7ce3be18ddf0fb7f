//! What goes wrong in filters of the field: smuggling, double dispatch, release before the answer, split responses.

use crate::mesh::{Mesh, envoy};
use palisade_testbed::{Answer, RawUpstream, Request, Response, Upstream, http1, http2};
use std::time::Duration;

type Exchange = fn(std::net::SocketAddr, &Request) -> anyhow::Result<Response>;

const VERSIONS: [(&str, Exchange); 2] = [("HTTP/1.1", http1::exchange), ("HTTP/2", http2::exchange)];

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
        for (version, exchange) in VERSIONS {
            for (framing, request) in framings("/call?/deny") {
                let case = format!("{version}, {framing}, allow_on_headers_stop_iteration {hold_headers}");
                let response = exchange(mesh.addr(), &request).unwrap();
                assert_eq!(response.status, 403, "{case}");
                assert_eq!(mesh.upstream.count(), 0, "{case}");
            }
            for (framing, request) in framings("/call?/allow") {
                let case = format!("{version}, {framing}, allow_on_headers_stop_iteration {hold_headers}");
                let response = exchange(mesh.addr(), &request).unwrap();
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
        for (version, exchange) in VERSIONS {
            for (framing, request) in framings("/sleep") {
                exchange(mesh.addr(), &request).unwrap();
                let received = mesh.upstream.received();
                assert_eq!(received.len(), 1, "{version}, {framing}, {hold_headers}");
                assert_eq!(received[0].body, request.chunks.concat(), "{version}, {framing}, {hold_headers}");
                mesh.upstream.forget();
            }
        }
    }
}

/// H1: the upstream's connection holds whole requests and nothing else.
#[test]
fn a_longer_body_never_becomes_the_front_of_the_next_request() {
    for (version, exchange) in VERSIONS {
        let (upstream, callouts) = (RawUpstream::start().unwrap(), Upstream::start().unwrap());
        let envoy = envoy(false).unwrap().cluster("upstream", upstream.addr()).unwrap();
        let envoy = envoy.cluster("callouts", callouts.addr()).unwrap().start().unwrap();
        let addr = envoy.addr("ingress").unwrap();
        for path in ["/body/rewrite", "/body/whole", "/body/keep"] {
            let smuggled = b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
            let response = exchange(addr, &Request::post(path, smuggled)).unwrap();
            assert_eq!(response.status, 200, "{version} {path}");
        }
        exchange(addr, &Request::get("/after")).unwrap();
        assert_eq!(
            upstream.requests(),
            ["POST /body/rewrite", "POST /body/whole", "POST /body/keep", "GET /after"],
            "{version}"
        );
    }
}

/// H4: what would split a message cannot be written.
#[test]
fn no_line_break_leaves_the_filter() {
    let mesh = Mesh::start(false).unwrap();
    for (version, exchange) in VERSIONS {
        let response = exchange(mesh.addr(), &Request::get("/split")).unwrap();
        let echo = response.echo().unwrap();
        assert_eq!(echo.header("x-probe-refused"), ["7/7 true"], "{version}");
        assert!(echo.header("x-smuggled").is_empty(), "{version}");
        let response = exchange(mesh.addr(), &Request::get("/reply/split")).unwrap();
        assert_eq!(response.status, 500, "{version}");
        assert!(response.headers.get("set-cookie").is_none(), "{version}");
    }
}

/// The response may come before the request is complete; what the filter rewrites still never passes unseen.
#[test]
fn an_early_response_neither_hangs_nor_lets_the_rest_of_the_request_through() {
    let mesh = Mesh::start(false).unwrap();
    let request = Request::new("POST", "/body/rewrite").header("x-upstream-early", "true").chunks(["one", "two"]);
    for (version, exchange) in VERSIONS {
        let response = exchange(mesh.addr(), &request);
        assert!(response.is_ok(), "{version} {response:?}");
    }
}
