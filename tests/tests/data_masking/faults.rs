//! A host that refuses: what cannot be masked does not pass, whichever call it is that fails.

use std::fs;

use palisade_host::{Exchange, Fault, FaultEffect, Fields, Host, Message, Status};
use palisade_testbed::checkout;
use serde_json::json;

const MAIL: &str = "a.b@example.com";

fn host() -> Host {
    let module = fs::read(checkout::root().unwrap().join("dist/modules/data_masking.wasm")).unwrap();
    let configuration = json!({
        "rules": [{
            "direction": ["request", "response"],
            "fields": [{"path": "$.secret", "action": "remove"}],
            "detectors": [{"type": "email", "action": {"replace": "[mail]"}}],
            "url": {"for": "upstream"},
        }],
        "headers": [
            {"name": "x-note", "direction": ["request", "response"]},
            {"name": "x-gone", "direction": ["request", "response"], "action": "remove"},
        ],
        "cookies": [{"name": "who", "direction": ["request", "response"], "action": {"mask": {}}}],
    });
    Host::builder().module(module).config(configuration.to_string()).build().unwrap()
}

/// A request and a response, in all parts of which an address stands.
fn exchange(host: &Host) -> Exchange {
    let body = format!("{{\"a\": \"{MAIL}\", \"secret\": \"{MAIL}\"}}");
    let (first, second) = body.split_at(12);
    let request = host.request(&format!("POST /users/{MAIL}?q={MAIL}"));
    let request = request.header("content-type", "application/json").header("x-note", MAIL).header("x-gone", MAIL);
    let request = request.header("cookie", format!("who={MAIL}")).chunk(first).chunk(second);
    let exchange = request.trailer("x-note", MAIL).send();
    if exchange.upstream().is_some() && !exchange.ended() {
        let response = exchange.respond(200).header("content-type", "application/json").header("trailer", "x-note");
        let response = response.header("x-note", MAIL).header("x-note", MAIL).header("x-gone", MAIL);
        let response = response.header("set-cookie", format!("who={MAIL}")).chunk(first).chunk(second);
        response.trailer("x-note", MAIL).send();
    }
    exchange
}

/// All bytes that came out on one side.
fn seen(message: &Message) -> String {
    let fields = |fields: &Fields| fields.iter().map(|(name, value)| [name, b": ", value, b"\n"].concat()).collect();
    let trailers: Vec<Vec<u8>> = message.trailers.as_ref().map(fields).unwrap_or_default();
    let headers: Vec<Vec<u8>> = fields(&message.headers);
    String::from_utf8_lossy(&[headers.concat(), message.body.clone(), trailers.concat()].concat()).into_owned()
}

#[test]
fn no_host_call_that_is_refused_lets_a_match_pass() {
    let host = host();
    let calls = || host.counters(1)[0].all_calls();
    let mut refused = 0;
    for nth in 1.. {
        let before = calls();
        host.inject(&Fault {
            call: String::new(),
            nth: Some(nth),
            effect: FaultEffect::Answer(Status::INTERNAL_FAILURE),
        });
        let exchange = exchange(&host);
        host.clear_faults();
        let (upstream, client) = (exchange.upstream().unwrap_or_default(), exchange.response());
        for message in [&upstream, &client] {
            assert!(!seen(message).contains(MAIL), "without call {nth}: {}", seen(message));
        }
        let is_whole = upstream.complete && client.complete && client.status() == 200;
        refused += u64::from(!is_whole);
        if calls() - before < nth {
            assert!(is_whole, "{}", seen(&client));
            assert_eq!([&upstream.body, &client.body], [b"{\"a\": \"[mail]\"}"; 2]);
            break;
        }
    }
    // Others are about metrics, logs, and what has been masked already.
    assert!(refused > 10, "{refused}");
}

#[test]
fn a_header_that_cannot_be_masked_is_answered_in_the_place_of_its_message() {
    let host = host();
    for call in ["proxy_replace_header_map_value", "proxy_remove_header_map_value", "proxy_get_header_map_pairs"] {
        let exchange = host.request("GET /x").send();
        host.inject(&Fault::answer(call, Status::INTERNAL_FAILURE));
        exchange.respond(200).header("x-note", MAIL).header("x-gone", MAIL).send();
        host.clear_faults();
        let response = exchange.response();
        assert!(matches!(response.status(), 500 | 502 | 503), "{call}: {}", seen(&response));
        assert!(!seen(&response).contains(MAIL), "{call}: {}", seen(&response));
    }
}
