//! Updates of the configuration while Envoy serves: each request is served by the one that was in force.

use crate::guests::Guest;
use crate::mesh::{Mesh, Setup};
use palisade_testbed::client::VERSIONS;
use palisade_testbed::envoy::Update;
use palisade_testbed::{Answer, Request, Response, grpc, http1};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

fn label(response: &Response) -> String {
    response.headers.text("x-probe-label").unwrap()
}

fn current(mesh: &Mesh) -> String {
    label(&http1::exchange(mesh.addr(), &Request::get("/label")).unwrap())
}

/// Catches one configuration for the whole VM, and an answer to a callout that finds only the newest root.
#[test]
fn a_request_ends_under_the_configuration_that_it_began_with() {
    const WAITS: [&str; 2] = ["/label?/slow", "/grpc/label?Slow"];
    const COUNT: usize = WAITS.len() * VERSIONS.len();
    let mut mesh = Setup::new(Guest::Probe).dynamic().start().unwrap();
    let slow = Duration::from_millis(1500);
    mesh.callouts.on("/slow", Answer::with_status(200).delay(slow));
    mesh.callouts.on("/probe.Probe/Slow", grpc::ok("").delay(slow));
    let addr = mesh.addr();
    let mut kept = http1::Connection::open(addr).unwrap();
    assert_eq!(label(&kept.exchange(&Request::get("/label")).unwrap()), "first");
    // Back to the first, whose root is used again without any callback.
    let steps = [("first", "second"), ("second", "first")];
    thread::scope(|scope| {
        for (step, (old, new)) in steps.into_iter().enumerate() {
            let exchanges = WAITS.iter().flat_map(|path| VERSIONS.map(|version| (path, version)));
            let waiting: Vec<_> = exchanges
                .map(|(path, version)| scope.spawn(move || version.exchange(addr, &Request::get(path)).unwrap()))
                .collect();
            mesh.callouts.wait_for(COUNT * step, Duration::from_secs(10)).unwrap();
            while mesh.callouts.count() < COUNT * (step + 1) {
                thread::sleep(Duration::from_millis(5));
            }
            assert_eq!(mesh.relabel(new).unwrap(), Update::Accepted);
            assert_eq!(current(&mesh), new);
            for waiting in waiting {
                let response = waiting.join().unwrap();
                assert_eq!(label(&response), old);
                assert_eq!(response.echo().unwrap().header("x-probe-label"), [old]);
            }
        }
    });
    assert_eq!(label(&kept.exchange(&Request::get("/label")).unwrap()), "first");
}

/// Catches a request that is refused or served by a wrong root while the configuration changes, and a refused
/// configuration that is taken up by some.
#[test]
fn no_request_of_a_load_is_served_by_a_configuration_that_is_not_in_force() {
    const LABELS: [&str; 6] = ["first", "second", "first", "third", "second", "fourth"];
    let mut mesh = Setup::new(Guest::Probe).workers(2).dynamic().start().unwrap();
    mesh.callouts.on("/short", Answer::with_status(200).delay(Duration::from_millis(5)));
    let addr = mesh.addr();
    let (begun, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let served = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while done.load(Ordering::SeqCst) + 1 < LABELS.len() {
                    let earliest = done.load(Ordering::SeqCst);
                    let response = http1::exchange(addr, &Request::get("/label?/short")).unwrap();
                    let latest = begun.load(Ordering::SeqCst);
                    assert_eq!(response.status, 200);
                    let label = label(&response);
                    assert!(LABELS[earliest..=latest].contains(&label.as_str()), "{label}, {earliest} to {latest}");
                    served.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for (step, new) in LABELS.iter().enumerate().skip(1) {
            thread::sleep(Duration::from_millis(100));
            if step == 3 {
                let Update::Rejected(why) = mesh.relabel("refused by configure").unwrap() else {
                    panic!("Envoy accepts what the filter refuses");
                };
                assert!(why.contains("probe: configuration refused"), "{why}");
                assert!(why.contains("this one is refused"), "{why}");
                assert_eq!(current(&mesh), LABELS[2]);
            }
            begun.store(step, Ordering::SeqCst);
            assert_eq!(mesh.relabel(new).unwrap(), Update::Accepted);
            assert_eq!(current(&mesh), *new);
            done.store(step, Ordering::SeqCst);
        }
    });
    assert!(served.load(Ordering::SeqCst) > 50, "{served:?}");
}
