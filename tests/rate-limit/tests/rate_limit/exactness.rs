//! Exactness: how many are admitted by four workers that count together.

use std::time::Duration;

use palisade_testbed::effort;
use serde_json::{Value, json};

use crate::mesh::{Mesh, Setup, by};
use crate::times::{Rate, load, now, paced};

const WORKERS: usize = 4;
const CONNECTIONS: usize = 64;

/// So slow that not one token comes while a request is under way: one too many shows.
const RATE: &str = "5/1s";
const BURST: u64 = 500;
const LIMIT: Rate = Rate { per_second: 5.0, burst: 500.0 };

/// A minute with `PALISADE_LONG=1`.
fn duration() -> Duration {
    Duration::from_secs(if effort::is_long() { 60 } else { 10 })
}

fn limit(rate: &str, burst: u64, fields: Value) -> Value {
    let mut limit = json!({"name": "per-user", "key": [{"header": "x-user"}], "rate": rate, "burst": burst});
    limit.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"limits": [limit]})
}

fn over_all_workers(mesh: &Mesh) {
    for worker in 0..WORKERS {
        let connections = mesh.envoy.stats("listener.").unwrap();
        let name = format!(".worker_{worker}.downstream_cx_total");
        let count = connections.iter().find(|(found, _)| found.ends_with(&name)).map(|(_, count)| *count);
        assert!(count.is_some_and(|count| count >= (CONNECTIONS / WORKERS / 2) as u64), "worker {worker}: {count:?}");
    }
}

/// Catches a token that two workers take, and one that nobody gets.
#[test]
fn four_workers_together_admit_what_the_limit_says_and_not_one_more() {
    let mut mesh = Setup::new(&limit(RATE, BURST, json!({}))).workers(WORKERS).start();
    let end = now() + duration();
    let seen = load(mesh.addr(), CONNECTIONS, &by("alice"), &|| now() >= end);
    LIMIT.assert_not_exceeded(&seen, 0.0);
    // Who lost against the other workers too often is refused as well, and counted.
    if mesh.counters("contended") == 0 {
        LIMIT.assert_no_needless_refusal(&seen);
    }
    let admitted = seen.iter().filter(|seen| seen.is_admitted()).count();
    assert!(admitted < seen.len(), "{admitted} requests are no load");
    over_all_workers(&mesh);
    mesh.assert_unharmed();
}

/// Catches a lease that is taken twice, or one that outlives its worker's need without bound.
#[test]
fn leased_tokens_exceed_the_limit_by_what_the_workers_hold_and_no_more() {
    const BATCH: u64 = 10;
    let lease = json!({"accuracy": "lease", "batch": BATCH});
    let mut mesh = Setup::new(&limit(RATE, BURST, lease)).workers(WORKERS).start();
    let end = now() + duration();
    let seen = load(mesh.addr(), CONNECTIONS, &by("alice"), &|| now() >= end);
    LIMIT.assert_not_exceeded(&seen, (WORKERS as f64) * (BATCH - 1) as f64);
    over_all_workers(&mesh);
    mesh.assert_unharmed();
}

/// Catches a limit that is less than it says. A machine that stands still is no reason: what was missed is not sent later.
#[test]
fn who_stays_below_the_rate_is_never_refused() {
    const BURST: u64 = 50;
    let mut mesh = Mesh::with(&limit("100/1s", BURST, json!({})));
    let connections = 8;
    // All that may come at once: what is made up for, and one request of each connection that waits in Envoy.
    let slack = (BURST as usize - connections - 2) as f64;
    let seen = paced(mesh.addr(), connections, &by("alice"), 95.0, slack, duration());
    assert!(seen.len() > 100, "{} requests are no load", seen.len());
    let refused = seen.iter().filter(|seen| !seen.is_admitted()).count();
    assert_eq!(refused, 0, "of {}", seen.len());
    mesh.assert_unharmed();
}

/// Catches a key of which each worker has its own count, and a neighbour who pays.
#[test]
fn each_key_has_a_budget_of_its_own_whatever_the_worker() {
    for workers in [1, 2, 4] {
        let mut mesh = Setup::new(&limit("1/1h", 7, json!({}))).workers(workers).start();
        for user in ["alice", "bob"] {
            // Each on a connection of its own, so that all workers have some.
            let admitted = (0..20).filter(|_| mesh.status(user) == 200).count();
            assert_eq!(admitted, 7, "{user}, {workers} workers");
        }
        mesh.assert_unharmed();
    }
}
