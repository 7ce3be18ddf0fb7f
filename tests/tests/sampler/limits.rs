//! Limits: exactly so many traces a second, over two workers.
//!
//! Nothing here waits for a quiet moment or trusts in a quick machine. Every request is seen with the second in which it
//! began and the one in which it ended; nearly always they are the same, which is then the second of its decision. Those
//! at the turn of a second count for either, and the sum over all seconds leaves them no room either. A second in which
//! too few requests came has its most, but not its least.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use palisade_testbed::envoy::Update;
use palisade_testbed::envoy::config::capabilities_mut;
use palisade_testbed::{Request, Response, checkout, http1};
use serde_json::{Value, json};

use crate::mesh::{Form, Mesh, PLUGIN, edit_plugin, load_from_file};
use crate::trace::Trace;

const CONNECTIONS: usize = 8;

/// A request: the seconds around its decision, and what became of it.
#[derive(Debug)]
pub(crate) struct Seen {
    tier: &'static str,
    seconds: RangeInclusive<u64>,
    pub(crate) trace: Trace,
}

#[test]
fn a_cap_and_a_reservoir_are_exact_over_two_workers() {
    let mesh = start(&json!({
        "rules": [
            rule("capped", json!({"sample": "100%", "cap": {"per_second": 8}})),
            // By its probability it samples none of so many.
            rule("kept", json!({"sample": "0.0000000001%", "reservoir": {"per_second": 5}})),
            rule("both", json!({"sample": "90%", "reservoir": {"per_second": 3}, "cap": {"per_second": 6}})),
        ],
        "default": {"sample": "0%", "reservoir": {"per_second": 2}},
    }));
    let end = middle_of_a_second() + Duration::from_secs(3);
    let seen = load(mesh.addr(), &["capped", "kept", "both", "default"], &|| now() >= end);

    for (tier, per_second, thresholds) in [
        ("capped", 8, ["ot=th:0", "ot=th:0"]),
        ("kept", 5, ["", ""]),
        ("both", 6, ["", "ot=th:199a"]),
        ("default", 2, ["", ""]),
    ] {
        let seen: Vec<_> = seen.iter().filter(|seen| seen.tier == tier).collect();
        assert_seconds(&seen, per_second);
        let sampled: Vec<_> = seen.iter().filter(|seen| seen.trace.sampled()).collect();
        let decided =
            |reason: &str, sampled| mesh.counter(&format!("decisions;tier={tier};reason={reason};sampled={sampled}"));
        assert_eq!(decided("probability", true) + decided("reservoir", true), sampled.len() as u64, "{tier}");
        assert_eq!(
            decided("probability", false) + decided("cap", false),
            (seen.len() - sampled.len()) as u64,
            "{tier}"
        );
        assert_eq!(mesh.counter(&format!("cap_dropped;tier={tier}")), decided("cap", false), "{tier}");
        for seen in sampled {
            assert!(thresholds.contains(&seen.trace.state.as_str()), "{tier}: {seen:?}");
        }
    }
    assert_eq!(mesh.counter("failures"), 0);
    assert_both_workers(&mesh);
}

#[test]
fn replicas_and_restarted_processes_count_on_their_own() {
    let configuration = json!({"default": {"sample": "100%", "cap": {"per_second": 5}}});
    let mut replicas = [start(&configuration), start(&configuration)];
    for restarted in [false, true] {
        if restarted {
            replicas[0] = start(&configuration);
        }
        let addrs = replicas.each_ref().map(Mesh::addr);
        let end = middle_of_a_second() + Duration::from_secs(1);
        let seen = thread::scope(|scope| {
            let loads = addrs.map(|addr| scope.spawn(move || load(addr, &["default"], &|| now() >= end)));
            loads.map(|load| load.join().unwrap())
        });
        for seen in seen {
            assert_seconds(&seen.iter().collect::<Vec<_>>(), 5);
        }
    }
}

