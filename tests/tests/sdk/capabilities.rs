//! Capability lists: what the host withholds from a filter never makes it let a request through.

use crate::SHELL;
use crate::guests::Guest;
use crate::mesh::{Mesh, Setup};
use palisade_testbed::client::{VERSIONS, Version};
use palisade_testbed::{Answer, Request, grpc, http1};
use std::thread;
use std::time::Duration;

/// Long enough for a request that is let through to arrive.
const QUIET: Duration = Duration::from_millis(150);

/// Catches a build that does not know all that its module uses, and a filter that needs more.
#[test]
fn a_filter_works_under_a_list_of_what_its_module_uses() {
    let mesh = Setup::new(Guest::Guard).withhold("nothing").start().unwrap();
    for version in VERSIONS {
        assert_eq!(version.exchange(mesh.addr(), &Request::post("/", "good")).unwrap().status, 200, "{version}");
        assert_eq!(version.exchange(mesh.addr(), &Request::post("/", "evil")).unwrap().status, 403, "{version}");
    }
}

/// Catches a refusal that the host does not send and that lets the request go on.
#[test]
fn a_request_is_held_when_its_refusal_cannot_be_sent() {
    for hold_headers in [false, true] {
        let setup = Setup::new(Guest::Guard).withhold("proxy_send_local_response").hold_headers(hold_headers);
        let mesh = setup.start().unwrap();
        for version in VERSIONS {
            for trailers in [false, true] {
                let case = format!("{version}, trailers {trailers}, allow_on_headers_stop_iteration {hold_headers}");
                let by_header = Request::new("POST", "/by-header").header("x-kind", "evil");
                for request in [by_header, Request::new("POST", "/by-body")] {
                    let request = if trailers { request.trailer("x-end", "1") } else { request };
                    let mut upload = version.upload(mesh.addr(), request).unwrap();
                    for piece in ["an ev", "il body"] {
                        upload.piece(piece).unwrap();
                        thread::sleep(Duration::from_millis(10));
                    }
                    upload.end().unwrap();
                    assert!(upload.response_within(QUIET).is_err(), "{case}");
                    let received = mesh.upstream.received();
                    assert!(received.iter().all(|request| request.path != "/by-header"), "{case}: {received:?}");
                    assert!(received.iter().all(|request| request.body.is_empty()), "{case}: {received:?}");
                    assert!(received.iter().all(|request| request.ended.is_none()), "{case}: {received:?}");
                }
            }
        }
        assert!(mesh.envoy.log().contains("restricted"), "{}", mesh.envoy.log());
    }
}

/// Catches a callout that is not sent and counts as answered.
#[test]
fn a_request_is_refused_when_its_callout_cannot_be_sent() {
    let mesh = Setup::new(Guest::Probe).withhold("proxy_http_call").start().unwrap();
    mesh.callouts.on("/allow", Answer::with_status(200));
    for version in VERSIONS {
        for method in ["GET", "POST"] {
            assert_not_sent(&mesh, version, Request::new(method, "/call?/allow"));
        }
    }
    assert_eq!((mesh.upstream.count(), mesh.callouts.count()), (0, 0));
}

/// Catches a call that is not sent and counts as answered.
#[test]
fn a_request_is_refused_when_its_grpc_call_cannot_be_sent() {
    for hold_headers in [false, true] {
        let mesh = Setup::new(Guest::Quota).withhold("proxy_grpc_call").hold_headers(hold_headers).start().unwrap();
        for version in VERSIONS {
            assert_not_sent(&mesh, version, Request::new("POST", "/allowed"));
        }
        assert_eq!((mesh.upstream.count(), mesh.callouts.count()), (0, 0));
    }
}

/// Catches an answer that finds an exchange which has gone, and a failure of each cancel in the log.
#[test]
fn a_call_that_cannot_be_cancelled_is_answered_in_vain() {
    const CLIENTS: usize = 10;
    let mesh = Setup::new(Guest::Quota).withhold("proxy_grpc_cancel").start().unwrap();
    mesh.callouts.on("/quota.Quota/late", grpc::ok("").delay(Duration::from_millis(800)));
    mesh.callouts.on("/quota.Quota/soon", grpc::ok(""));
    let connections: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut connection = http1::Connection::open(mesh.addr()).unwrap();
            connection.send(&Request::get("/late").to_http1()).unwrap();
            connection
        })
        .collect();
    mesh.callouts.wait_for(CLIENTS, Duration::from_secs(5)).unwrap();
    drop(connections);
    // In a module of the crate `proxy-wasm` no call is cancelled.
    let cancels = if SHELL == "proxy-wasm" { 0 } else { CLIENTS as u64 };
    let failures = "wasmcustom.palisade.quota.failures";
    mesh.envoy.wait_for_stat(failures, |count| count == cancels, Duration::from_secs(5)).unwrap();
    thread::sleep(Duration::from_millis(1000));
    assert_eq!(http1::exchange(mesh.addr(), &Request::get("/soon")).unwrap().status, 200);
    assert_eq!(mesh.upstream.count(), 1);
    assert!(mesh.callouts.received().iter().all(|call| !call.cancelled));
    assert_eq!(
        mesh.envoy.log().matches("proxy_grpc_cancel with").count(),
        cancels.min(1) as usize,
        "{}",
        mesh.envoy.log()
    );
}

/// Sends a request with a body, which is refused because its filter's call was not sent.
fn assert_not_sent(mesh: &Mesh, version: Version, request: Request) {
    let mut upload = version.upload(mesh.addr(), request).unwrap();
    // Envoy may have answered already.
    let _ = upload.piece("body").and_then(|()| upload.end());
    let response = upload.response().unwrap();
    assert_eq!(response.status, 503, "{version}");
    assert!(response.text().contains("the call was not sent"), "{version} {response:?}");
}
