//! Metrics: counters, gauges and histograms of the host, by name and labels.
//!
//! The ABI knows no labels, so they stand in the name, `palisade.<filter>.<metric>;<label>=<value>;...`, from where
//! Envoy's `stats_tags` take them. A metric is defined at its first use. A host that refuses metrics loses them;
//! no request pays for it.

use crate::abi;
use std::cell::Cell;

/// A number that only grows.
pub struct Counter(Metric);

impl Counter {
    /// A counter `palisade.<filter>.<name>` with labels.
    #[must_use]
    pub fn new(filter: &str, name: &str, labels: &[(&str, &str)]) -> Self {
        Self(Metric::new(0, filter, name, labels))
    }

    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`; Envoy refuses a zero, so none is sent.
    pub fn add(&self, count: u32) {
        if let (1.., Some(id)) = (count, self.0.id()) {
            let _ = abi::increment_metric(id, i64::from(count));
        }
    }
}

/// A number that goes up and down.
pub struct Gauge(Metric);

impl Gauge {
    /// A gauge `palisade.<filter>.<name>` with labels.
    #[must_use]
    pub fn new(filter: &str, name: &str, labels: &[(&str, &str)]) -> Self {
        Self(Metric::new(1, filter, name, labels))
    }

    /// Sets the value for the whole process: the workers share it.
    pub fn set(&self, value: u64) {
        if let Some(id) = self.0.id() {
            let _ = abi::record_metric(id, value);
        }
    }
}

/// A distribution of values.
pub struct Histogram(Metric);

impl Histogram {
    /// A histogram `palisade.<filter>.<name>` with labels.
    #[must_use]
    pub fn new(filter: &str, name: &str, labels: &[(&str, &str)]) -> Self {
        Self(Metric::new(2, filter, name, labels))
    }

    /// Records one value.
    pub fn record(&self, value: u64) {
        if let Some(id) = self.0.id() {
            let _ = abi::record_metric(id, value);
        }
    }
}

struct Metric {
    kind: u32,
    name: String,
    id: Cell<Definition>,
}

#[derive(Clone, Copy)]
enum Definition {
    Missing,
    Refused,
    Id(u32),
}

impl Metric {
    fn new(kind: u32, filter: &str, name: &str, labels: &[(&str, &str)]) -> Self {
        let mut full = ["palisade", filter, name].join(".");
        for (label, value) in labels {
            full.extend([";", label, "="]);
            full.extend(value.chars().map(|char| if is_plain(char) { char } else { '_' }));
        }
        Self { kind, name: full, id: Cell::new(Definition::Missing) }
    }

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

/// What a label's value may hold, so that no value ends its label or its metric early.
fn is_plain(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_in_the_name() {
        let counter = Counter::new("trace_sampler", "decisions", &[("tier", "vip"), ("sampled", "true")]);
        assert_eq!(counter.0.name, "palisade.trace_sampler.decisions;tier=vip;sampled=true");
    }

    #[test]
    fn a_label_value_cannot_end_its_label() {
        let counter = Counter::new("f", "m", &[("tier", "a;b=c.d é")]);
        assert_eq!(counter.0.name, "palisade.f.m;tier=a_b_c.d__");
    }

    #[test]
    fn a_host_without_metrics_is_asked_once() {
        let counter = Counter::new("f", "m", &[]);
        counter.increment();
        assert!(matches!(counter.0.id.get(), Definition::Refused));
    }
}
