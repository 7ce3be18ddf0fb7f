//! `envoy_decision`: Envoy's own OpenTelemetry tracer does what the filter decides, as its collector counts.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use palisade_testbed::envoy::Builder;
use palisade_testbed::{Answer, Envoy, ModuleServer, Request, Response, Upstream, http1};
use serde_json::json;

use crate::mesh::{PLUGIN, TOKEN_SHA256, VERSIONS, module_server, shipped};
use crate::trace::Trace;

/// How often Envoy sends its spans; every five seconds otherwise.
const FLUSH: Duration = Duration::from_millis(50);

/// The shipped config, and a collector that keeps what it is sent.
struct Edge {
    envoy: Envoy,
    collector: Upstream,
    _upstream: Upstream,
    _modules: ModuleServer,
}

impl Edge {
    fn start(change: impl FnOnce(Builder) -> Result<Builder>) -> Self {
        let (upstream, collector) = (Upstream::start().unwrap(), Upstream::start().unwrap());
        let modules = module_server().unwrap();
        collector.on("/v1/traces", Answer::with_status(200).body(""));
        let builder = shipped("envoy-decision", &modules)
            .and_then(|builder| builder.cluster("upstream", upstream.addr()))
            .and_then(|builder| builder.cluster("otel_collector", collector.addr()))
            .and_then(|builder| {
                builder.edit(|bootstrap| {
                    bootstrap["layered_runtime"] = json!({"layers": [{
                        "name": "static",
                        "static_layer": {
                            "tracing.opentelemetry.flush_interval_ms": FLUSH.as_millis() as u64,
                            "tracing.opentelemetry.min_flush_spans": 1,
                        },
                    }]});
                    Ok(())
                })
            })
            .and_then(change);
        Self { envoy: builder.unwrap().start().unwrap(), collector, _upstream: upstream, _modules: modules }
    }

    /// The traces of the spans that Envoy exported, once the collector has this many.
    fn exported(&self, spans: usize) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.collected().len() < spans && Instant::now() < deadline {
            thread::sleep(FLUSH);
        }
        // What is not to be exported would have been by now.
        thread::sleep(3 * FLUSH);
        let traces = self.collected();
        assert_eq!((traces.len(), self.envoy.stat("tracing.opentelemetry.spans_sent").unwrap()), (spans, spans as u64));
        traces
    }

    fn collected(&self) -> Vec<String> {
        let requests = self.collector.received();
        assert!(requests.iter().all(|request| request.method == "POST" && request.path == "/v1/traces"));
        let complete = requests.iter().filter(|request| request.ended.is_some());
        complete.flat_map(|request| trace_ids(&request.body)).collect()
    }
}

/// The digit of `x-request-id` in which Envoy keeps its decision: `4` no, `9` sampled, `a` forced.
fn reason(response: &Response) -> char {
    let echo = response.echo().unwrap();
    let [id] = echo.header("x-request-id")[..] else { panic!("{echo:?}") };
    id.chars().nth(14).unwrap()
}

#[test]
fn a_vip_has_a_span_and_a_free_user_has_none() {
    let edge = Edge::start(Ok);
    let addr = edge.envoy.addr("ingress").unwrap();
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
    let exported: BTreeSet<_> = edge.exported(sampled.len()).into_iter().collect();
    assert_eq!(exported, sampled, "what the upstream was told is what the collector has");
}

/// An edge follows no client: neither its trace nor its wishes.
#[test]
fn a_client_can_neither_trace_nor_hide() {
    let edge = Edge::start(|builder| {
        builder.plugin_configuration(
            PLUGIN,
            &json!({
                "mode": "envoy_decision",
                "rules": [{"name": "vip", "match": {"headers": [{"name": "x-user-tier", "exact": "vip"}]}, "sample": "100%"}],
                "default": {"sample": "0%"},
            }),
        )
    });
    let addr = edge.envoy.addr("ingress").unwrap();
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
        let edge = Edge::start(|builder| {
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
        let addr = edge.envoy.addr("ingress").unwrap();
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

/// The trace ids of the spans in an `ExportTraceServiceRequest` (opentelemetry-proto, trace_service.proto).
fn trace_ids(request: &[u8]) -> Vec<String> {
    let (resource_spans, scope_spans, spans, trace_id) = (1, 2, 2, 1);
    let ids = [resource_spans, scope_spans, spans, trace_id].into_iter().fold(vec![request], |messages, field| {
        messages.into_iter().flat_map(|message| fields(message, field)).collect()
    });
    ids.iter().map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect()).collect()
}

/// The values of a field of length-delimited type in a protobuf message.
fn fields(mut message: &[u8], number: u64) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let length = match tag & 7 {
            0 => {
                varint(&mut message);
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)).unwrap(),
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (value, rest) = message.split_at(length);
        if tag >> 3 == number {
            found.push(value);
        }
        message = rest;
    }
    found
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().unwrap();
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}
