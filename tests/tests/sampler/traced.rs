//! A shipped config with what it names, and the spans that Envoy's own tracer exports.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use palisade_testbed::envoy::Builder;
use palisade_testbed::{Collector, Envoy, ModuleServer, Request, Response, Upstream, otlp};
use serde_json::{Value, json};

use crate::mesh::{Exchange, module_server, shipped};
use crate::trace::hex;

/// How often Envoy sends its spans; every five seconds otherwise.
const FLUSH: Duration = Duration::from_millis(50);

/// A running Envoy with a collector.
pub(crate) struct Traced {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    collector: Collector,
    _modules: ModuleServer,
}

/// Where a span stands in a trace; ids as `traceparent` writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    /// Empty in a span that begins a trace.
    pub(crate) parent_id: String,
}

impl Traced {
    /// Starts `trace-sampler.<name>.yaml` with these changes.
    pub(crate) fn start(name: &str, change: impl FnOnce(Builder) -> Result<Builder>) -> Self {
        Self::try_start(name, change).unwrap()
    }

    fn try_start(name: &str, change: impl FnOnce(Builder) -> Result<Builder>) -> Result<Self> {
        let (upstream, collector, modules) = (Upstream::start()?, Collector::start()?, module_server()?);
        let builder = shipped(name, &modules)?.cluster("upstream", upstream.addr())?;
        let builder =
            if name == "propagate" { builder } else { builder.cluster("otel_collector", collector.addr())? };
        let builder = builder.edit(|bootstrap| {
            bootstrap["layered_runtime"] = json!({"layers": [{
                "name": "static",
                "static_layer": {
                    "tracing.opentelemetry.flush_interval_ms": FLUSH.as_millis() as u64,
                    "tracing.opentelemetry.min_flush_spans": 1,
                },
            }]});
            Ok(())
        })?;
        Ok(Self { envoy: change(builder)?.start()?, upstream, collector, _modules: modules })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.envoy.addr("ingress").unwrap()
    }

    /// Sends a request, and waits for the spans that Envoy exports of it: as many as the response says.
    pub(crate) fn observe(
        &self,
        exchange: Exchange,
        request: &Request,
        spans: impl FnOnce(&Response) -> usize,
    ) -> (Response, Vec<Span>) {
        let before = self.collector.spans();
        let response = exchange(self.addr(), request).unwrap();
        assert_eq!(response.status, 200, "{request:?}: {response:?}");
        let exported = self.exported(before + spans(&response)).split_off(before);
        (response, exported)
    }

    /// All spans, once the collector has this many.
    pub(crate) fn exported(&self, spans: usize) -> Vec<Span> {
        self.collector.wait_for(spans, Duration::from_secs(10)).unwrap();
        // What is not to be exported would have been by now.
        thread::sleep(3 * FLUSH);
        let received = self.collector.wait_for(spans, Duration::ZERO).unwrap();
        let sent = self.envoy.stat("tracing.opentelemetry.spans_sent").unwrap();
        assert_eq!((received.len(), sent), (spans, spans as u64), "{received:?}");
        received.iter().map(Span::from).collect()
    }
}

impl From<&otlp::trace::v1::Span> for Span {
    fn from(span: &otlp::trace::v1::Span) -> Self {
        let [trace_id, span_id, parent_id] = [&span.trace_id, &span.span_id, &span.parent_span_id].map(|id| hex(id));
        Self { trace_id, span_id, parent_id }
    }
}

/// The HTTP connection manager of a listener, by the listener's place.
pub(crate) fn manager_mut(bootstrap: &mut Value, listener: usize) -> Result<&mut Value> {
    let pointer = format!("/static_resources/listeners/{listener}/filter_chains/0/filters/0/typed_config");
    bootstrap.pointer_mut(&pointer).with_context(|| format!("listener {listener} has no HTTP connection manager"))
}
