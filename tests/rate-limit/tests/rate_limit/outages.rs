//! Outages: a rate limit service that is killed under load and comes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::limitador::Limitador;
use crate::mesh::{Mesh, Setup, by};
use crate::scripted::limit;
use crate::times::{Rate, Seen, load, now};

const CONNECTIONS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(30);

/// More than any load here takes.
fn plenty() -> Value {
    json!([{
        "namespace": "shop", "max_value": 100_000_000, "seconds": 86_400, "conditions": [],
        "variables": ["user"],
    }])
}

/// The requests of a load under which the service was killed and came back: when it still lived, and was gone, for sure.
struct Outage {
    seen: Vec<Seen>,
    alive: Duration,
    gone: Duration,
    back: Duration,
    mesh: Mesh,
}

impl Outage {
    fn run(mode: &str, fields: &Value) -> Self {
        let mut limitador = Limitador::start(&plenty());
        // So long that a busy machine keeps it.
        let rls = json!({"failure_mode": mode, "timeout": "5s"});
        let mesh = Setup::new(&limit(fields, &rls)).rls(limitador.addr()).start();
        let stop = AtomicBool::new(false);
        let addr = mesh.addr();
        let (alive, gone, back, seen) = thread::scope(|scope| {
            let request = by("alice");
            let load = scope.spawn({
                let stop = &stop;
                move || load(addr, CONNECTIONS, &request, &|| stop.load(Ordering::Relaxed))
            });
            let admitted = |least: u64| wait_for(&mesh, "admitted", least);
            admitted(200);
            let alive = now();
            limitador.kill();
            let gone = now();
            let failed = wait_for(&mesh, "unreachable", 1);
            wait_for(&mesh, "unreachable", failed + 500);
            // Until a local rate has admitted some for sure.
            thread::sleep(Duration::from_secs(1));
            let back = now();
            limitador.restart();
            let before = outcome(&mesh, "admitted");
            admitted(before + 200);
            stop.store(true, Ordering::Relaxed);
            (alive, gone, back, load.join().unwrap())
        });
        Self { seen, alive, gone, back, mesh }
    }

    /// The requests that were decided while the service was gone for sure.
    fn meanwhile(&self) -> Vec<Seen> {
        self.seen.iter().filter(|seen| seen.sent > self.gone && seen.answered < self.back).copied().collect()
    }

    /// Before it all pass, after it some, and nobody ever waits for longer than the service may take, and a bit.
    fn assert_unharmed(&mut self) {
        let before: Vec<_> = self.seen.iter().filter(|seen| seen.answered < self.alive).collect();
        assert!(!before.is_empty() && before.iter().all(|seen| seen.status == 200));
        let last: Vec<_> = self.seen.iter().filter(|seen| seen.sent > self.back).collect();
        assert!(last.iter().any(|seen| seen.status == 200));
        let longest = self.seen.iter().map(|seen| seen.answered.saturating_sub(seen.sent)).max().unwrap();
        assert!(longest < PATIENCE, "{longest:?}");
        self.mesh.assert_unharmed();
    }
}

fn outcome(mesh: &Mesh, outcome: &str) -> u64 {
    mesh.counter(&format!("rls;limit=global;outcome={outcome}"))
}

fn wait_for(mesh: &Mesh, outcome: &str, least: u64) -> u64 {
    let name = format!("wasmcustom.palisade.rate_limit.rls;limit=global;outcome={outcome}");
    mesh.envoy.wait_for_stat(&name, |count| count >= least, PATIENCE).unwrap()
}

#[test]
fn with_deny_nobody_passes_while_the_service_is_gone() {
    let mut outage = Outage::run("deny", &json!({}));
    let meanwhile = outage.meanwhile();
    assert!(meanwhile.len() > 100 && meanwhile.iter().all(|seen| seen.status == 503));
    outage.assert_unharmed();
}

#[test]
fn with_allow_everybody_passes_while_the_service_is_gone() {
    let mut outage = Outage::run("allow", &json!({}));
    assert!(outage.meanwhile().len() > 100);
    assert!(outage.seen.iter().all(|seen| seen.status == 200));
    outage.assert_unharmed();
}

/// Catches a local limit that each worker has for itself, or that nobody keeps.
#[test]
fn with_local_the_limits_own_rate_holds_while_the_service_is_gone() {
    let rate = Rate { per_second: 20.0, burst: 5.0 };
    let mut outage = Outage::run("local", &json!({"key": [{"header": "x-user"}], "rate": "20/1s", "burst": 5}));
    let meanwhile = outage.meanwhile();
    let admitted = meanwhile.iter().filter(|seen| seen.is_admitted()).count();
    assert!(admitted > 0 && admitted < meanwhile.len(), "{admitted} of {}", meanwhile.len());
    rate.assert_not_exceeded(&meanwhile, 0.0);
    outage.assert_unharmed();
}
