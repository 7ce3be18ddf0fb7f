//! What masking costs for each byte, by the fuel that the module burns in the embedded host: about one an instruction.

use std::fs;

use palisade_host::Host;
use palisade_testbed::checkout;
use serde_json::{Value, json};

const SHORT: usize = 16 * 1024;
const LONG: usize = 1 << 20;

/// What a proxy reads at once.
const PIECE: usize = 16 * 1024;

/// How much more a byte of a long body may cost than one of a short.
const MOST: f64 = 1.5;

/// More than a byte of any of these may cost, with all detectors.
const HIGHEST: f64 = 6_000.0;

/// What matches are made of, what looks like their beginnings, and words that say what a number is: each over and over. Pairs of them, and
/// shorter texts, are counted natively, in steps.
const TEXTS: &[&str] = &[
    "1",
    "a",
    "-a",
    "@:",
    "a.b@",
    "eyJ",
    "://a:b",
    "ghp_",
    "-----BEGIN PRIVATE KEY-----{",
    "GB82 WEST",
    "4111 1111 1111 1111",
    "+1 415 555 0123",
    "2001:db8::1",
    "16.727.230/0001-97",
    "ssn tin sin 123456782 ",
    "tel phone mobile 5550123 ",
    "12-",
    "tel (1",
];

fn host(detectors: &[Value]) -> Host {
    let module = fs::read(checkout::root().unwrap().join("dist/modules/data_masking.wasm")).unwrap();
    let configuration = json!({
        "rules": [{"detectors": detectors, "fields": [{"path": "$..secret", "action": {"mask": {}}}]}],
        "bodies": {"on_invalid": "text"},
    });
    Host::builder().module(module).config(configuration.to_string()).build().unwrap()
}

/// What a body costs beyond an empty one.
fn fuel(host: &Host, content_type: &str, body: &[u8]) -> f64 {
    let burnt = || host.counters(1)[0].fuel;
    let spent = |body: &[u8]| {
        let before = burnt();
        let exchange = host.request("GET /x").send();
        exchange.respond(200).header("content-type", content_type).open();
        for piece in body.chunks(PIECE) {
            exchange.respond_data(piece, false);
        }
        exchange.respond_data(b"", true);
        assert!(exchange.ended() && host.failures().is_empty(), "{:?}", host.failures());
        burnt() - before
    };
    spent(body) as f64 - spent(b"") as f64
}

/// Says which of these costs more for each byte the longer it is, and what a byte of a short one costs.
fn assert_linear(host: &Host, content_type: &str, begin: &str, unit: &str) -> f64 {
    let [short, long] = [SHORT, LONG].map(|len| {
        let mut body = [begin, &unit.repeat(len / unit.len() + 1)].concat().into_bytes();
        body.truncate(len);
        fuel(host, content_type, &body) / len as f64
    });
    println!("{short:6.0} {long:6.0} for each byte: {content_type} {begin:?} {unit:?}");
    assert!(long <= short * MOST, "{short:.1} and {long:.1} for each byte: {content_type} {begin:?} {unit:?}");
    short
}

#[test]
fn a_byte_of_a_long_body_costs_no_more_than_one_of_a_short() {
    let types: Vec<_> = palisade_data_masking::detectors::all().iter().map(|detector| detector.name).collect();
    let detectors: Vec<_> = types.iter().map(|name| json!({"type": name, "action": {"mask": {}}})).collect();
    let host = host(&detectors);
    let texts = TEXTS.iter().map(|text| ("text/plain", "", *text));
    let formats = [
        ("application/json", "[", "{\"a\":[1,\"x\"]},"),
        ("application/json", "[", "\"\\u0034\\\\\\\"\","),
        ("application/json", "[\"", "\\u0034"),
        ("application/json", "[\"", "4111 "),
        ("application/json", "[", "4111111111111111,"),
        ("application/json", "", "["),
        ("application/json", "[", "{\"secret\":[4111]},"),
        ("application/json", "{\"", "a"),
        ("application/x-ndjson", "", "{\"a\":\"4111\"}\n{\n"),
        ("text/event-stream", "", "data: {\"a\":1,\ndata: \"b\":\"x\"}\n\n"),
        ("text/event-stream", "data: ", "\r"),
        ("application/x-www-form-urlencoded", "a=", "%34%31"),
        ("application/x-www-form-urlencoded", "", "secret=4111&ssn=1&"),
        ("multipart/form-data; boundary=b0", "--b0\r\n\r\n", "\r\n--b"),
        ("multipart/form-data; boundary=b0", "", "--b0\r\n\r\n4111 1111 1111 1111\r\n"),
    ];
    for (content_type, begin, unit) in texts.chain(formats) {
        let cost = assert_linear(&host, content_type, begin, unit);
        assert!(cost <= HIGHEST, "{cost:.1} for each byte: {content_type} {begin:?} {unit:?}");
    }
}

#[test]
fn a_byte_of_a_long_body_costs_no_more_for_regular_expressions_either() {
    for (regex, unit) in [
        (r"EMP-\d{6}", "EMP-123456 "),
        (r"(a|aa){1,8}b", "a"),
        (r"\b\w{1,8}@\w{1,8}\b", "a@"),
        (r"(?i)key.{0,20}end", "key"),
    ] {
        let host = host(&[json!({"name": "own", "regex": regex, "action": {"mask": {}}})]);
        assert_linear(&host, "text/plain", "", unit);
    }
}
