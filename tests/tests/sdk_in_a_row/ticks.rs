//! Ticks in which both messages of an exchange may go on, in the embedded host, where two timers are due at one time.

use std::fs;
use std::time::Duration;

use palisade_host::{Answer, Host};

use crate::guests::{Guest, labelled};

/// Catches a message that goes on with the other one of its exchange before the filters behind the one that held it have seen it.
#[test]
fn a_response_that_is_let_go_in_the_tick_of_its_request_is_seen_by_all_filters() {
    let module = fs::read(&Guest::Probe.built().unwrap().path).unwrap();
    let builder = Host::builder().module(module).config(labelled("first").to_string());
    let builder = builder.allow_on_headers_stop_iteration(true).cluster("callouts", |_| Answer::status(200));
    let host = builder.build().unwrap();
    let exchange = host.request("POST /held/both/head").open();
    host.settle();
    exchange.data("aaa", false);
    exchange.trailers([("x-end", "1")].into_iter().collect());
    assert!(exchange.request_paused(), "it goes on in a tick");
    exchange.respond(200).body("bbb").send();
    assert!(exchange.response_paused());
    host.advance(Duration::from_millis(20));
    let response = exchange.response();
    assert_eq!((response.header("x-probe"), response.body.as_slice()), (Some("held"), b"bbb".as_slice()));
    assert_eq!(exchange.upstream().unwrap().body, b"aaa");
    assert!(!host.log_text().contains("host call"), "{}", host.log_text());
}
