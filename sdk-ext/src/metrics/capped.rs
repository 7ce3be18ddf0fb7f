//! Capped family: a family whose label values come from clients.

use super::family::Family;
use super::labels::plain;
use super::registry::{Registry, Workers};
use super::{Counter, Gauge, Histogram, add, record};

/// A cap for those who know no better: a scrape stays small although a mesh has a proxy beside each service.
pub const DEFAULT_CAP: u16 = 200;

/// The value of each label in the series of everything beyond the cap.
pub const OTHER: &str = "other";

/// The metrics of one name, of which there are at most `cap` and one more, whatever clients send.
///
/// The cap holds for all workers of a process together and over all configurations, as far as plugins have the same
/// `vm_id` (another has a cap of its own, over the same metric), for a series stays until the process ends: the first `cap` tuples of values that any worker sees get a series each, for ever, and everything else
/// counts in the one whose values are [`OTHER`]. Where configurations or plugins differ in the cap,
/// there are as many series as the largest allows; one with a smaller cap may count as other what came after its own was
/// reached.
///
/// Tuples that this worker knows cost one look-up; when the cap is reached, unknown ones cost no host call either.
/// Before, a worker asks the data that all workers share, under the metric's name. When it is refused that data, or loses
/// it to other workers too often, the tuple counts as other.
pub struct CappedFamily<M, const N: usize> {
    family: Family<M, N>,
    registry: Registry<Workers>,
}

impl<M, const N: usize> Family<M, N> {
    /// Lets at most `cap` tuples of values have a series of their own.
    #[must_use]
    pub fn capped(self, cap: u16) -> CappedFamily<M, N> {
        let registry = Registry::new(Workers::new(&self.members.name), cap);
        CappedFamily { family: self, registry }
    }
}

impl<const N: usize> CappedFamily<Counter, N> {
    /// Adds one to the counter of these values.
    pub fn increment<V: AsRef<[u8]>>(&self, values: [V; N]) {
        self.add(values, 1);
    }

    /// Adds `count` to the counter of these values.
    pub fn add<V: AsRef<[u8]>>(&self, values: [V; N], count: u32) {
        add(self.id(values), count);
    }
}

impl<const N: usize> CappedFamily<Gauge, N> {
    /// Sets the gauge of these values, for the whole process.
    pub fn set<V: AsRef<[u8]>>(&self, values: [V; N], value: u64) {
        record(self.id(values), value);
    }
}

impl<const N: usize> CappedFamily<Histogram, N> {
    /// Records one value in the histogram of these label values.
    pub fn record<V: AsRef<[u8]>>(&self, values: [V; N], value: u64) {
        record(self.id(values), value);
    }
}

impl<M, const N: usize> CappedFamily<M, N> {
    fn id<V: AsRef<[u8]>>(&self, values: [V; N]) -> Option<u32> {
        // Values that make the same name are the same here, so that none of them takes a place in vain.
        let plain = values.each_ref().map(|value| plain(value.as_ref()));
        let values = plain.each_ref().map(Vec::as_slice);
        self.family.members.id(&values, &[OTHER.as_bytes(); N], || self.registry.admits(&values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels;

    #[test]
    fn without_shared_data_everything_is_other() {
        let family = Family::<Counter, 1>::new(b"palisade.f.m".to_vec(), labels!["tenant"]).capped(10);
        for tenant in ["a", "b", "c"] {
            family.increment([tenant]);
        }
        assert_eq!(family.family.members.len(), 1);
    }
}
