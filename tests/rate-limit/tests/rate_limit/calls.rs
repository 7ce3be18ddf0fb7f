//! What a request costs in calls of the host, as Envoy's own trace log shows them.

use std::thread;
use std::time::{Duration, Instant};

use palisade_testbed::envoy::trace::{self, ALLOCATION};
use serde_json::{Value, json};

use crate::mesh::{Mesh, Setup};

const PATIENCE: Duration = Duration::from_secs(20);

/// The callbacks and host functions of one request; behind a function that returns data, the callback that hands over memory.
fn calls(mesh: &Mesh) -> Vec<String> {
    let before = mesh.envoy.log().len();
    assert_eq!(mesh.status("alice"), 200);
    let deadline = Instant::now() + PATIENCE;
    while !mesh.envoy.log()[before..].contains("[host<-vm] proxy_on_delete") {
        assert!(Instant::now() < deadline, "the stream does not end");
        thread::sleep(Duration::from_millis(5));
    }
    trace::calls(&mesh.envoy.log()[before..]).map(str::to_owned).collect()
}

/// Catches a look-up that tokens in the worker's own hands make needless.
#[test]
fn with_leased_tokens_the_only_data_that_is_asked_for_is_the_key() {
    let map = ["proxy_get_header_map_pairs", ALLOCATION];
    let value = ["proxy_get_header_map_value", ALLOCATION];
    let property = ["proxy_get_property", ALLOCATION];
    let cases: [(Value, &[&str]); 4] = [
        (json!(null), &[]),
        (json!([{"header": "x-user"}]), &map),
        (json!([{"host": {}}]), &value),
        (json!([{"client_ip": {}}]), &property),
    ];
    for (key, asked) in cases {
        let mut limit = json!({"name": "leased", "rate": "1000000/1s", "accuracy": "lease", "batch": 1000});
        if !key.is_null() {
            limit["key"] = key.clone();
        }
        let mut mesh = Setup::new(&json!({"limits": [limit]})).workers(1).traced().start();
        // The first requests define metrics, lease tokens, and learn how to read the key.
        for _ in 0..3 {
            calls(&mesh);
        }
        let begin = ["proxy_on_context_create", "proxy_on_request_headers"];
        let end = [
            "proxy_get_current_time_nanoseconds",
            "proxy_increment_metric",
            "proxy_on_response_headers",
            "proxy_on_delete",
        ];
        assert_eq!(calls(&mesh), [&begin, asked, &end].concat(), "{key}");
        mesh.assert_unharmed();
    }
}

/// What counts exactly reads and writes one shard for each limit.
#[test]
fn an_exact_limit_reads_and_writes_one_value() {
    let mut mesh =
        Setup::new(&json!({"limits": [{"name": "exact", "rate": "1000000/1s"}]})).workers(1).traced().start();
    calls(&mesh);
    let made = calls(&mesh);
    let count = |name: &str| made.iter().filter(|call| *call == name).count();
    assert_eq!([count("proxy_get_shared_data"), count("proxy_set_shared_data"), count(ALLOCATION)], [1; 3], "{made:?}");
    mesh.assert_unharmed();
}
