//! One trace, many deciders.

use std::collections::BTreeSet;

use palisade_testbed::{Request, load};
use serde_json::{Value, json};

use crate::mesh::Mesh;
use crate::trace::{Trace, traceparent};

const TRACES: usize = 2_000;
/// The tiers, with the least randomness that each samples: its threshold, of four digits after the leading `f`s.
const TIERS: [(&str, &str, u64); 4] = [
    ("all", "100%", 0),
    ("half", "50%", 0x80_0000_0000_0000),
    ("pro", "10%", 0xe6_6600_0000_0000),
    ("free", "1%", 0xfd_70a0_0000_0000),
];

/// Everything here is fixed: the traces are made from a seed.
#[test]
fn replicas_agree_and_a_larger_probability_samples_a_superset() {
    let replicas = [Mesh::with(&configuration()), Mesh::with(&configuration())];
    let traces = trace_ids();
    let mut larger: Option<BTreeSet<&str>> = None;
    for (tier, _, threshold) in TIERS {
        let expected: BTreeSet<_> =
            traces.iter().map(String::as_str).filter(|trace_id| randomness(trace_id) >= threshold).collect();
        for replica in &replicas {
            assert_eq!(sampled(replica, tier, &traces), expected, "{tier}");
        }
        assert!(!expected.is_empty());
        if let Some(larger) = larger {
            assert!(expected.is_subset(&larger) && expected.len() < larger.len(), "{tier}");
        }
        larger = Some(expected);
    }
}

/// A hop that decides by the same randomness adds no decision of its own.
#[test]
fn a_hop_behind_another_changes_no_decision() {
    let behind = Mesh::with(&configuration());
    let ahead = Mesh::start(|builder| {
        builder
            .plugin_configuration(crate::mesh::PLUGIN, &configuration())?
            .cluster("upstream", behind.envoy.addr("ingress")?)
    })
    .unwrap();
    for trace_id in trace_ids().iter().take(200) {
        for (tier, _, threshold) in TIERS {
            let request = Request::get("/").header("x-tier", tier).header("traceparent", traceparent(trace_id, "02"));
            let trace = Trace::of(&ahead.get(&request));
            assert_eq!((&trace.trace_id, trace.sampled()), (trace_id, randomness(trace_id) >= threshold), "{tier}");
        }
    }
    assert_eq!(ahead.upstream.count(), 0);
}

fn configuration() -> Value {
    let rule = |(name, sample, _): (&str, &str, u64)| {
        json!({
            "name": name, "match": {"headers": [{"name": "x-tier", "exact": name}]},
            "parent": {"policy": "ignore"}, "sample": sample,
        })
    };
    json!({"rules": TIERS.map(rule), "default": {"sample": "0%"}})
}

/// The traces that a tier samples, half of which come as sampled ones.
fn sampled<'a>(mesh: &Mesh, tier: &str, traces: &'a [String]) -> BTreeSet<&'a str> {
    let responses = load::run(mesh.addr(), 4, traces.len(), |place| {
        let flags = if place % 2 == 0 { "02" } else { "03" };
        Request::get("/").header("x-tier", tier).header("traceparent", traceparent(&traces[place], flags))
    });
    let mut sampled = BTreeSet::new();
    for (trace_id, response) in traces.iter().zip(responses.unwrap()) {
        let trace = Trace::of(&response);
        assert_eq!(&trace.trace_id, trace_id);
        if trace.sampled() {
            sampled.insert(trace_id.as_str());
        }
    }
    sampled
}

/// The last 56 bits of a trace id (W3C Trace Context Level 2, random-trace-id-flag).
fn randomness(trace_id: &str) -> u64 {
    u64::from_str_radix(&trace_id[18..], 16).unwrap()
}

/// Trace ids by SplitMix64.
fn trace_ids() -> Vec<String> {
    let mut state = 0x7061_6c69_7361_6465_u64;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    (0..TRACES).map(|_| format!("{:016x}{:016x}", next(), next())).collect()
}
