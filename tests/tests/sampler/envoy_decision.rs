//! `envoy_decision`: Envoy's own OpenTelemetry tracer does what the filter decides, as its collector counts.

use std::collections::BTreeSet;
use std::time::Duration;

use palisade_testbed::{Request, Response, http1};
use serde_json::json;

use crate::limits;
use crate::mesh::{PLUGIN, TOKEN_SHA256, VERSIONS};
use crate::trace::Trace;
use crate::traced::Traced;

/// The digit of `x-request-id` in which Envoy keeps its decision: `4` no, `9` sampled, `a` forced.
fn reason(response: &Response) -> char {
    let echo = response.echo().unwrap();
    let [id] = echo.header("x-request-id")[..] else { panic!("{echo:?}") };
    id.chars().nth(14).unwrap()
}

#[test]
fn a_vip_has_a_span_and_a_free_user_has_none() {
    let edge = Traced::start("envoy-decision", Ok);
    let addr = edge.addr();
    let mut sampled = BTreeSet::new();
    for (_, exchange) in VERSIONS {
        for _ in 0..25 {
            let response = exchange(addr, &Request::get("/").header("x-user-tier", "vip")).unwrap();
            let trace = Trace::of(&response);
            assert_eq!((reason(&response), &*trace.flags), ('9', "01"));
            sampled.insert(trace.trace_id);
        }
    }
    // Of so few, 1 % is mostly none; whichever is sampled says so in each place.
    for _ in 0..50 {
        let response = http1::exchange(addr, &Request::get("/")).unwrap();
        let trace = Trace::of(&response);
        assert_eq!(reason(&response), if trace.sampled() { '9' } else { '4' });
        if trace.sampled() {
            sampled.insert(trace.trace_id);
        }
    }
    for _ in 0..10 {
        let response = http1::exchange(addr, &Request::get("/healthz").header("x-user-tier", "vip")).unwrap();
        assert_eq!((reason(&response), &*Trace::of(&response).flags), ('4', "00"));
    }
    let exported: BTreeSet<_> = edge.exported(sampled.len()).into_iter().map(|span| span.trace_id).collect();
    assert_eq!(exported, sampled, "what the upstream was told is what the collector has");
}

/// An edge follows no client: neither its trace nor its wishes.
#[test]
fn a_client_can_neither_trace_nor_hide() {
    let edge = Traced::start("envoy-decision", |builder| {
        builder.plugin_configuration(
            PLUGIN,
            &json!({
                "mode": "envoy_decision",
                "rules": [{"name": "vip", "match": {"headers": [{"name": "x-user-tier", "exact": "vip"}]}, "sample": "100%"}],
                "default": {"sample": "0%"},
            }),
        )
    });
    let addr = edge.addr();
    let foreign = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (flags, tier, expected) in [("01", "free", '4'), ("00", "vip", '9')] {
        let request = Request::get("/")
            .header("x-user-tier", tier)
            .header("traceparent", crate::trace::traceparent(foreign, flags))
            .header("tracestate", "foo=1")
            .header("x-envoy-force-trace", "true")
            .header("x-request-id", "5a7c1b9e-0f1d-ac1e-8d5e-3f6f0a4b2c1d");
        let response = http1::exchange(addr, &request).unwrap();
        let trace = Trace::of(&response);
        assert_eq!((reason(&response), trace.sampled()), (expected, expected == '9'), "{tier}");
        assert_ne!(trace.trace_id, foreign);
    }
    edge.exported(1);
}

#[test]
fn a_token_and_the_force_trace_header_reach_envoy_too() {
    for (signal, forced, sampled) in [("request_id", 'a', '9'), ("force_trace_header", 'a', 'a')] {
        let edge = Traced::start("envoy-decision", |builder| {
            builder.plugin_configuration(
                PLUGIN,
                &json!({
                    "mode": "envoy_decision",
                    "envoy_signal": signal,
                    "force": {"token_sha256": TOKEN_SHA256},
                    "rules": [{"name": "vip", "match": {"headers": [{"name": "x-user-tier", "exact": "vip"}]}, "sample": "100%"}],
                    "default": {"sample": "0%"},
                }),
            )
        });
        let addr = edge.addr();
        for (name, value, expected) in [
            ("x-debug-trace", "open sesame", forced),
            ("x-debug-trace", "guess", '4'),
            ("x-user-tier", "vip", sampled),
            ("x-user-tier", "free", '4'),
        ] {
            let response = http1::exchange(addr, &Request::get("/").header(name, value)).unwrap();
            let trace = Trace::of(&response);
            assert_eq!((reason(&response), trace.sampled()), (expected, expected != '4'), "{signal} {name}: {value}");
            let told = response.echo().unwrap().header("x-envoy-force-trace").len();
            assert_eq!(
                told,
                usize::from(signal == "force_trace_header" && expected != '4'),
                "{signal} {name}: {value}"
            );
        }
        edge.exported(2);
    }
}

#[test]
fn a_cap_holds_for_envoys_own_spans() {
    let edge = Traced::start("envoy-decision", |builder| {
        builder.plugin_configuration(
            PLUGIN,
            &json!({"mode": "envoy_decision", "default": {"sample": "100%", "cap": {"per_second": 7}}}),
        )
    });
    let end = limits::middle_of_a_second() + Duration::from_secs(1);
    let seen = limits::load(edge.addr(), &["default"], &|| limits::now() >= end);
    limits::assert_seconds(&seen.iter().collect::<Vec<_>>(), 7);
    let sampled: BTreeSet<_> =
        seen.into_iter().filter(|seen| seen.trace.sampled()).map(|seen| seen.trace.trace_id).collect();
    let exported: BTreeSet<_> = edge.exported(sampled.len()).into_iter().map(|span| span.trace_id).collect();
    assert_eq!(exported, sampled);
}
