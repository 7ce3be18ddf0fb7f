//! Metrics: counters, gauges and histograms of the host, alone or in families told apart by labels.
//!
//! # Names
//!
//! The ABI knows no labels, so they stand in the name: `palisade.<filter>.<metric>;<label>=<value>;...`, which Envoy
//! shows as `wasmcustom.palisade....`. One regular expression for each label in the bootstrap's `stats_tags` makes
//! labels of them, so that `/stats/prometheus` says `palisade_<filter>_<metric>{<label>="<value>",...}`:
//!
//! ```yaml
//! - tag_name: tier
//!   regex: '^wasmcustom\.palisade\..*(;tier=([^;]*))'
//! ```
//!
//! [`labels!`](crate::labels) is where label names come from. It leaves them in the module, `cargo palisade build`
//! writes them into the lock, and `cargo palisade pin` makes the expressions from there.
//!
//! A value keeps ASCII letters, digits, `_`, `-` and `/`; every other byte becomes `_`, and what exceeds 64 bytes is cut
//! off (and `_rq_503` at the end becomes `_rq-503`, lest Envoy take it for a response code). So no value ends its label,
//! its metric, or a segment of the name.
//!
//! # Cardinality
//!
//! The host cannot delete a metric: each series stays until the process ends. A [`Family`] is for values that the
//! configuration bounds; one whose values come from clients must be [capped](Family::capped).
//!
//! ```
//! use palisade_sdk::metrics::{CappedFamily, DEFAULT_CAP, Family};
//! use palisade_sdk::{Counter, Plugin, labels};
//!
//! struct Metrics {
//!     decisions: Family<Counter, 2>,
//!     tenants: CappedFamily<Counter, 1>,
//! }
//!
//! impl Metrics {
//!     fn new(plugin: &Plugin) -> Self {
//!         Self {
//!             decisions: plugin.counters("decisions", labels!["tier", "sampled"]),
//!             tenants: plugin.counters("requests", labels!["tenant"]).capped(DEFAULT_CAP),
//!         }
//!     }
//!
//!     fn count(&self, rule: &str, tenant: &[u8]) {
//!         self.decisions.increment([rule, "true"]);
//!         self.tenants.increment([tenant]);
//!     }
//! }
//! ```
//!
//! A metric is defined at its first use. A host that refuses metrics loses them; no request pays for it.

mod capped;
mod family;
mod labels;
mod registry;

pub use capped::{CappedFamily, DEFAULT_CAP, OTHER};
pub use family::Family;
pub use labels::Labels;

use crate::abi;
use std::cell::Cell;

/// A number that only grows.
pub struct Counter(Metric);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u32) {
        add(self.0.id(), count);
    }
}

/// A number that goes up and down.
pub struct Gauge(Metric);

impl Gauge {
    /// Sets the value for the whole process: the workers share it.
    pub fn set(&self, value: u64) {
        record(self.0.id(), value);
    }
}

/// A distribution of values.
pub struct Histogram(Metric);

impl Histogram {
    /// Records one value.
    pub fn record(&self, value: u64) {
        record(self.0.id(), value);
    }
}

/// What kind of metric it is.
pub(crate) trait Kind: Sized {
    /// Its number in the ABI.
    const KIND: u32;

    fn of(metric: Metric) -> Self;

    /// The metric of this name.
    fn new(name: Vec<u8>) -> Self {
        Self::of(Metric { kind: Self::KIND, name, id: Cell::new(Definition::Missing) })
    }
}

impl Kind for Counter {
    const KIND: u32 = 0;

    fn of(metric: Metric) -> Self {
        Self(metric)
    }
}

impl Kind for Gauge {
    const KIND: u32 = 1;

    fn of(metric: Metric) -> Self {
        Self(metric)
    }
}

impl Kind for Histogram {
    const KIND: u32 = 2;

    fn of(metric: Metric) -> Self {
        Self(metric)
    }
}

/// The name of a filter's metric, without labels.
pub(crate) fn name(filter: &str, metric: &str) -> Vec<u8> {
    ["palisade", filter, metric].join(".").into_bytes()
}

/// Envoy refuses to add zero, so none is sent.
fn add(id: Option<u32>, count: u32) {
    if let (1.., Some(id)) = (count, id) {
        let _ = abi::increment_metric(id, i64::from(count));
    }
}

fn record(id: Option<u32>, value: u64) {
    if let Some(id) = id {
        let _ = abi::record_metric(id, value);
    }
}

pub(crate) struct Metric {
    kind: u32,
    name: Vec<u8>,
    id: Cell<Definition>,
}

#[derive(Clone, Copy)]
enum Definition {
    Missing,
    Refused,
    Id(u32),
}

impl Metric {
    fn id(&self) -> Option<u32> {
        if let Definition::Missing = self.id.get() {
            self.id.set(abi::define_metric(self.kind, &self.name).map_or(Definition::Refused, Definition::Id));
        }
        match self.id.get() {
            Definition::Id(id) => Some(id),
            Definition::Missing | Definition::Refused => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_metrics_is_asked_once() {
        let counter = Counter::new(name("f", "m"));
        counter.increment();
        assert!(matches!(counter.0.id.get(), Definition::Refused));
    }
}
