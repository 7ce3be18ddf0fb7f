//! Failures of a filter itself: a panic is a trap, which costs the worker's VM.

use crate::guests::Guest;
use crate::mesh::{Mesh, Setup};
use palisade_testbed::{Request, http1};
use std::thread;
use std::time::{Duration, Instant};

fn status(mesh: &Mesh, path: &str) -> u16 {
    http1::exchange(mesh.addr(), &Request::get(path)).unwrap().status
}

/// Catches a panic that is no trap.
fn assert_trapped(mesh: &Mesh) {
    let log = mesh.envoy.wait_for_log("Uncaught RuntimeError: unreachable", Duration::from_secs(5)).unwrap();
    assert!(log.contains("Function: proxy_on_request_headers failed"), "{log}");
}

/// Catches the same, and a request that passes the filter that is gone.
#[test]
fn after_a_panic_a_closed_filter_serves_nothing() {
    let mesh = Setup::new(Guest::Probe).failure_policy("FAIL_CLOSED").start().unwrap();
    assert_eq!(status(&mesh, "/"), 200);
    assert_eq!(status(&mesh, "/panic"), 503);
    assert_trapped(&mesh);
    for _ in 0..3 {
        assert_eq!(status(&mesh, "/"), 503);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(mesh.upstream.count(), 1);
}

/// Catches a module that cannot be started a second time.
#[test]
fn after_a_panic_a_reloaded_filter_serves_with_its_configuration() {
    let mesh = Setup::new(Guest::Probe).failure_policy("FAIL_RELOAD").start().unwrap();
    assert_eq!(status(&mesh, "/panic"), 503);
    assert_trapped(&mesh);
    let deadline = Instant::now() + Duration::from_secs(10);
    while status(&mesh, "/") != 200 {
        assert!(Instant::now() < deadline, "{}", mesh.envoy.log());
        thread::sleep(Duration::from_millis(50));
    }
    let response = http1::exchange(mesh.addr(), &Request::get("/label")).unwrap();
    assert_eq!(response.headers.text("x-probe-label").as_deref(), Some("first"));
    assert!(mesh.upstream.received_at("/panic").is_empty());
}
