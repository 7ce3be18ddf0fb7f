//! What does not work behind Envoy's own tracer, and is therefore not shipped. An Envoy that lets the filter decide more
//! than this turns a line red: then there is a simpler config to ship.

use anyhow::Result;
use palisade_testbed::{Request, checkout};
use serde_json::{Value, json};

use crate::mesh::{PLUGIN, VERSIONS};
use crate::trace::{Trace, traceparent};
use crate::traced::{Traced, manager_mut};

/// The flags that the upstream is told, and the number of spans that Envoy exports.
type Seen = (&'static str, usize);

/// A shipped config with a change, and what it does about a VIP (100 %) and about others (0 %).
struct Attempt {
    what: &'static str,
    config: &'static str,
    change: fn(&mut Value) -> Result<()>,
    filter: Value,
    /// Without a caller's trace.
    root: [Seen; 2],
    /// Below a parent that is not sampled.
    unsampled: [Seen; 2],
    /// Below one that is.
    sampled: [Seen; 2],
}

const NO: Seen = ("00", 0);
const YES: Seen = ("01", 1);

fn attempts() -> Vec<Attempt> {
    let release = checkout::envoy_release().unwrap();
    // Since 1.40 Envoy's own sampling has to agree with a parent or a sampler that samples, which decided alone before.
    let unless_envoy_agrees = if release < (1, 40) { YES } else { NO };
    let mut attempts = vec![
        Attempt {
            what: "Envoy, which samples nothing, writes over the filter's headers",
            config: "envoy-decision",
            change: keep_callers_trace,
            filter: mode(json!({"mode": "propagate"})),
            root: [NO, NO],
            unsampled: [NO, NO],
            sampled: [unless_envoy_agrees; 2],
        },
        Attempt {
            what: "Envoy, which samples everything, writes over the filter's headers",
            config: "thin-out",
            change: keep_callers_trace,
            filter: mode(json!({"mode": "propagate"})),
            root: [YES, YES],
            unsampled: [NO, NO],
            sampled: [YES, YES],
        },
        Attempt {
            what: "the trace reason counts for nothing below a parent",
            config: "envoy-decision",
            change: keep_callers_trace,
            filter: mode(json!({"mode": "envoy_decision"})),
            root: [YES, NO],
            unsampled: [NO, NO],
            sampled: [unless_envoy_agrees; 2],
        },
        Attempt {
            what: "x-envoy-force-trace counts for nothing below a parent",
            config: "envoy-decision",
            change: keep_callers_trace,
            filter: mode(json!({"mode": "envoy_decision", "envoy_signal": "force_trace_header"})),
            root: [YES, NO],
            unsampled: [NO, NO],
            sampled: [unless_envoy_agrees; 2],
        },
        Attempt {
            what: "a route that samples nothing counts for nothing below a parent",
            config: "thin-out",
            change: keep_callers_trace,
            filter: mode(json!({"mode": "envoy_decision", "envoy_signal": "decision_header"})),
            root: [YES, NO],
            unsampled: [NO, NO],
            sampled: [YES, YES],
        },
        Attempt {
            what: "with a sampler, Envoy ignores the trace reason",
            config: "envoy-decision",
            change: |bootstrap| add_sampler(bootstrap, 0),
            filter: mode(json!({"mode": "envoy_decision"})),
            root: [unless_envoy_agrees; 2],
            unsampled: [unless_envoy_agrees; 2],
            sampled: [unless_envoy_agrees; 2],
        },
        Attempt {
            what: "with a sampler, Envoy ignores the route",
            config: "thin-out",
            change: |bootstrap| add_sampler(bootstrap, 0),
            filter: mode(json!({"mode": "envoy_decision", "envoy_signal": "decision_header"})),
            root: [YES, YES],
            unsampled: [YES, YES],
            sampled: [YES, YES],
        },
        Attempt {
            what: "with a sampler, the second pass ignores the first",
            config: "two-passes",
            change: |bootstrap| add_sampler(bootstrap, 1),
            filter: mode(json!({"mode": "propagate"})),
            root: [YES, YES],
            unsampled: [YES, YES],
            sampled: [YES, YES],
        },
        Attempt {
            what: "the second pass samples what comes without a traceparent",
            config: "two-passes",
            change: |_| Ok(()),
            filter: mode(json!({"mode": "propagate", "emit_unsampled_roots": false})),
            root: [YES, YES],
            unsampled: [YES, NO],
            sampled: [YES, NO],
        },
    ];
    if release >= (1, 40) {
        attempts.push(Attempt {
            what: "a tracer that leaves the headers alone leaves its own spans alone too",
            config: "thin-out",
            change: |bootstrap| {
                keep_callers_trace(bootstrap)?;
                manager_mut(bootstrap, 0)?["tracing"]["no_context_propagation"] = json!(true);
                Ok(())
            },
            filter: mode(json!({"mode": "propagate"})),
            root: [("03", 1), ("02", 1)],
            unsampled: [("01", 0), ("00", 0)],
            sampled: [("01", 1), ("00", 1)],
        });
    }
    attempts
}

#[test]
fn what_envoys_tracer_decides_the_filter_cannot() {
    for attempt in attempts() {
        let traced = Traced::start(attempt.config, |builder| {
            builder.edit(attempt.change)?.plugin_configuration(PLUGIN, &attempt.filter)
        });
        let (_, exchange) = VERSIONS[0];
        let parents = [(None, attempt.root), (Some("00"), attempt.unsampled), (Some("01"), attempt.sampled)];
        for (flags, seen) in parents {
            for (tier, (told, spans)) in ["vip", "free"].into_iter().zip(seen) {
                let request = Request::get("/orders").header("x-user-tier", tier);
                let request = match flags {
                    Some(flags) => request.header("traceparent", traceparent(&"1".repeat(32), flags)),
                    None => request,
                };
                let (response, exported) = traced.observe(exchange, &request, |_| spans);
                let case = format!("{}: {tier} under {flags:?}, {exported:?}", attempt.what);
                assert_eq!((&*Trace::of(&response).flags, exported.len()), (told, spans), "{case}");
            }
        }
    }
}

/// This mode of a filter that has its way with VIPs and all others, whatever the caller says.
fn mode(fields: Value) -> Value {
    let mut configuration = json!({
        "parent": {"policy": "ignore"},
        "rules": [{"match": {"headers": [{"name": "x-user-tier", "exact": "vip"}]}, "sample": "100%"}],
        "default": {"sample": "0%"},
    });
    for (name, value) in fields.as_object().into_iter().flatten() {
        configuration[name] = value.clone();
    }
    configuration
}

/// Lets the caller's trace in, which the configs for an edge take away.
fn keep_callers_trace(bootstrap: &mut Value) -> Result<()> {
    manager_mut(bootstrap, 0)?["early_header_mutation_extensions"] = json!([]);
    Ok(())
}

/// Gives a listener's provider a sampler of its own.
fn add_sampler(bootstrap: &mut Value, listener: usize) -> Result<()> {
    manager_mut(bootstrap, listener)?["tracing"]["provider"]["typed_config"]["sampler"] = json!({
        "name": "envoy.tracers.opentelemetry.samplers.always_on",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3.AlwaysOnSamplerConfig",
        },
    });
    Ok(())
}
