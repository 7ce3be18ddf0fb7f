//! Another configuration while Envoy serves: changes, the way back, and changes that are refused.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::Result;
use palisade_testbed::envoy::Update;
use palisade_testbed::{Request, http1, load};
use serde_json::{Value, json};

use crate::mesh::{Form, Mesh, PLUGIN, VMS, edit_plugin, load_from_file, text};
use crate::trace::{Trace, traceparent};

/// The random bits of this trace are all set, so that every probability but 0 samples it, and says its threshold.
const TRACE: &str = "4bf92f3577b34da6a3ffffffffffffff";
const MARKS: [(&str, &str); 4] = [("100%", "0"), ("75%", "4"), ("50%", "8"), ("25%", "c")];

/// What was in force, and from when: until `accepted` what was before may still be seen.
struct Epoch {
    threshold: &'static str,
    ordered: Instant,
    accepted: Instant,
}

/// A request, and the threshold of the configuration under which it ran.
struct Seen {
    began: Instant,
    ended: Instant,
    threshold: String,
}

#[test]
fn every_request_runs_under_the_configuration_in_force_and_none_fails() {
    let mut mesh = start("100%", |bootstrap| edit_plugin(bootstrap, load_from_file));
    let vms = mesh.envoy.stat(VMS).unwrap();
    change_under_load(&mut mesh);
    assert_eq!(mesh.envoy.stat(VMS).unwrap(), vms, "one VM of each worker serves all configurations");
}

/// Envoy 1.40 takes a fetched module into new VMs at the first update, since it then has it in its cache.
#[test]
fn the_same_holds_for_a_module_that_is_fetched() {
    let mut mesh = start("100%", |_| Ok(()));
    let vms = mesh.envoy.stat(VMS).unwrap();
    change_under_load(&mut mesh);
    assert!(mesh.envoy.stat(VMS).unwrap() <= 2 * vms, "no update but the first makes VMs");
}

