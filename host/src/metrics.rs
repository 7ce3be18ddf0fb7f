//! Metrics: counters, gauges and histograms by name, the same for all workers.

use crate::lock;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// What a metric is; in its id, the lowest two bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Only grows.
    Counter = 0,
    /// Goes up and down.
    Gauge = 1,
    /// Counts values by size.
    Histogram = 2,
}

/// All metrics.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<BTreeMap<(Kind, String), Value>>);

/// A metric's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of a counter or a gauge.
    Number(u64),
    /// Of a histogram: how many values are at most as large as each of [`BUCKETS`], how many there are, and their sum.
    Histogram {
        /// By bucket, each with those below.
        buckets: Vec<u64>,
        /// All values.
        count: u64,
        /// Added up.
        sum: u64,
    },
}

/// The upper bounds of Envoy's histogram buckets (the first, 0.5, holds zeros).
pub const BUCKETS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10000.0,
    30000.0,
    60000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// The metrics that one VM has defined, by id.
#[derive(Debug, Default)]
pub(crate) struct Defined {
    ids: BTreeMap<u32, (Kind, String)>,
    last: [u32; 3],
}

// === impl Kind ===

impl Kind {
    /// The kind of this number in the ABI.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Counter),
            1 => Some(Self::Gauge),
            2 => Some(Self::Histogram),
            _ => None,
        }
    }

    /// The kind of the metric of this id.
    #[must_use]
    pub const fn of_id(id: u32) -> Option<Self> {
        Self::from_number(id & 3)
    }
}

// === impl Metrics ===

impl Metrics {
    /// Makes the metric, if there is none of this kind and name.
    pub fn define(&self, kind: Kind, name: &str) {
        let none = match kind {
            Kind::Counter | Kind::Gauge => Value::Number(0),
            Kind::Histogram => Value::Histogram { buckets: vec![0; BUCKETS.len()], count: 0, sum: 0 },
        };
        lock(&self.0).entry((kind, name.to_owned())).or_insert(none);
    }

    /// Adds to a counter or a gauge; below zero, a gauge wraps.
    pub fn add(&self, kind: Kind, name: &str, offset: i64) {
        self.change(kind, name, |value| {
            if let Value::Number(number) = value {
                *number = number.wrapping_add_signed(offset);
            }
        });
    }

    /// Sets a gauge, adds to a counter, or counts a value.
    pub fn record(&self, kind: Kind, name: &str, recorded: u64) {
        self.change(kind, name, |value| match value {
            Value::Number(number) if kind == Kind::Gauge => *number = recorded,
            Value::Number(number) => *number = number.wrapping_add(recorded),
            Value::Histogram { buckets, count, sum } => {
                *count = count.saturating_add(1);
                *sum = sum.saturating_add(recorded);
                for (bucket, bound) in buckets.iter_mut().zip(BUCKETS) {
                    #[allow(clippy::cast_precision_loss, reason = "the bounds are small")]
                    if recorded as f64 <= bound {
                        *bucket = bucket.saturating_add(1);
                    }
                }
            }
        });
    }

    /// The value of a counter or a gauge.
    #[must_use]
    pub fn number(&self, kind: Kind, name: &str) -> Option<u64> {
        match lock(&self.0).get(&(kind, name.to_owned())) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// All metrics by kind and name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<(Kind, String), Value> {
        lock(&self.0).clone()
    }

    fn change(&self, kind: Kind, name: &str, change: impl FnOnce(&mut Value)) {
        self.define(kind, name);
        if let Some(value) = lock(&self.0).get_mut(&(kind, name.to_owned())) {
            change(value);
        }
    }
}

// === impl Defined ===

impl Defined {
    /// A new id of a metric: 4, 8, .. of counters, 5, 9, .. of gauges, 6, 10, .. of histograms.
    pub(crate) fn define(&mut self, kind: Kind, name: String) -> u32 {
        let last = match kind {
            Kind::Counter => self.last.get_mut(0),
            Kind::Gauge => self.last.get_mut(1),
            Kind::Histogram => self.last.get_mut(2),
        };
        let id = last.map_or(0, |last| {
            *last = last.saturating_add(4);
            *last | kind as u32
        });
        self.ids.insert(id, (kind, name));
        id
    }

    /// The metric of an id.
    pub(crate) fn get(&self, id: u32) -> Option<&(Kind, String)> {
        self.ids.get(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_their_kind_and_a_name_may_have_several() {
        let mut defined = Defined::default();
        let mut define = |kind| defined.define(kind, "a".to_owned());
        assert_eq!([Kind::Counter, Kind::Gauge, Kind::Histogram, Kind::Counter].map(&mut define), [4, 5, 6, 8]);
        assert_eq!(Kind::of_id(8), Some(Kind::Counter));
        assert_eq!(Kind::of_id(7), None);
    }

    #[test]
    fn a_gauge_below_zero_wraps() {
        let metrics = Metrics::default();
        metrics.add(Kind::Gauge, "g", -1);
        assert_eq!(metrics.number(Kind::Gauge, "g"), Some(u64::MAX));
    }

    #[test]
    fn recording_adds_to_a_counter_and_sets_a_gauge() {
        let metrics = Metrics::default();
        for _ in 0..2 {
            metrics.record(Kind::Counter, "m", 3);
            metrics.record(Kind::Gauge, "m", 3);
        }
        assert_eq!(metrics.number(Kind::Counter, "m"), Some(6));
        assert_eq!(metrics.number(Kind::Gauge, "m"), Some(3));
    }

    #[test]
    fn a_histogram_counts_by_size() {
        let metrics = Metrics::default();
        for value in [0, 3, 1_000_000_000] {
            metrics.record(Kind::Histogram, "h", value);
        }
        let all = metrics.all();
        let Some(Value::Histogram { buckets, count, sum }) = all.get(&(Kind::Histogram, "h".to_owned())) else {
            panic!("{all:?}")
        };
        assert_eq!((buckets[0], buckets[1], buckets[2], buckets[18], *count, *sum), (1, 1, 2, 2, 3, 1_000_000_003));
    }
}
