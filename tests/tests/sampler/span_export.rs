//! `span_export`: the filter's own spans, as a collector decodes them, and requests that never notice the collector.

mod collector;
mod cost;
mod spans;
mod updates;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use palisade_testbed::envoy::Builder;
use palisade_testbed::otlp::common::v1::any_value::Value as Attribute;
use palisade_testbed::otlp::trace::v1::Span;
use palisade_testbed::{Collector, Envoy, ModuleServer, Request, Upstream};
use serde_json::{Value, json};

use crate::mesh::{PLUGIN, module_server, shipped};

/// The file of the module that exports spans.
const MODULE: &str = "trace_sampler_span_export.wasm";
/// How long a span may wait for others in these tests.
const INTERVAL: Duration = Duration::from_millis(50);
/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The shipped config, its upstream and its collector.
struct Hop {
    envoy: Envoy,
    upstream: Upstream,
    collector: Collector,
    _modules: ModuleServer,
}

impl Hop {
    /// With all requests sampled, and these fields in `span_export`.
    fn exporting(fields: &Value) -> Self {
        Self::start(|builder| builder.plugin_configuration(PLUGIN, &configuration(fields)))
    }

    /// Starts `trace-sampler.span-export.yaml` with these changes.
    fn start(change: impl FnOnce(Builder) -> Result<Builder>) -> Self {
        let (upstream, collector) = (Upstream::start().unwrap(), Collector::start().unwrap());
        let modules = module_server().unwrap();
        let builder = shipped("span-export", &modules)
            .and_then(|builder| builder.cluster("upstream", upstream.addr()))
            .and_then(|builder| builder.cluster("otel_collector", collector.addr()))
            .and_then(change);
        Self { envoy: builder.unwrap().start().unwrap(), upstream, collector, _modules: modules }
    }

    fn addr(&self) -> SocketAddr {
        self.envoy.addr("ingress").unwrap()
    }

    /// The filter's counter of this name and these labels, such as `spans_exported`.
    fn counter(&self, name: &str) -> u64 {
        self.envoy.stat(&format!("wasmcustom.palisade.trace_sampler.{name}")).unwrap()
    }

    /// All spans, for whatever reason they were dropped.
    fn dropped(&self) -> u64 {
        self.envoy.stats("wasmcustom.palisade.trace_sampler.spans_dropped").unwrap().values().sum()
    }

    /// Waits until this many spans are exported or dropped.
    fn settled(&self, spans: usize) -> (u64, u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counted = (self.counter("spans_exported"), self.dropped());
            if counted.0 + counted.1 >= spans as u64 {
                assert_eq!(counted.0 + counted.1, spans as u64);
                return counted;
            }
            assert!(Instant::now() < deadline, "{counted:?} of {spans}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A configuration that samples all and exports with these fields.
fn configuration(fields: &Value) -> Value {
    let mut export = json!({"cluster": "otel_collector", "interval": format!("{}ms", INTERVAL.as_millis())});
    export.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"span_export": export, "parent": {"policy": "ignore"}, "default": {"sample": "100%"}})
}

/// A request that the shipped rules sample.
fn vip(path: &str) -> Request {
    Request::get(path).header("x-user-tier", "vip")
}

/// An attribute of a span, as text.
fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.as_ref().unwrap().value.as_ref().unwrap() {
        Attribute::StringValue(text) => text.clone(),
        Attribute::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    })
}
