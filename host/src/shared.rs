//! What all workers of a host share.

use crate::clock::Clock;
use crate::error::Failure;
use crate::faults::{Fault, Faults};
use crate::lock;
use crate::metrics::{Kind, Metrics};
use crate::queues::Queues;
use crate::random::Random;
use crate::shared_data::SharedData;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What all workers of a host share.
pub struct Shared {
    /// Values by VM id and key.
    pub data: SharedData,
    /// Queues by VM id and name.
    pub queues: Queues,
    /// Metrics by name.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// Random bytes.
    pub random: Mutex<Random>,
    log: Mutex<Box<dyn FnMut(LogLine) + Send>>,
    log_level: AtomicU32,
    clusters: Mutex<BTreeSet<String>>,
    faults: Mutex<Faults>,
    next_vm: AtomicU64,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The worker that it comes from.
    pub worker: usize,
    /// 0 trace, 1 debug, 2 info, 3 warn, 4 error, 5 critical.
    pub level: u32,
    /// The plugin's name.
    pub plugin: String,
    /// The line.
    pub text: String,
}

impl Shared {
    /// Shared by nobody yet. Lines of the log go to `log`.
    pub fn new(clock: Clock, random: Random, log: impl FnMut(LogLine) + Send + 'static) -> Self {
        Self {
            data: SharedData::default(),
            queues: Queues::default(),
            metrics: Metrics::default(),
            clock,
            random: Mutex::new(random),
            log: Mutex::new(Box::new(log)),
            log_level: AtomicU32::new(2),
            clusters: Mutex::default(),
            faults: Mutex::default(),
            next_vm: AtomicU64::new(1),
        }
    }

    /// Writes a line to the log, if it is severe enough.
    pub fn log(&self, line: LogLine) {
        if line.level >= self.log_level() {
            lock(&self.log)(line);
        }
    }

    /// The least severe level that is written, as `proxy_get_log_level` tells it.
    #[must_use]
    pub fn log_level(&self) -> u32 {
        self.log_level.load(Ordering::Relaxed)
    }

    /// Sets the least severe level that is written.
    pub fn set_log_level(&self, level: u32) {
        self.log_level.store(level, Ordering::Relaxed);
    }

    /// Makes callouts to a cluster possible.
    pub fn add_cluster(&self, name: &str) {
        lock(&self.clusters).insert(name.to_owned());
    }

    pub(crate) fn has_cluster(&self, name: &str) -> bool {
        lock(&self.clusters).contains(name)
    }

    /// Gives a fault to all VMs that are made from now on.
    pub fn add_fault(&self, fault: Fault) {
        lock(&self.faults).add(fault);
    }

    pub(crate) fn faults(&self) -> Faults {
        lock(&self.faults).clone()
    }

    pub(crate) fn next_vm(&self) -> u64 {
        self.next_vm.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn count_failure(&self, failure: &Failure) {
        self.metrics.add(Kind::Counter, &format!("wasm.trap.{}", failure.why.name()), 1);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}