/// Old connections keep their configuration, and its cap; the new one counts what they take.
#[test]
fn two_configurations_in_force_share_their_counts() {
    let cap = |per_second: u32| json!({"default": {"sample": "100%", "cap": {"per_second": per_second}}});
    let mut mesh = start(&cap(12));
    let addr = mesh.addr();
    let change = |mesh: &mut Mesh, per_second| {
        let update = mesh.envoy.update_listener("ingress", |listener| {
            edit_plugin(listener, |plugin| plugin["configuration"] = Form::Struct.of(&cap(per_second)))
        });
        assert_eq!(update.unwrap(), Update::Accepted);
    };
    let (stop_old, stop_new) = (AtomicBool::new(false), AtomicBool::new(false));
    let (old, new) = thread::scope(|scope| {
        let old = scope.spawn(|| load(addr, &["default"], &|| stop_old.load(Ordering::Relaxed)));
        let connected = |connections| connections >= CONNECTIONS as u64;
        mesh.envoy.wait_for_stat("http.ingress.downstream_cx_active", connected, http1::TIMEOUT).unwrap();
        change(&mut mesh, 4);
        let new = scope.spawn(|| load(addr, &["default"], &|| stop_new.load(Ordering::Relaxed)));
        sleep_until(middle_of_a_second() + Duration::from_secs(1));
        stop_old.store(true, Ordering::Relaxed);
        let old = old.join().unwrap();
        // A second that the new configuration has for itself.
        sleep_until(Duration::from_secs(seconds(&old.iter().collect::<Vec<_>>()).end() + 2));
        stop_new.store(true, Ordering::Relaxed);
        (old, new.join().unwrap())
    });
    change(&mut mesh, 12);
    let end = middle_of_a_second() + Duration::from_secs(1);
    let back = load(addr, &["default"], &|| now() >= end);

    let both: Vec<_> = old.iter().chain(&new).collect();
    let [old, new] = [&old, &new].map(|seen| seen.iter().collect::<Vec<_>>());
    for second in seconds(&old) {
        // What the new one leaves is for the old one to take.
        assert_second(&both, second, 12, is_busy(&old, second, 12));
    }
    for second in seconds(&new) {
        assert_second(&new, second, 4, false);
    }
    let alone = seconds(&old).end() + 1;
    assert!(is_busy(&new, alone, 4), "the new configuration had no load of its own");
    assert_second(&both, alone, 4, true);
    assert_seconds(&back.iter().collect::<Vec<_>>(), 12);
    assert_eq!(mesh.counter("failures"), 0);
}

#[test]
fn without_clock_or_shared_data_the_probability_decides_alone() {
    let mut mesh = start(&json!({
        "rules": [rule("kept", json!({"sample": "0.0000000001%", "reservoir": {"per_second": 1}}))],
        "default": {"sample": "100%", "cap": {"per_second": 1}},
    }));
    let mut shipped = None;
    for missing in ["proxy_get_current_time_nanoseconds", "proxy_get_shared_data", "proxy_set_shared_data"] {
        let update = mesh.envoy.update_listener("ingress", |listener| {
            edit_plugin(listener, |plugin| {
                // Before 1.40 a VM that lives keeps the list that it began with.
                plugin["vm_config"]["vm_id"] = json!(missing);
                let allowed = capabilities_mut(plugin, checkout::envoy_release().unwrap());
                *allowed = shipped.get_or_insert_with(|| allowed.clone()).clone();
                assert!(allowed.as_object_mut().unwrap().remove(missing).is_some(), "{missing}");
            })
        });
        assert_eq!(update.unwrap(), Update::Accepted);
        let failures = mesh.counter("failures");
        for (tier, sampled) in [("default", true), ("kept", false)] {
            for _ in 0..5 {
                let response = mesh.get(&Request::get("/").header("x-tier", tier));
                assert_eq!((response.status, Trace::of(&response).sampled()), (200, sampled), "{missing}, {tier}");
            }
        }
        assert_eq!(mesh.counter("failures") - failures, 10, "{missing}");
        let reason = format!("the host answered {missing} with InternalFailure (further failures are only counted)");
        assert!(mesh.envoy.log().contains(&reason), "{missing}");
    }
}

