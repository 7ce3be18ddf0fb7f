//! The dispatcher of the `proxy-wasm` crate: it drives these modules, and serves what else they hold.

use crate::guests::Guest;
use crate::mesh::{Mesh, Setup};
use palisade::wasm::Interface;
use palisade_testbed::client::VERSIONS;
use palisade_testbed::{Answer, Request, http1, http2, sha256};
use std::fs;
use std::time::Duration;

/// The callbacks of that crate that `filter!` never exports, and those of its start.
const EXPORTS: [&str; 17] = [
    "_initialize",
    "malloc",
    "proxy_on_done",
    "proxy_on_downstream_connection_close",
    "proxy_on_downstream_data",
    "proxy_on_foreign_function",
    "proxy_on_grpc_close",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_log",
    "proxy_on_new_connection",
    "proxy_on_queue_ready",
    "proxy_on_tick",
    "proxy_on_upstream_connection_close",
    "proxy_on_upstream_data",
    "proxy_on_vm_start",
];

const GUESTS: [Guest; 8] =
    [Guest::Probe, Guest::Gate, Guest::Quota, Guest::Screen, Guest::Guard, Guest::Census, Guest::Mask, Guest::Witness];

/// Catches scenarios that run with the modules of `filter!`.
#[test]
fn the_modules_that_envoy_loads_here_have_the_exports_of_the_dispatcher() {
    for guest in GUESTS {
        let built = guest.built().unwrap();
        let bytes = fs::read(&built.path).unwrap();
        assert_eq!(sha256(&bytes), built.module.sha256, "{guest:?}");
        let interface = Interface::read(&bytes).unwrap();
        for export in EXPORTS {
            assert!(interface.exports.iter().any(|found| found == export), "{guest:?} does not export {export}");
        }
        assert!(!interface.exports.iter().any(|found| found == "proxy_on_memory_allocate"), "{guest:?}");
        let mesh = Setup::new(guest).start().unwrap();
        let dump = http1::exchange(mesh.envoy.admin_addr(), &Request::get("/config_dump")).unwrap().text();
        assert!(dump.contains(&format!("\"filename\": \"{}\"", built.path.display())), "{guest:?}:\n{dump}");
    }
}

/// Catches an answer or an event that comes to the filter in place of the module's own code, or the other way round.
#[test]
fn calls_and_queues_of_the_modules_own_go_on_beside_the_filter() {
    let mesh = Mesh::start(false).unwrap();
    mesh.callouts.on("/allowed", Answer::with_status(200).delay(Duration::from_millis(300)));
    mesh.callouts.on("/denied", Answer::with_status(401));
    mesh.callouts.on("/own", Answer::with_status(204));
    let mut requests = 0;
    for version in VERSIONS {
        for _ in 0..2 {
            let send = |path: &str| version.exchange(mesh.addr(), &Request::get(path).header("x-own", "call")).unwrap();
            let allowed = send("/call?/allowed");
            assert_eq!((allowed.status, allowed.headers.text("x-own").as_deref()), (200, Some("204")), "{version}");
            assert_eq!(send("/call?/denied").status, 403, "{version}");
            requests += 2;
        }
    }
    let name = "wasmcustom.own.queued";
    mesh.envoy.wait_for_stat(name, |queued| queued == requests, Duration::from_secs(5)).unwrap();
    // A denied request may be gone before its answer comes.
    assert!(mesh.envoy.stat("wasmcustom.own.answered").unwrap() >= requests / 2);
    assert!(mesh.upstream.received().iter().all(|request| request.path == "/call?/allowed"));
}

/// Catches code of the module's own that acts on another exchange, because the filter has woken that one.
#[test]
fn behind_the_filters_part_of_a_callback_the_modules_own_code_acts_on_its_exchange() {
    let mesh = Mesh::start(false).unwrap();
    mesh.callouts.on("/", Answer::with_status(201).delay(Duration::from_millis(300)));
    let mut connection = http2::Connection::open(mesh.addr()).unwrap();
    let marking = |path: &str| Request::get(path).header("x-own", "mark");
    let marked = http2::exchange(mesh.addr(), &marking("/call?/")).unwrap();
    assert_eq!(marked.headers.text("x-own-mark").as_deref(), Some("1"));

    let _began = connection.open_stream(&marking("/shared-call"), true).unwrap();
    mesh.callouts.wait_for(2, Duration::from_secs(5)).unwrap();
    let finishes = connection.open_stream(&Request::get("/shared-call"), true).unwrap();
    let response = finishes.response().unwrap();
    assert_eq!(response.text(), "Ok(201)");
    assert_eq!(response.headers.get("x-own-mark"), None);
}

/// Catches a dispatcher that panics at the answer to a call, for want of a capability.
#[test]
fn a_configuration_without_what_the_dispatcher_needs_is_refused() {
    for guest in [Guest::Screen, Guest::Quota] {
        let setup = Setup::new(guest).withhold("proxy_set_effective_context");
        let error = format!("{:#}", setup.start().err().unwrap());
        let reason = format!("{}: configuration refused: without callouts", guest.name());
        assert!(error.contains(&reason), "{error}");
    }
    // A filter that makes none needs it not.
    let mesh = Setup::new(Guest::Guard).withhold("proxy_set_effective_context").start().unwrap();
    assert_eq!(http1::exchange(mesh.addr(), &Request::post("/", "good")).unwrap().status, 200);
    assert_eq!(http1::exchange(mesh.addr(), &Request::post("/", "evil")).unwrap().status, 403);
}
