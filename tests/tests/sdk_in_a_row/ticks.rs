//! Ticks in which both messages of an exchange may go on, in the embedded host, where two timers are due at one time.

use std::fs;
use std::time::Duration;

use palisade_host::Host;

use crate::guests::{Guest, labelled};

/// How long the first filter holds either message.
const WAIT: Duration = Duration::from_millis(100);

/// Catches a message that goes on with the other one of its exchange before the filters behind the one that held it have seen it.
#[test]
fn a_response_that_is_let_go_in_the_tick_of_its_request_is_seen_by_all_filters() {
    let module = fs::read(&Guest::Probe.built().unwrap().path).unwrap();
    let builder = Host::builder().module(module).config(labelled("first").to_string());
    let host = builder.allow_on_headers_stop_iteration(true).build().unwrap();
    let exchange = host.request("POST /held/both").header("x-wait", "1").open();
    assert!(exchange.request_paused());
    host.advance(WAIT);
    exchange.data("aaa", false);
    exchange.trailers([("x-end", "1")].into_iter().collect());
    assert!(exchange.request_paused(), "it goes on in a tick");
    exchange.respond(200).body("bbb").send();
    assert!(exchange.response_paused());
    host.advance(Duration::from_millis(20));
    assert!(!exchange.request_paused() && exchange.response_paused(), "the first filter holds the response");
    host.advance(WAIT);
    let response = exchange.response();
    assert_eq!((response.header("x-probe").as_deref(), response.text().as_str()), (Some("held"), "bbb"));
    assert_eq!(exchange.upstream().unwrap().body, b"aaa");
}