fn start(configuration: &Value) -> Mesh {
    let mesh = Mesh::start(|builder| {
        let builder = builder.plugin_configuration(PLUGIN, configuration)?.edit(|bootstrap| {
            // Half of the connections to each worker.
            bootstrap["static_resources"]["listeners"][0]["connection_balance_config"] = json!({"exact_balance": {}});
            edit_plugin(bootstrap, load_from_file)
        })?;
        Ok(builder.dynamic_listeners())
    });
    mesh.unwrap()
}

fn rule(tier: &str, mut rate: Value) -> Value {
    rate["name"] = json!(tier);
    rate["match"] = json!({"headers": [{"name": "x-tier", "exact": tier}]});
    rate
}

pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn sleep_until(time: Duration) {
    thread::sleep(time.saturating_sub(now()));
}

/// Waits for the middle of the next second, so that a load has half of its first and its last second.
pub(crate) fn middle_of_a_second() -> Duration {
    sleep_until(Duration::from_secs(now().as_secs()) + Duration::from_millis(1500));
    now()
}

/// Sends requests of all tiers over a few connections until it is done.
pub(crate) fn load(addr: SocketAddr, tiers: &[&'static str], done: &(dyn Fn() -> bool + Sync)) -> Vec<Seen> {
    let work = || {
        let mut connection = http1::Connection::open(addr).unwrap();
        let mut seen = Vec::new();
        for tier in tiers.iter().cycle().take_while(|_| !done()) {
            seen.push(see(tier, |request| connection.exchange(request).unwrap()));
        }
        seen
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

fn see(tier: &'static str, exchange: impl FnOnce(&Request) -> Response) -> Seen {
    let request = Request::get("/").header("x-tier", tier);
    let began = now().as_secs();
    let response = exchange(&request);
    let seconds = began..=now().as_secs();
    assert_eq!(response.status, 200);
    Seen { tier, seconds, trace: Trace::of(&response) }
}

/// The seconds of these requests.
fn seconds(seen: &[&Seen]) -> RangeInclusive<u64> {
    let first = seen.iter().map(|seen| *seen.seconds.start()).min();
    first.unwrap()..=seen.iter().map(|seen| *seen.seconds.end()).max().unwrap()
}

/// Each of their seconds, and all together, took exactly so many.
pub(crate) fn assert_seconds(seen: &[&Seen], per_second: usize) {
    let seconds = seconds(seen);
    let mut busy = 0;
    for second in seconds.clone() {
        let is_busy = is_busy(seen, second, per_second);
        assert_second(seen, second, per_second, is_busy);
        busy += usize::from(is_busy);
    }
    assert!(busy > 0, "{} requests in {seconds:?} are no load", seen.len());
    let sampled = sampled(seen);
    let exactly = per_second * busy..=per_second * seconds.count();
    assert!(exactly.contains(&sampled), "{sampled} of {} are not in {exactly:?}", seen.len());
}

/// This second took at most so many, and no fewer if it was busy.
fn assert_second(seen: &[&Seen], second: u64, per_second: usize, is_busy: bool) {
    let (within, across): (Vec<&Seen>, Vec<&Seen>) =
        seen.iter().filter(|seen| seen.seconds.contains(&second)).partition(|seen| seen.seconds == (second..=second));
    let [requests, least, perhaps] = [within.len(), sampled(&within), sampled(&across)];
    assert!(least <= per_second, "{least} of {requests} in {second}, more than {per_second}");
    assert!(!is_busy || least + perhaps >= per_second, "{least} of {requests} in {second}, less than {per_second}");
}

/// Whether enough requests came in a second to take so many of them.
fn is_busy(seen: &[&Seen], second: u64, per_second: usize) -> bool {
    seen.iter().filter(|seen| seen.seconds == (second..=second)).count() >= 2 * per_second
}

fn sampled(seen: &[&Seen]) -> usize {
    seen.iter().filter(|seen| seen.trace.sampled()).count()
}

fn assert_both_workers(mesh: &Mesh) {
    for worker in ["worker_0", "worker_1"] {
        let connections = mesh.envoy.stats("listener.").unwrap();
        let name = format!(".{worker}.downstream_cx_total");
        let count = connections.iter().find(|(found, _)| found.ends_with(&name)).map(|(_, count)| *count);
        assert!(count.is_some_and(|count| count >= CONNECTIONS as u64 / 2), "{worker}: {count:?}");
    }
}