fn change_under_load(mesh: &mut Mesh) {
    let addr = mesh.addr();
    let start = Instant::now();
    let mut epochs = vec![Epoch { threshold: MARKS[0].1, ordered: start, accepted: start }];
    let stop = AtomicBool::new(false);

    let seen = thread::scope(|scope| {
        let _stopped_at_the_end = SetOnDrop(&stop);
        let fresh: Vec<_> = (0..3).map(|_| scope.spawn(|| on_fresh_connections(addr, &stop))).collect();
        let kept = scope.spawn(|| on_kept_connections(addr, &stop));
        for round in 0..4 {
            // Forth, back to the first, something that is refused, and on to the next.
            for (place, mark) in [(1 + round % 3, true), (0, true), (2, false)] {
                let (sample, threshold) = MARKS[place];
                let ordered = Instant::now();
                let form = Form::ALL[round % 2];
                let update = mesh.envoy.update_listener("ingress", |listener| {
                    edit_plugin(listener, |plugin| {
                        let mut configuration = configuration(sample);
                        if !mark {
                            // Another one each time: Envoy remembers a refusal, and asks no module for its reasons again.
                            configuration["rulez"] = json!(round);
                            configuration["default"] = json!({"sample": 1});
                        }
                        plugin["configuration"] = form.of(&configuration);
                    })
                });
                match update.unwrap() {
                    Update::Accepted => {
                        assert!(mark, "a broken configuration was accepted");
                        epochs.push(Epoch { threshold, ordered, accepted: Instant::now() });
                    }
                    Update::Rejected(reasons) => {
                        assert!(!mark, "{reasons}");
                        assert!(reasons.contains("rulez: unknown field, did you mean \"rules\"?"), "{reasons}");
                        assert!(reasons.contains("default.sample: expected a percentage such as"), "{reasons}");
                    }
                }
                // Some requests of each configuration are neither before nor during its change.
                for _ in 0..10 {
                    let seen = exchange(addr);
                    assert_eq!(seen.threshold, epochs.last().unwrap().threshold);
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        let seen: Vec<_> = fresh.into_iter().flat_map(|load| load.join().unwrap()).collect();
        assert!(kept.join().unwrap() > 0);
        seen
    });

    assert!(seen.len() > 100, "{} requests are no load", seen.len());
    for request in &seen {
        assert!(in_force(&epochs, request).any(|threshold| threshold == request.threshold), "th:{}", request.threshold);
    }
    assert_eq!(mesh.envoy.stat("http.ingress.downstream_rq_5xx").unwrap(), 0);
    assert_eq!(mesh.envoy.stat("listener_manager.lds.update_rejected").unwrap(), 4);
}

/// A connection keeps the configuration under which it was opened, to its end.
#[test]
fn a_connection_keeps_its_configuration() {
    let mut mesh = start("75%", |_| Ok(()));
    let mut connection = http1::Connection::open(mesh.addr()).unwrap();
    let threshold = |connection: &mut http1::Connection| state(&Trace::of(&connection.exchange(&request()).unwrap()));
    assert_eq!(threshold(&mut connection), "4");
    let update = mesh.envoy.update_listener("ingress", |listener| {
        edit_plugin(listener, |plugin| plugin["configuration"] = Form::Struct.of(&configuration("50%")))
    });
    assert_eq!(update.unwrap(), Update::Accepted);
    assert_eq!(exchange(mesh.addr()).threshold, "8");
    assert_eq!(threshold(&mut connection), "4");
}

#[test]
fn a_text_that_is_no_json_changes_nothing() {
    let mut mesh = start("50%", |_| Ok(()));
    for broken in ["", "{", "sample: 1%", "[]", "null"] {
        let update = mesh.envoy.update_listener("ingress", |listener| {
            edit_plugin(listener, |plugin| plugin["configuration"] = text(broken))
        });
        assert!(matches!(update.unwrap(), Update::Rejected(_)), "{broken:?}");
        assert_eq!(exchange(mesh.addr()).threshold, "8", "{broken:?}");
    }
}

fn start(sample: &str, edit: impl FnOnce(&mut Value) -> Result<()>) -> Mesh {
    let mesh = Mesh::start(|builder| {
        Ok(builder.plugin_configuration(PLUGIN, &configuration(sample))?.edit(edit)?.dynamic_listeners())
    });
    mesh.unwrap()
}

fn configuration(sample: &str) -> Value {
    json!({"parent": {"policy": "ignore"}, "default": {"sample": sample}})
}

fn request() -> Request {
    Request::get("/").header("traceparent", traceparent(TRACE, "02"))
}

fn exchange(addr: SocketAddr) -> Seen {
    let began = Instant::now();
    let response = http1::exchange(addr, &request()).unwrap();
    let threshold = state(&Trace::of(&response));
    Seen { began, ended: Instant::now(), threshold }
}

fn on_fresh_connections(addr: SocketAddr, stop: &AtomicBool) -> Vec<Seen> {
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        seen.push(exchange(addr));
    }
    seen
}

/// Requests on connections that live through changes: none fails, and each has the filter's mark.
fn on_kept_connections(addr: SocketAddr, stop: &AtomicBool) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let responses = load::run(addr, 2, 400, |_| request()).unwrap();
        for response in &responses {
            let threshold = state(&Trace::of(response));
            assert!(MARKS.iter().any(|(_, mark)| *mark == threshold), "th:{threshold}");
        }
        count += responses.len();
    }
    count
}

fn state(trace: &Trace) -> String {
    assert_eq!((trace.trace_id.as_str(), trace.flags.as_str()), (TRACE, "03"), "an unfiltered request");
    trace.state.strip_prefix("ot=th:").unwrap_or_else(|| panic!("no threshold in {trace:?}")).to_owned()
}

/// The thresholds that a request may have seen: those in force at some time of it.
fn in_force<'a>(epochs: &'a [Epoch], request: &'a Seen) -> impl Iterator<Item = &'static str> + 'a {
    let ends = epochs.iter().skip(1).map(|next| Some(next.accepted)).chain([None]);
    epochs.iter().zip(ends).filter_map(|(epoch, end)| {
        let overlaps = epoch.ordered <= request.ended && end.is_none_or(|end| request.began <= end);
        overlaps.then_some(epoch.threshold)
    })
}

/// Ends the load after a failed assertion too.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
