//! The trace sampler that exports spans: what the sampler does, and a span for each request that it samples.

use palisade_sdk::config::ConfigErrors;
use palisade_sdk::{Exchange, Filter, Handle, HostError, OnFailure, Phases, Plugin, Reply, now, phases};

use super::config::WithSpanExport;
use super::exporter::Exporter;
use super::span::{Ending, OpenSpan};
use crate::filter::TraceSampler;

/// The trace sampler as a filter that exports spans.
pub struct SpanExportingTraceSampler {
    sampler: TraceSampler,
    exporter: Option<Exporter>,
}

impl Filter for SpanExportingTraceSampler {
    type Config = WithSpanExport;

    const NAME: &'static str = TraceSampler::NAME;
    const VERSION: &'static str = TraceSampler::VERSION;
    const PHASES: Phases = phases![request_headers, end, background, http_call, sleep];
    const ON_FAILURE: OnFailure = TraceSampler::ON_FAILURE;

    fn configure(config: WithSpanExport, plugin: Plugin) -> Result<Self, ConfigErrors> {
        let WithSpanExport { sampler, span_export } = config;
        let exporter = span_export.map(|config| Exporter::new(config, &plugin));
        Ok(Self { sampler: TraceSampler::configure(sampler, plugin)?, exporter })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let mut request = exchange.request().await;
        let (snapshot, decision) = self.sampler.sample(&mut request)?;
        let Some(exporter) = self.exporter.as_ref().filter(|_| decision.outcome.verdict.sampled) else { return Ok(()) };
        let Some(span) = OpenSpan::begin(&snapshot.headers, &decision, now()?) else { return Ok(()) };
        drop((snapshot, decision));
        let stream = request.end().await;
        exporter.queue(span.end(&ending(&stream)?));
        Ok(())
    }

    async fn background(&self, handle: Handle<Self>) {
        if let Some(exporter) = &self.exporter {
            exporter.run(&handle).await;
        }
    }
}

/// What the host knows of a stream that is over.
fn ending<F: Filter>(stream: &Handle<F>) -> Result<Ending, HostError> {
    let number = |path| Ok(stream.property(path)?.and_then(|value| Some(u64::from_le_bytes(value.try_into().ok()?))));
    let status = number(&["response", "code"])?.and_then(|code| u16::try_from(code).ok()).filter(|code| *code > 0);
    let flags = number(&["response", "flags"])?.unwrap_or(0);
    let broken = if status.is_none() || flags & BROKEN_OFF != 0 {
        // The details of a kind stand behind it, in braces.
        let details = stream.property(&["response", "code_details"])?.unwrap_or_default();
        Some(details.split(|byte| *byte == b'{').next().unwrap_or_default().to_vec())
    } else {
        None
    };
    Ok(Ending { time: now()?, status, broken, route: stream.property(&["xds", "route_name"])? })
}

/// Those of Envoy's response flags that say that an exchange broke off, be it after a status was sent: UT, LR, UR, UF,
/// UC, DC, SI, UMSDR, DT, UPE, OM and DR. The others say why Envoy itself has answered, or are no failure.
const BROKEN_OFF: u64 =
    1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 14 | 1 << 16 | 1 << 19 | 1 << 22 | 1 << 23 | 1 << 25 | 1 << 28;
