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
    /// Bytes of linear memory, in all of a module's memories. Beyond them, growing fails, as it does on Envoy beyond 1 GiB.
    pub memory: usize,
    /// Bytes of stack.
    pub stack: usize,
    /// Bytes that one call into the guest may log.
    pub log: usize,
    /// Bytes that one call into the guest may hand to the host, which may have to keep them: bodies, values, callouts. A host
    /// call hands over [`CALL`] at least.
    pub handed: usize,
}

/// What a host call counts for at least, in bytes: the host may have to remember that it was made.
pub const CALL: usize = 64;

/// Keeps linear memory and tables within bounds, and remembers the peak of memory.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    limit: usize,
    memory: usize,
    pub(crate) peak: usize,
    elements: usize,
}

/// The most elements of all tables together: more than any compiler makes functions.
const ELEMENTS: usize = 1_000_000;

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
        Self {
            fuel: Some(10_000_000_000),
            time: None,
            memory: 1 << 30,
            stack: 512 << 10,
            log: 16 << 20,
            handed: 256 << 20,
        }
    }
}

impl MemoryLimit {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, memory: 0, peak: 0, elements: 0 }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let memory = self.memory.saturating_add(desired.saturating_sub(current));
        if memory > self.limit {
            return Ok(false);
        }
        self.memory = memory;
        self.peak = self.peak.max(memory);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let elements = self.elements.saturating_add(desired.saturating_sub(current));
        if elements > ELEMENTS {
            return Ok(false);
        }
        self.elements = elements;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_of_a_module_share_one_limit() {
        let mut limit = MemoryLimit::new(10);
        assert!(limit.memory_growing(0, 6, None).unwrap());
        assert!(!limit.memory_growing(0, 5, None).unwrap());
        assert!(limit.memory_growing(0, 4, None).unwrap());
        assert_eq!(limit.peak, 10);
    }
}
