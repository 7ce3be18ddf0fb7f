//! A collector that is slow, refuses, or is not there: no request notices, and no span is lost uncounted.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use palisade_testbed::{Collector, Request, http1, load};
use serde_json::json;

use super::{Hop, PATIENCE, configuration};
use crate::mesh::{PLUGIN, VMS};

/// Far more than a request takes here, far less than the collector's delay.
const NOTICED: Duration = Duration::from_secs(5);

/// Sends requests, none of which may fail or wait for the collector.
fn unnoticed(hop: &Hop, count: usize) {
    let began = Instant::now();
    let responses = load::run(hop.addr(), 8, count, |_| Request::get("/")).unwrap();
    assert!(responses.iter().all(|response| response.status == 200));
    assert!(began.elapsed() < NOTICED, "{:?}", began.elapsed());
}

#[test]
fn what_a_collector_refuses_is_dropped_and_counted() {
    for status in [400, 404, 429, 500, 503] {
        let hop = Hop::exporting(&json!({}));
        hop.collector.answer(status, Duration::ZERO);
        unnoticed(&hop, 200);
        assert_eq!(hop.settled(200), (0, 200), "{status}");
        assert_eq!(hop.counter("spans_dropped;reason=refused"), 200, "{status}");
        let log = hop.envoy.log();
        let line = format!("spans are lost: the collector answered {status} (the next are only counted)");
        assert!((1..=2).contains(&log.matches(&line).count()), "a line for each worker:\n{log}");

        hop.collector.answer(200, Duration::ZERO);
        unnoticed(&hop, 100);
        hop.collector.wait_for(100, PATIENCE).unwrap();
        assert_eq!(hop.settled(300), (100, 200), "{status}");
        assert_eq!(hop.collector.spans(), 100, "nothing is sent twice");
    }
}

#[test]
fn a_collector_that_does_not_answer_costs_the_spans_and_no_request() {
    let hop = Hop::exporting(&json!({"timeout": "300ms", "queue": 100, "batch": 50}));
    hop.collector.answer(200, Duration::from_secs(20));
    unnoticed(&hop, 2000);
    assert_eq!(hop.settled(2000), (0, 2000));
    let (full, late) = (hop.counter("spans_dropped;reason=queue_full"), hop.counter("spans_dropped;reason=timeout"));
    assert_eq!(full + late, 2000);
    assert!(late >= 100 && full >= 500, "{full} for want of room, {late} late");
}

#[test]
fn a_slow_collector_is_waited_for_and_its_spans_are_exported() {
    let hop = Hop::exporting(&json!({}));
    hop.collector.answer(200, Duration::from_millis(1500));
    unnoticed(&hop, 100);
    assert_eq!(hop.settled(100), (100, 0));
    assert!(hop.collector.most_at_once() <= 2, "a worker has one export under way");
}

#[test]
fn a_dead_collector_costs_the_spans_until_it_is_back() {
    let Hop { envoy, upstream, collector, _modules } = Hop::exporting(&json!({}));
    let addr = collector.addr();
    drop(collector);
    // Envoy is the same; only the collector is another one.
    let count = |hop: &Hop| hop.counter("spans_dropped;reason=unreachable");
    let mut hop = Hop { envoy, upstream, collector: Collector::start().unwrap(), _modules };
    unnoticed(&hop, 300);
    assert_eq!(hop.settled(300), (0, 300));
    assert_eq!(count(&hop), 300);

    hop.collector = Collector::bind(addr).unwrap();
    unnoticed(&hop, 50);
    hop.collector.wait_for(50, PATIENCE).unwrap();
    assert_eq!(hop.settled(350), (50, 300));
    assert_eq!(hop.upstream.count(), 350);
}

#[test]
fn a_cluster_that_does_not_exist_is_named_in_the_log() {
    let hop = Hop::exporting(&json!({"cluster": "otel-colector"}));
    unnoticed(&hop, 20);
    assert_eq!(hop.settled(20), (0, 20));
    assert_eq!(hop.counter("spans_dropped;reason=not_sent"), 20);
    assert!(hop.envoy.log().contains("spans are lost: the call was not sent"), "{}", hop.envoy.log());
    assert!(hop.envoy.log().contains("is there such a cluster?"));
}

#[test]
fn a_full_batch_does_not_wait_for_the_interval() {
    let hop = Hop::exporting(&json!({"interval": "1h", "batch": 10}));
    let mut connection = http1::Connection::open(hop.addr()).unwrap();
    for _ in 0..25 {
        assert_eq!(connection.exchange(&Request::get("/")).unwrap().status, 200);
    }
    assert_eq!(hop.collector.wait_for(20, PATIENCE).unwrap().len(), 20);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(hop.collector.spans(), 20, "the rest waits");
}

/// Memory is that of the queue, however many spans are lost and however long their texts are.
#[test]
fn memory_is_bounded_while_the_collector_hangs() {
    let hop = Hop::start(|builder| {
        let fields = json!({"timeout": "1s", "queue": 500, "batch": 100});
        builder.concurrency(1).plugin_configuration(PLUGIN, &configuration(&fields))
    });
    hop.collector.answer(200, Duration::from_secs(30));
    hop.collector.keep(0);
    hop.upstream.keep(64);
    let round = || {
        let path = format!("/{}", "p".repeat(4_000));
        let request = |_| Request::get(&path).header("user-agent", "a".repeat(4_000)).header("x-upstream-body", "ok");
        load::run(hop.addr(), 8, 3_000, request).unwrap();
        resident(hop.envoy.pid())
    };
    let vms = hop.envoy.stat(VMS).unwrap();
    let before = (round(), round()).1;
    let after = (round(), round(), round()).2;
    assert!(hop.dropped() > 10_000, "{}", hop.dropped());
    // Nine thousand spans of this kind have 8 MiB in all, and Envoy itself takes and gives some.
    assert!(after < before + 6 * 1024, "{before} KiB, then {after} KiB");
    assert_eq!(hop.envoy.stat(VMS).unwrap(), vms);
}

/// The memory of a process that is in RAM, in KiB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
