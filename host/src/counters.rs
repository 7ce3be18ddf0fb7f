//! What a VM has used so far.

use std::collections::BTreeMap;

/// What a VM has used since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Units of fuel, where it is counted.
    pub fuel: u64,
    /// Calls into the guest, by name.
    pub callbacks: BTreeMap<String, u64>,
    /// Host calls, by name.
    pub host_calls: BTreeMap<&'static str, u64>,
    /// Values that the host handed to the guest, for each of which it asked the guest for memory.
    pub handed: u64,
    /// Bytes that the host handed to the guest.
    pub bytes_in: u64,
    /// Bytes that the guest handed to the host.
    pub bytes_out: u64,
    /// The largest linear memory, in bytes.
    pub peak_memory: u64,
}

impl Counters {
    pub(crate) fn host_call(&mut self, name: &'static str) {
        let count = self.host_calls.entry(name).or_default();
        *count = count.saturating_add(1);
    }

    pub(crate) fn callback(&mut self, name: &str) {
        let count = self.callbacks.entry(name.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// How often the guest called this function of the host.
    #[must_use]
    pub fn calls(&self, name: &str) -> u64 {
        self.host_calls.get(name).copied().unwrap_or_default()
    }

    /// All host calls.
    #[must_use]
    pub fn all_calls(&self) -> u64 {
        self.host_calls.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}
