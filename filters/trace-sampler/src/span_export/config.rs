//! The configuration of a sampler that exports spans: that of any sampler, and the field `span_export`.

use std::time::Duration;

use palisade_sdk::config::{FromConfig, FromFields, Node, Object};

use super::span::LONGEST;
use crate::{
    config::{Config, Mode, Place},
    formats::Formats,
    propagation::ParentIdPolicy,
};

#[cfg(feature = "schema")]
mod schema;

pub(crate) const MOST_QUEUED: u64 = 65_536;
pub(crate) const MOST_IN_BATCH: u64 = 4_096;
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);

/// The configuration of a sampler that may export spans.
#[derive(Clone, Debug)]
pub struct WithSpanExport {
    pub(crate) sampler: Config,
    pub(crate) span_export: Option<SpanExport>,
}

/// Where spans go, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpanExport {
    pub(crate) cluster: String,
    pub(crate) path: String,
    pub(crate) service_name: String,
    /// The most spans that wait, and the most that are sent at once.
    pub(crate) queue: usize,
    pub(crate) batch: usize,
    /// The longest that a span waits for others.
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

// === impl WithSpanExport ===

impl FromFields for WithSpanExport {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let span_export = object.optional::<SpanExport>("span_export");
        let mut sampler = Config::read(object)?;
        let span_export = span_export?;
        if span_export.is_some() {
            let place = object.optional::<Place>("mode")?.unwrap_or_default();
            match &mut sampler.mode {
                Mode::Propagate(propagation) if place == Place::Alone => own_spans(object, &mut propagation.parent_id)?,
                _ => return object.error_at("span_export", ENVOYS_SPAN),
            }
            if sampler.formats != Formats::W3C {
                return object.error_at("propagators", ONLY_W3C);
            }
        }
        Some(Self { sampler, span_export })
    }
}

/// Gives each sampled request the parent id of its span.
fn own_spans(object: &Object<'_>, parent_id: &mut ParentIdPolicy) -> Option<()> {
    match parent_id {
        ParentIdPolicy::Preserve => object.error_at("parent_id", PRESERVED),
        ParentIdPolicy::OnSpan | ParentIdPolicy::Always => Some(()),
        ParentIdPolicy::OnChange => {
            *parent_id = ParentIdPolicy::OnSpan;
            Some(())
        }
    }
}

const PRESERVED: &str =
    "with \"preserve\" the upstream would not be below the span that span_export sends; leave it out";
const ENVOYS_SPAN: &str =
    "in the modes \"envoy_decision\" and \"upstream\" Envoy's tracer exports a span for the same request; leave it out";
const ONLY_W3C: &str =
    "with span_export the upstream learns of the span by traceparent alone; leave it out, or write [\"w3c\"]";

// === impl SpanExport ===

impl FromFields for SpanExport {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let cluster = object.required_with("cluster", |node| name(node, "the name of one of Envoy's clusters"));
        let path = object.optional_with("path", path);
        let service_name = object.optional_with("service_name", |node| name(node, "a name of up to 256 bytes"));
        let queue = object.optional_with("queue", |node| size(node, MOST_QUEUED));
        let batch = object.optional_with("batch", |node| size(node, MOST_IN_BATCH));
        let interval = object.optional_with("interval", duration);
        let timeout = object.optional_with("timeout", duration);
        let (queue, batch) = (queue?.unwrap_or(2048), batch?);
        if batch.is_some_and(|batch| batch > queue) {
            return object.error_at("batch", "more spans than the queue holds");
        }
        Some(Self {
            cluster: cluster?,
            path: path?.unwrap_or_else(|| "/v1/traces".to_owned()),
            service_name: service_name?.unwrap_or_else(|| "unknown_service:envoy".to_owned()),
            queue,
            batch: batch.unwrap_or(512).min(queue),
            interval: interval?.unwrap_or(Duration::from_secs(1)),
            timeout: timeout?.unwrap_or(Duration::from_secs(10)),
        })
    }
}

fn name(node: Node<'_>, expected: &str) -> Option<String> {
    let name = node.text(expected)?;
    if (1..=LONGEST).contains(&name.len()) { Some(name.to_owned()) } else { node.malformed(expected) }
}

fn path(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "a path such as \"/v1/traces\"";
    let path = node.text(EXPECTED)?;
    if path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some(path.to_owned())
    } else {
        node.malformed(EXPECTED)
    }
}

fn size(node: Node<'_>, most: u64) -> Option<usize> {
    usize::try_from(node.integer(1..=most)?).ok()
}

fn duration(node: Node<'_>) -> Option<Duration> {
    let duration = Duration::from_config(node)?;
    if (SHORTEST..=LONGEST_INTERVAL).contains(&duration) {
        Some(duration)
    } else {
        node.error("expected a duration from \"1ms\" to \"1h\"")
    }
}

#[cfg(test)]
mod tests;
