//! Concurrency: how many may be under way at once, and that each one that ends, in whatever way, makes room.

use std::thread;
use std::time::{Duration, Instant};

use palisade_testbed::{Answer, Request, http1, http2};
use serde_json::{Value, json};

use crate::mesh::Mesh;

const ROOM: usize = 5;
const PATIENCE: Duration = Duration::from_secs(20);

fn limit() -> Value {
    json!({"limits": [{"name": "inflight", "key": [{"header": "x-user"}], "concurrency": ROOM, "max_duration": "1h"}]})
}

fn slow(user: &str) -> Request {
    Request::get("/slow").header("x-user", user)
}

/// Waits until as many fit as there is room for.
fn assert_all_free(mesh: &Mesh) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // One more than fit, all at once.
        let mut connection = http2::Connection::open(mesh.addr()).unwrap();
        mesh.upstream.on("/hold", Answer::with_status(200).delay(Duration::from_millis(500)));
        let request = Request::get("/hold").header("x-user", "alice");
        let streams: Vec<_> = (0..=ROOM).map(|_| connection.open_stream(&request, true).unwrap()).collect();
        let statuses: Vec<_> = streams.into_iter().map(|stream| stream.response().unwrap().status).collect();
        let admitted = statuses.iter().filter(|status| **status == 200).count();
        assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
        assert!(admitted <= ROOM, "{statuses:?}");
        if admitted == ROOM {
            return;
        }
        assert!(Instant::now() < deadline, "{admitted} of {ROOM} fit");
        thread::sleep(Duration::from_millis(50));
    }
}

fn wait_for_active(mesh: &Mesh, count: u64) {
    mesh.envoy.wait_for_stat("http.ingress.downstream_rq_active", |active| active == count, PATIENCE).unwrap();
}

#[test]
fn so_many_may_be_under_way_and_the_next_is_refused() {
    let mut mesh = Mesh::with(&limit());
    mesh.upstream.on("/slow", Answer::with_status(200).delay(Duration::from_secs(60)));
    let mut connections: Vec<_> = (0..ROOM).map(|_| http1::Connection::open(mesh.addr()).unwrap()).collect();
    for connection in &mut connections {
        connection.send(&slow("alice").to_http1()).unwrap();
    }
    mesh.upstream.wait_for(ROOM, PATIENCE).unwrap();
    assert_eq!(mesh.get(&slow("alice")).status, 429);
    let other = Request::get("/").header("x-user", "bob");
    assert_eq!(mesh.get(&other).status, 200);
    drop(connections);
    assert_all_free(&mesh);
    mesh.assert_unharmed();
}

/// Catches a place that nobody gives back.
#[test]
fn every_end_of_a_request_makes_room() {
    let mut mesh = Mesh::with(&limit());
    mesh.upstream.on("/slow", Answer::with_status(200).delay(Duration::from_secs(60)));
    let directed = |option: &str, value: &str| {
        let request = Request::get("/").header("x-user", "alice");
        mesh.get(&request.header(format!("x-upstream-{option}"), value)).status
    };
    for _ in 0..3 {
        // Clients that go away while the upstream works.
        let mut connection = http2::Connection::open(mesh.addr()).unwrap();
        let streams: Vec<_> = (0..ROOM).map(|_| connection.open_stream(&slow("alice"), true).unwrap()).collect();
        mesh.upstream.wait_for(ROOM, PATIENCE).unwrap();
        for mut stream in streams {
            stream.reset(h2::Reason::CANCEL);
        }
        wait_for_active(&mesh, 0);
        assert_all_free(&mesh);
        mesh.upstream.forget();
    }
    // Upstreams that answer with an error, or break off.
    for _ in 0..2 * ROOM {
        assert_eq!(directed("status", "500"), 500);
        assert_eq!(directed("reset", "before_headers"), 503);
    }
    assert_all_free(&mesh);
    mesh.assert_unharmed();
}

/// A request that never comes to its end holds its place for `max_duration` and no longer.
#[test]
fn a_place_is_free_again_after_its_longest_time() {
    let mut limit = limit();
    limit["limits"][0]["max_duration"] = json!("1s");
    let mut mesh = Mesh::with(&limit);
    mesh.upstream.on("/slow", Answer::with_status(200).delay(Duration::from_secs(60)));
    let mut connections: Vec<_> = (0..ROOM).map(|_| http1::Connection::open(mesh.addr()).unwrap()).collect();
    for connection in &mut connections {
        connection.send(&slow("alice").to_http1()).unwrap();
    }
    mesh.upstream.wait_for(ROOM, PATIENCE).unwrap();
    assert_all_free(&mesh);
    drop(connections);
    mesh.assert_unharmed();
}
