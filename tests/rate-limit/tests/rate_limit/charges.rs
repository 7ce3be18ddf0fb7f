//! Costs that are known after the response, where there is no whole response.

use std::time::Duration;

use palisade_testbed::upstream::Reset;
use palisade_testbed::{Answer, http1, http2};
use serde_json::{Value, json};

use crate::mesh::{Mesh, by};

const PATIENCE: Duration = Duration::from_secs(20);

/// What Envoy has received from the upstream, in bytes.
const RECEIVED: &str = "cluster.upstream.upstream_cx_rx_bytes_total";

fn limit(cost: Value) -> Value {
    json!({"limits": [{"name": "costly", "key": [{"header": "x-user"}], "rate": "10/1d", "cost": cost}]})
}

/// 64 KiB in pieces, which take a minute.
fn long() -> Answer {
    Answer::with_status(200).header("x-cost", "50").body([b'x'; 65_536]).chunks(4096, Duration::from_secs(4))
}

fn idle(mesh: &Mesh) {
    mesh.envoy.wait_for_stat("http.ingress.downstream_rq_active", |active| active == 0, PATIENCE).unwrap();
}

/// Catches a client that pays nothing because it does not wait for the end.
#[test]
fn who_goes_away_in_mid_body_pays_for_what_was_sent() {
    for cost in [json!({"response_header": "x-cost"}), json!({"response_bytes": "64B"})] {
        let mut mesh = Mesh::with(&limit(cost.clone()));
        mesh.upstream.on("/", long());
        // By HTTP/1 the connection ends, by HTTP/2 the stream.
        let mut connection = http1::Connection::open(mesh.addr()).unwrap();
        connection.send(&by("alice").to_http1()).unwrap();
        assert_eq!(connection.response_head().unwrap().0, 200);
        // The first piece, in part at least.
        assert!(!connection.raw(Duration::from_millis(500)).unwrap().is_empty());
        drop(connection);
        idle(&mesh);
        let before = mesh.envoy.stat(RECEIVED).unwrap();
        let mut connection = http2::Connection::open(mesh.addr()).unwrap();
        let mut stream = connection.open_stream(&by("bob"), true).unwrap();
        mesh.envoy.wait_for_stat(RECEIVED, |bytes| bytes >= before + 4096, PATIENCE).unwrap();
        stream.reset(h2::Reason::CANCEL);
        idle(&mesh);
        mesh.upstream.on("/", Answer::with_status(200));
        assert_eq!([mesh.status("alice"), mesh.status("bob"), mesh.status("carol")], [429, 429, 200], "{cost}");
        mesh.assert_unharmed();
    }
}

/// An upstream that breaks off is paid for what it has sent, and its header counts.
#[test]
fn a_response_that_breaks_off_costs_what_it_has_said_so_far() {
    for (cost, reset, refused) in [
        (json!({"response_header": "x-cost"}), Reset::MidBody, true),
        (json!({"response_header": "x-cost"}), Reset::AfterHeaders, true),
        (json!({"response_bytes": "64B"}), Reset::MidBody, true),
        (json!({"response_bytes": "64B"}), Reset::AfterHeaders, false),
        // Envoy answers in the upstream's place, without the header: the default.
        (json!({"response_header": "x-cost", "default": 50}), Reset::BeforeHeaders, true),
        (json!({"response_header": "x-cost", "default": 1}), Reset::BeforeHeaders, false),
    ] {
        let mut mesh = Mesh::with(&limit(cost.clone()));
        mesh.upstream.on("/", long().chunks(4096, Duration::ZERO).reset(reset));
        let mut connection = http1::Connection::open(mesh.addr()).unwrap();
        connection.send(&by("alice").to_http1()).unwrap();
        connection.raw(Duration::from_millis(500)).unwrap();
        idle(&mesh);
        mesh.upstream.on("/", Answer::with_status(200));
        assert_eq!(mesh.status("alice"), if refused { 429 } else { 200 }, "{cost}, {reset:?}");
        mesh.assert_unharmed();
    }
}
