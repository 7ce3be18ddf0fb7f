//! The end of an exchange: seen however it comes, without a callback for what lies between.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use palisade_testbed::{Request, http1};

use crate::guests::Guest;
use crate::mesh::{Mesh, Setup};
use palisade_testbed::client::VERSIONS;

const PATIENCE: Duration = Duration::from_secs(10);

/// What the witness has told of so far, once it is this much.
fn told(mesh: &Mesh, count: usize) -> BTreeSet<String> {
    mesh.callouts.wait_for(count, PATIENCE).unwrap().into_iter().map(|request| request.path).collect()
}

#[test]
fn every_end_is_seen_with_what_the_host_knows_of_it() {
    for hold_headers in [false, true] {
        let mesh = Setup::new(Guest::Witness).hold_headers(hold_headers).start().unwrap();
        let mut expected = BTreeSet::new();
        for (place, version) in VERSIONS.into_iter().enumerate() {
            for (path, option, value, code) in [
                ("answered", "x-upstream-status", "201", 201),
                ("failed", "x-upstream-status", "502", 502),
                ("reset", "x-upstream-reset", "before_headers", 503),
                ("torn", "x-upstream-reset", "mid_body", 200),
            ] {
                let path = format!("/{path}/{place}");
                // A torn response is an error for the client.
                let _ = version.exchange(mesh.addr(), &Request::post(&path, "body").header(option, value));
                expected.insert(format!("{path}/{code}"));
            }
        }
        let mut connection = http1::Connection::open(mesh.addr()).unwrap();
        connection.send(&Request::get("/gone").header("x-upstream-delay-ms", "2000").to_http1()).unwrap();
        mesh.upstream.wait_for(9, PATIENCE).unwrap();
        drop(connection);
        expected.insert("/gone/0".to_owned());
        assert_eq!(http1::exchange(mesh.addr(), &Request::get("/unseen")).unwrap().status, 200);
        assert_eq!(told(&mesh, expected.len()), expected, "allow_on_headers_stop_iteration {hold_headers}");
        assert_eq!(mesh.envoy.stat("wasmcustom.palisade.witness.failures").unwrap(), 0);
    }
}

#[test]
fn a_failure_at_the_end_is_counted_and_harms_nobody() {
    let mesh = Setup::new(Guest::Witness).start().unwrap();
    assert_eq!(http1::exchange(mesh.addr(), &Request::get("/fails")).unwrap().status, 200);
    assert_eq!(http1::exchange(mesh.addr(), &Request::get("/after")).unwrap().status, 200);
    assert_eq!(told(&mesh, 2), BTreeSet::from(["/fails/200".to_owned(), "/after/200".to_owned()]));
    assert_eq!(mesh.envoy.stat("wasmcustom.palisade.witness.failures").unwrap(), 1);
}

/// An exchange that waits where only the background task may has no callbacks that could hold its message.
#[test]
fn an_exchange_that_waits_without_having_said_so_is_refused() {
    let mesh = Setup::new(Guest::Witness).start().unwrap();
    for version in VERSIONS {
        for request in [Request::get("/sleep"), Request::post("/sleep", "body").trailer("x-end", "1")] {
            assert_eq!(version.exchange(mesh.addr(), &request).unwrap().status, 500, "{version}");
        }
    }
    thread::sleep(Duration::from_millis(100));
    assert_eq!(mesh.upstream.count(), 0);
}
