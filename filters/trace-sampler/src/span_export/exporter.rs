//! The exporter: sends what is queued to a collector, one batch at a time.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use palisade_sdk::metrics::Family;
use palisade_sdk::{CallError, Counter, Filter, Handle, HeaderError, Plugin, labels};
use prost::Message;

use super::config::SpanExport;
use super::otlp::{ExportTraceServiceRequest, InstrumentationScope, KeyValue, Resource, ResourceSpans, ScopeSpans};
use super::queue::{Full, Queue};

/// No more of an answer is taken, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// Sends the spans of one configuration in one worker.
pub(crate) struct Exporter {
    config: SpanExport,
    queue: Queue,
    /// How many spans are on their way to the collector.
    under_way: Cell<usize>,
    /// Whether the last batch was lost, so that an outage is logged once.
    failing: Cell<bool>,
    exported: Counter,
    dropped: Family<Counter, 1>,
}

/// Why a batch was not taken.
enum Failure {
    Call(CallError),
    Answer(u16),
    Header(HeaderError),
}

impl Exporter {
    pub(crate) fn new(config: SpanExport, plugin: &Plugin) -> Self {
        Self {
            queue: Queue::new(config.queue),
            config,
            under_way: Cell::new(0),
            failing: Cell::new(false),
            exported: plugin.counter("spans_exported"),
            dropped: plugin.counters("spans_dropped", labels!["reason"]),
        }
    }

    /// Takes an encoded span, if there is room for it.
    pub(crate) fn queue(&self, span: Vec<u8>) {
        if let Err(Full) = self.queue.push(span) {
            self.drop(1, "queue_full");
        }
    }

    /// Sends batches for ever. Where no spans come, nothing happens, not even a tick of a timer.
    pub(crate) async fn run<F: Filter>(&self, handle: &Handle<F>) {
        loop {
            self.queue.filled(1).await;
            self.batch_or_interval(handle).await;
            self.send(handle).await;
        }
    }

    async fn batch_or_interval<F: Filter>(&self, handle: &Handle<F>) {
        let mut batch = pin!(self.queue.filled(self.config.batch));
        let mut interval = pin!(handle.sleep(self.config.interval));
        poll_fn(|context| {
            match batch.as_mut().poll(context).is_ready() || interval.as_mut().poll(context).is_ready() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    async fn send<F: Filter>(&self, handle: &Handle<F>) {
        let spans = self.queue.take(self.config.batch);
        let count = spans.len();
        self.under_way.set(count);
        let outcome = self.post(handle, self.request(spans)).await;
        self.under_way.set(0);
        match outcome {
            Ok(()) => {
                self.failing.set(false);
                self.exported.add(saturated(count));
            }
            Err(failure) => {
                self.drop(count, failure.reason());
                if !self.failing.replace(true) {
                    log::warn!("trace_sampler: spans are lost: {failure} (the next are only counted)");
                }
            }
        }
    }

    async fn post<F: Filter>(&self, handle: &Handle<F>, body: Vec<u8>) -> Result<(), Failure> {
        let call = handle
            .http_call(&self.config.cluster)
            .header(":method", "POST")?
            .header(":path", &self.config.path)?
            .header("content-type", "application/x-protobuf")?
            .header("user-agent", concat!("palisade/", env!("CARGO_PKG_VERSION")))?
            .timeout(self.config.timeout)
            // Only the status is read.
            .max_body(LONGEST_ANSWER)
            .body(body);
        match call.send().await?.status {
            200..=299 => Ok(()),
            status => Err(Failure::Answer(status)),
        }
    }

    fn request(&self, spans: Vec<Vec<u8>>) -> Vec<u8> {
        let resource = Resource { attributes: vec![KeyValue::text("service.name", self.config.service_name.as_str())] };
        let scope = InstrumentationScope { name: "palisade".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans }];
        ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { resource: Some(resource), scope_spans }] }
            .encode_to_vec()
    }

    fn drop(&self, count: usize, reason: &'static str) {
        self.dropped.add([reason], saturated(count));
    }
}

/// The configuration goes, and with it what it has not sent.
impl Drop for Exporter {
    fn drop(&mut self) {
        let left = self.queue.len().saturating_add(self.under_way.get());
        Exporter::drop(self, left, "shutdown");
    }
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

// === impl Failure ===

impl Failure {
    /// The name in metrics.
    fn reason(&self) -> &'static str {
        match self {
            Self::Header(_) | Self::Call(CallError::NotSent(_)) => "not_sent",
            Self::Call(CallError::Timeout) => "timeout",
            Self::Call(CallError::Unreachable) => "unreachable",
            Self::Call(_) | Self::Answer(_) => "refused",
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<HeaderError> for Failure {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Answer(status) => write!(f, "the collector answered {status}"),
            Self::Header(error) => error.fmt(f),
        }
    }
}
