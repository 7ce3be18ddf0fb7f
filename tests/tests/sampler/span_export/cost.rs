//! What a request costs in calls of the host, as Envoy's own trace log shows them.

use std::thread;
use std::time::Instant;

use palisade_testbed::envoy::trace;
use palisade_testbed::{Request, http1};
use serde_json::json;

use super::{Hop, INTERVAL, PATIENCE, configuration, vip};
use crate::mesh::PLUGIN;

/// The callbacks and host functions of one request, without those that hand over memory.
fn calls(hop: &Hop, request: &Request) -> Vec<String> {
    let before = hop.envoy.log().len();
    assert_eq!(http1::exchange(hop.addr(), request).unwrap().status, 200);
    let deletes = |log: &str| log.matches("[host<-vm] proxy_on_delete").count();
    let deadline = Instant::now() + PATIENCE;
    while deletes(&hop.envoy.log()[before..]) == 0 && Instant::now() < deadline {
        thread::sleep(INTERVAL);
    }
    let log = hop.envoy.log();
    let names = trace::calls(&log[before..]).filter(|name| *name != trace::ALLOCATION);
    names.map(str::to_owned).collect()
}

#[test]
fn an_unsampled_request_costs_one_callback_more_and_no_call() {
    let hop = Hop::start(|builder| {
        let mut configuration = configuration(&json!({"interval": "1h"}));
        configuration["rules"] = json!([
            {"match": {"headers": [{"name": "x-user-tier", "exact": "vip"}]}, "sample": "100%"},
        ]);
        configuration["default"] = json!({"sample": "0%"});
        let builder = builder.concurrency(1).log_level("wasm", "trace");
        builder.plugin_configuration(PLUGIN, &configuration)
    });
    // The first of each kind defines a metric, draws entropy for many, or sets a timer.
    for request in [Request::get("/"), vip("/"), vip("/")] {
        calls(&hop, &request);
    }
    let decided = |headers: &[&str]| {
        let begin = ["proxy_on_context_create", "proxy_on_request_headers", "proxy_get_header_map_pairs"];
        let begin = begin.iter().chain(headers).chain(&["proxy_increment_metric"]);
        begin.map(|name| (*name).to_owned()).collect::<Vec<_>>()
    };
    let mut unsampled = decided(&["proxy_add_header_map_value"]);
    unsampled.push("proxy_on_delete".to_owned());
    assert_eq!(calls(&hop, &Request::get("/")), unsampled);

    let mut sampled = decided(&["proxy_add_header_map_value", "proxy_add_header_map_value"]);
    sampled.extend(
        [
            "proxy_get_current_time_nanoseconds",
            "proxy_on_delete",
            "proxy_get_property",
            "proxy_get_property",
            "proxy_get_current_time_nanoseconds",
            "proxy_get_property",
        ]
        .map(str::to_owned),
    );
    assert_eq!(calls(&hop, &vip("/")), sampled);
}
