//! Span export: one OTLP span for each sampled request, sent to a collector in batches, beside the requests.
//!
//! A span is encoded when its exchange is over, and waits in a queue of its worker until an exporter sends it.
//! No request waits for either: what finds no room or cannot be sent is dropped and counted.

pub(crate) mod config;
mod exporter;
mod filter;
mod otlp;
mod queue;
mod span;

pub use config::WithSpanExport;
pub use filter::SpanExportingTraceSampler;
