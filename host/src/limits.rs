//! What a VM may use.

use std::time::Duration;
use wasmtime::ResourceLimiter;

/// What a VM may use; what goes beyond ends in its own kind of trap.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Units of fuel (about one an instruction) that one call into the guest may burn; without it fuel is not counted.
    pub fuel: Option<u64>,
    /// How long one call into the guest may run, to about 10 ms.
    pub time: Option<Duration>,
    /// Bytes of linear memory. Beyond them, growing fails, as it does on Envoy beyond 1 GiB.
    pub memory: usize,
    /// Bytes of stack.
    pub stack: usize,
    /// Bytes that one call into the guest may log.
    pub log: usize,
}

/// Keeps linear memory within bounds, and remembers its peak.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    pub(crate) limit: usize,
    pub(crate) peak: usize,
}

/// How often time limits are looked at.
pub(crate) const TICK: Duration = Duration::from_millis(10);

impl Limits {
    /// The ticks that a call may last.
    pub(crate) fn ticks(&self) -> u64 {
        let tick = TICK.as_millis();
        let time = self.time.unwrap_or_default().as_millis();
        u64::try_from(time.checked_div(tick).unwrap_or(0)).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: Some(10_000_000_000), time: None, memory: 1 << 30, stack: 512 << 10, log: 16 << 20 }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.limit;
        if allowed {
            self.peak = self.peak.max(desired);
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 10_000_000)
    }
}
