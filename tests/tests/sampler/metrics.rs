//! The counters of decisions and events.

use std::collections::BTreeMap;

use palisade_testbed::{Request, http1};
use serde_json::json;

use crate::mesh::{Mesh, TOKEN_SHA256};

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

#[test]
fn every_decision_and_event_is_counted_once_over_all_workers() {
    let mesh = Mesh::with(&json!({
        "force": {"token_sha256": TOKEN_SHA256},
        "rules": [
            {"name": "health", "match": {"path": {"prefix": "/healthz"}}, "sample": "0%"},
            {"name": "vip", "match": {"headers": [{"name": "x-tier", "exact": "vip"}]},
             "parent": {"policy": "respect_if_sampled"}, "sample": "100%"},
            {"match": {"headers": [{"name": "x-tier", "exact": "half"}]},
             "parent": {"policy": "ignore"}, "sample": "50%"},
        ],
        "default": {"sample": "0%"},
    }));
    let get = || Request::get("/");
    let vip = || get().header("x-tier", "vip");
    let mix = [
        (3, get()),
        (5, vip()),
        (2, vip().header("traceparent", UNSAMPLED)),
        (4, vip().header("traceparent", SAMPLED)),
        (6, Request::get("/healthz").header("x-tier", "vip").header("traceparent", SAMPLED)),
        (2, get().header("x-tier", "half").header("traceparent", SAMPLED.replace("a3ce", "ffff"))),
        (
            1,
            get().header("x-tier", "half").header("traceparent", SAMPLED.replace("a3ce", "0000").replace("-01", "-03")),
        ),
        (7, get().header("traceparent", SAMPLED).header("tracestate", "FOO=1")),
        (8, get().header("traceparent", "garbage").header("tracestate", "foo=1")),
        (1, get().header("traceparent", SAMPLED).header("traceparent", SAMPLED)),
        (3, get().header("x-debug-trace", "open sesame")),
        (2, get().header("x-debug-trace", "guess")),
        (1, vip().header("x-tier", "vip")),
        (1, vip().header("traceparent", UNSAMPLED).header("tracestate", format!("ot=a:{}", "v".repeat(254)))),
    ];
    for (times, request) in &mix {
        for _ in 0..*times {
            // Each on a connection of its own, which goes to either worker.
            assert_eq!(http1::exchange(mesh.addr(), request).unwrap().status, 200);
        }
    }

    let expected = BTreeMap::from([
        ("decisions;tier=default;reason=forced;sampled=true", 3),
        ("decisions;tier=default;reason=parent;sampled=true", 7),
        ("decisions;tier=default;reason=probability;sampled=false", 3 + 8 + 1 + 2 + 1),
        ("decisions;tier=health;reason=never;sampled=false", 6),
        ("decisions;tier=rule_2;reason=probability;sampled=false", 1),
        ("decisions;tier=rule_2;reason=probability;sampled=true", 2),
        ("decisions;tier=vip;reason=parent;sampled=true", 4),
        ("decisions;tier=vip;reason=probability;sampled=true", 5 + 2 + 1),
        ("ambiguous", 1),
        ("force_refused", 2),
        ("invalid", 8 + 1),
        ("ot_too_long", 1),
        ("randomness_assumed", 2),
        ("restarts", 8 + 1),
        ("tracestate_dropped", 7 + 8),
    ]);
    let stats = mesh.envoy.stats("wasmcustom.palisade.trace_sampler.").unwrap();
    let counted: BTreeMap<_, _> = stats
        .iter()
        .map(|(name, value)| (name.trim_start_matches("wasmcustom.palisade.trace_sampler."), *value))
        .filter(|(name, value)| *value > 0 && !name.starts_with("configured"))
        .collect();
    assert_eq!(counted, expected);
}

#[test]
fn the_caller_decides_unread_where_no_rule_can_object() {
    let mesh = Mesh::with(&json!({
        "rules": [{"name": "vip", "match": {"headers": [{"name": "x-tier", "exact": "vip"}]}, "sample": "100%"}],
        "default": {"sample": "0%"},
    }));
    for traceparent in [SAMPLED, UNSAMPLED, SAMPLED] {
        mesh.get(&Request::get("/").header("x-tier", "vip").header("traceparent", traceparent));
    }
    assert_eq!(mesh.counter("decisions;tier=unread;reason=parent;sampled=true"), 2);
    assert_eq!(mesh.counter("decisions;tier=unread;reason=parent;sampled=false"), 1);
}

#[test]
fn prometheus_sees_labels_in_the_configs_that_ship() {
    let mesh = Mesh::shipped();
    for (tier, path) in [("vip", "/"), ("vip", "/"), ("vip", "/healthz")] {
        mesh.get(&Request::get(path).header("x-user-tier", tier));
    }
    let text = mesh.envoy.admin("/stats/prometheus").unwrap();
    for line in [
        r#"palisade_trace_sampler_decisions{reason="probability",sampled="true",tier="vip"} 2"#,
        r#"palisade_trace_sampler_decisions{reason="never",sampled="false",tier="health"} 1"#,
        r#"palisade_trace_sampler_configured{config="#,
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line} is missing in:\n{text}");
    }
    assert!(!text.contains("palisade_trace_sampler_decisions_"), "{text}");
}

#[test]
fn version_and_configuration_are_a_gauge() {
    let mesh = Mesh::shipped();
    let names: Vec<_> = mesh.envoy.stats("wasmcustom.palisade.trace_sampler.configured").unwrap().into_keys().collect();
    let [name] = names.as_slice() else { panic!("{names:?}") };
    assert!(name.contains(";version=0_") && name.contains(";config="), "{name}");
    assert!(mesh.envoy.log().contains("takes up configuration sha256:"));
}
