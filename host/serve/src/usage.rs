//! Usage: what a worker's VMs have used, as gauges beside the filters' own metrics.

use palisade_host::{Counters, MetricKind, Shared, Worker};

/// Sets the gauges of a worker: of all its VMs together, but of memory the largest.
pub(crate) fn publish(shared: &Shared, index: usize, worker: &Worker) {
    let counters = worker.counters();
    let sum = |of: fn(&Counters) -> u64| counters.iter().map(of).fold(0, u64::saturating_add);
    let gauges = [
        ("fuel", sum(|used| used.fuel)),
        ("host_calls", sum(Counters::all_calls)),
        ("bytes_in", sum(|used| used.bytes_in)),
        ("bytes_out", sum(|used| used.bytes_out)),
        ("peak_memory", counters.iter().map(|used| used.peak_memory).max().unwrap_or_default()),
    ];
    for (name, value) in gauges {
        shared.metrics.record(MetricKind::Gauge, &format!("palisade_serve.worker_{index}.{name}"), value);
    }
}
