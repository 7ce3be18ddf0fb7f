//! Together: futures of one exchange side by side, and exchanges that wait for one another.

use crate::SHELL;
use crate::mesh::Mesh;
use palisade_testbed::{Answer, Request, grpc, http1, http2};
use std::time::Duration;

/// Catches a runtime without wakers: `FuturesUnordered` polls only what was woken.
#[test]
fn futures_of_one_exchange_are_each_woken() {
    let mesh = Mesh::start(false).unwrap();
    for delay in [0, 60, 250] {
        mesh.callouts.on("/", Answer::with_status(204).delay(Duration::from_millis(delay)));
        let text = http1::exchange(mesh.addr(), &Request::get("/unordered")).unwrap().text();
        let mut ready: Vec<_> = text.split(' ').collect();
        assert!(text.find("20").unwrap() < text.find("150").unwrap(), "{text}");
        ready.sort_unstable();
        assert_eq!(ready, ["150", "20", "204"]);
    }
}

/// Catches wakers that wake only their own context, or not while another one is polled.
#[test]
fn many_exchanges_wait_for_one_callout_in_the_background() {
    let mesh = Mesh::start(false).unwrap();
    mesh.callouts.on("/", Answer::with_status(201).delay(Duration::from_millis(200)));
    let mut connection = http2::Connection::open(mesh.addr()).unwrap();
    let streams: Vec<_> =
        (0..10).map(|_| connection.open_stream(&Request::get("/single-flight"), true).unwrap()).collect();
    for stream in streams {
        assert_eq!(stream.response().unwrap().text(), "Ok(201)");
    }
    assert_eq!(http1::exchange(mesh.addr(), &Request::get("/single-flight")).unwrap().text(), "Ok(201)");
    assert_eq!(mesh.callouts.count(), 1);
}

/// Catches a waker that outlives its exchange and wakes whatever has its place.
#[test]
fn an_exchange_that_has_gone_is_woken_in_vain() {
    let mesh = Mesh::start(false).unwrap();
    mesh.callouts.on("/", Answer::with_status(201).delay(Duration::from_millis(200)));
    let mut connection = http2::Connection::open(mesh.addr()).unwrap();
    let mut open = || connection.open_stream(&Request::get("/single-flight"), true).unwrap();
    let (mut gone, stays) = (open(), open());
    while mesh.callouts.count() == 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    gone.reset(h2::Reason::CANCEL);
    assert_eq!(stays.response().unwrap().text(), "Ok(201)");
    assert_eq!(http1::exchange(mesh.addr(), &Request::get("/")).unwrap().status, 200);
}

/// Catches an answer that is brought to an exchange that has gone, and one that is waited for without an end.
#[test]
fn a_call_that_one_exchange_began_is_finished_by_another() {
    let mesh = Mesh::start(false).unwrap();
    mesh.callouts.on("/", Answer::with_status(201).delay(Duration::from_millis(300)));
    mesh.callouts.on("/probe.Probe/Shared", grpc::ok("shared").delay(Duration::from_millis(300)));
    for (path, outcome) in [("/shared-call", "Ok(201)"), ("/shared-call?grpc", "Ok(GrpcAnswer(6 bytes))")] {
        let called = mesh.callouts.count();
        let mut connection = http2::Connection::open(mesh.addr()).unwrap();
        let mut open = || connection.open_stream(&Request::get(path), true).unwrap();
        let mut began = open();
        mesh.callouts.wait_for(called + 1, Duration::from_secs(5)).unwrap();
        let finishes = open();
        let active = "http.ingress.downstream_rq_active";
        mesh.envoy.wait_for_stat(active, |active| active == 2, Duration::from_secs(5)).unwrap();
        began.reset(h2::Reason::CANCEL);
        // The dispatcher of the crate `proxy-wasm` loses the answer together with the exchange, which can be tried again.
        let outcome = if SHELL == "proxy-wasm" { "Err(Unreachable)" } else { outcome };
        assert_eq!(finishes.response().unwrap().text(), outcome);
    }
}

/// Catches a notice that wakes one exchange only, and one that is kept for whoever comes later.
#[test]
fn all_exchanges_that_wait_for_an_event_go_on_when_it_happens() {
    const WAITING: usize = 20;
    let mesh = Mesh::start(false).unwrap();
    let mut connection = http2::Connection::open(mesh.addr()).unwrap();
    let mut open = |path: &str| connection.open_stream(&Request::get(path), true).unwrap();
    let mut gone = open("/event/wait?600000");
    let streams: Vec<_> = (0..WAITING).map(|_| open("/event/wait?600000")).collect();
    let active = "http.ingress.downstream_rq_active";
    mesh.envoy.wait_for_stat(active, |active| active == WAITING as u64 + 1, Duration::from_secs(15)).unwrap();
    gone.reset(h2::Reason::CANCEL);
    mesh.envoy.wait_for_stat(active, |active| active == WAITING as u64, Duration::from_secs(15)).unwrap();
    assert_eq!(open("/event/notify").response().unwrap().status, 200);
    for stream in streams {
        assert_eq!(stream.response().unwrap().text(), "true");
    }
    assert_eq!(open("/event/wait?50").response().unwrap().text(), "false");
}
