//! Formats other than W3C's, as far as a Hurl file cannot say it.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use palisade_testbed::{Echo, Request, http1};
use serde_json::json;

use crate::mesh::{Exchange, Mesh, VERSIONS, VMS};

const TRACE_ID: &str = "463ac35c9f6413ad48485a3953bb6124";
const ALL: [&str; 5] = ["w3c", "b3", "b3multi", "xray", "datadog"];

/// A valid context in each format, header by header.
const CONTEXTS: [&[(&str, &str)]; 4] = [
    &[("b3", "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-0-0020000000000001")],
    &[
        ("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124"),
        ("x-b3-spanid", "a2fb4a1d1a96d312"),
        ("x-b3-parentspanid", "0020000000000001"),
        ("x-b3-sampled", "0"),
    ],
    &[("x-amzn-trace-id", "Root=1-463ac35c-9f6413ad48485a3953bb6124;Parent=a2fb4a1d1a96d312;Sampled=0")],
    &[
        ("x-datadog-trace-id", "5208512171318403364"),
        ("x-datadog-parent-id", "67667974448284343"),
        ("x-datadog-sampling-priority", "0"),
        ("x-datadog-tags", "_dd.p.tid=463ac35c9f6413ad"),
    ],
];

fn mesh() -> Mesh {
    Mesh::with(&json!({"propagators": ALL, "default": {"sample": "100%"}}))
}

/// The one line of this header that reached the upstream.
fn line<'a>(echo: &'a Echo, name: &str) -> &'a str {
    match echo.header(name).as_slice() {
        [line] => line,
        lines => panic!("{name}: {lines:?}"),
    }
}

fn echo(mesh: &Mesh, exchange: Exchange, request: &Request) -> Echo {
    let response = exchange(mesh.addr(), request).unwrap();
    assert_eq!(response.status, 200, "{}", response.text());
    response.echo().unwrap()
}

/// The ids and decisions of the trace that a request carries in all formats: one of each, if they are one trace.
fn told(echo: &Echo) -> (BTreeSet<(String, String)>, BTreeSet<bool>) {
    let fields = |name: &str| line(echo, name).split('-').map(str::to_owned).collect::<Vec<_>>();
    let (w3c, b3) = (fields("traceparent"), fields("b3"));
    let xray: Vec<_> = line(echo, "x-amzn-trace-id").split(';').map(|pair| pair.split_once('=').unwrap().1).collect();
    let hex = |name: &str| format!("{:016x}", line(echo, name).parse::<u64>().unwrap());
    let high = line(echo, "x-datadog-tags").strip_prefix("_dd.p.tid=").unwrap();
    let ids = BTreeSet::from([
        (w3c[1].clone(), w3c[2].clone()),
        (b3[0].clone(), b3[1].clone()),
        (line(echo, "x-b3-traceid").to_owned(), line(echo, "x-b3-spanid").to_owned()),
        (xray[0].strip_prefix("1-").unwrap().replace('-', ""), xray[1].to_owned()),
        (high.to_owned() + &hex("x-datadog-trace-id"), hex("x-datadog-parent-id")),
    ]);
    let decisions = BTreeSet::from([
        w3c[3] == "03",
        b3[2] == "1",
        line(echo, "x-b3-sampled") == "1",
        xray[2] == "1",
        line(echo, "x-datadog-sampling-priority") == "2",
    ]);
    (ids, decisions)
}

#[test]
fn a_trace_that_begins_is_one_trace_in_every_format_and_tells_the_time() {
    let mesh = Mesh::with(&json!({"propagators": ALL, "default": {"sample": "50%"}}));
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (mut traces, mut decided) = (BTreeSet::new(), BTreeSet::new());
    for (version, exchange) in VERSIONS {
        for _ in 0..100 {
            let before = now();
            let (ids, decisions) = told(&echo(&mesh, exchange, &Request::get("/")));
            assert_eq!((ids.len(), decisions.len()), (1, 1), "{version}: {ids:?}");
            let (trace_id, _) = ids.first().unwrap();
            let begun = u64::from_str_radix(&trace_id[..8], 16).unwrap();
            assert!((before..=now()).contains(&begun), "{version}: {trace_id} began at {begun}");
            traces.extend(ids);
            decided.extend(decisions);
        }
    }
    assert_eq!((traces.len(), decided.len()), (200, 2), "all are different, and either is decided");
}

#[test]
fn no_byte_beyond_ascii_travels_on_in_a_format() {
    let mesh = mesh();
    let vms = mesh.envoy.stat(VMS).unwrap();
    for (version, exchange) in VERSIONS {
        for context in CONTEXTS {
            for broken in 0..context.len() {
                for byte in [0x80, 0xa0, 0xc3, 0xe9, 0xff_u8] {
                    let mut request = Request::get("/");
                    for (place, (name, value)) in context.iter().enumerate() {
                        let mut value = value.as_bytes().to_vec();
                        if place == broken {
                            let middle = value.len() / 2;
                            value[middle] = byte;
                        }
                        request = request.header(*name, value);
                    }
                    let echo = echo(&mesh, exchange, &request);
                    let (ids, decisions) = told(&echo);
                    assert_eq!((ids.len(), decisions), (1, BTreeSet::from([true])), "{version} {request:?}");
                    assert!(!ids.iter().any(|(trace_id, _)| trace_id == TRACE_ID), "{version} {request:?}");
                }
            }
        }
    }
    assert_eq!(mesh.envoy.stat(VMS).unwrap(), vms);
}

#[test]
fn two_lines_of_any_header_are_none_and_values_may_be_long() {
    let mesh = mesh();
    let long = "1".repeat(20 * 1024);
    for (version, exchange) in VERSIONS {
        for context in CONTEXTS {
            for (name, value) in context {
                if *name == "x-datadog-tags" {
                    continue;
                }
                let twice =
                    context.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, value));
                let filled = context.iter().fold(Request::get("/"), |request, (other, value)| {
                    request.header(*other, if other == name { long.as_str() } else { value })
                });
                for request in [twice.header(*name, value), filled] {
                    let (ids, decisions) = told(&echo(&mesh, exchange, &request));
                    assert_eq!((ids.len(), decisions), (1, BTreeSet::from([true])), "{version} {name}");
                    assert!(!ids.iter().any(|(trace_id, _)| trace_id == TRACE_ID), "{version} {name}");
                }
            }
        }
    }
}

#[test]
fn what_happens_to_formats_is_counted() {
    let mesh = Mesh::with(&json!({
        "propagators": ALL,
        "rules": [{"name": "health", "match": {"path": {"prefix": "/healthz"}}, "sample": "0%"}],
        "default": {"sample": "100%"},
    }));
    let unsampled = format!("00-{TRACE_ID}-a2fb4a1d1a96d312-00");
    for (times, request) in [
        (2, Request::get("/").header("b3", "garbage")),
        (3, Request::get("/").header("b3", "1").header("traceparent", &unsampled)),
        (4, Request::get("/").header("x-amzn-trace-id", "garbage").header("traceparent", &unsampled)),
        (5, Request::get("/healthz").header("X-B3-Flags", "1")),
        (6, Request::get("/").header("X-B3-Sampled", "false")),
    ] {
        for _ in 0..times {
            assert_eq!(http1::exchange(mesh.addr(), &request).unwrap().status, 200);
        }
    }
    for (name, expected) in [
        ("contradicting", 3),
        ("invalid", 2 + 4),
        ("restarts", 2),
        ("decisions;tier=default;reason=probability;sampled=true", 2),
        ("decisions;tier=unread;reason=debug;sampled=true", 5),
        ("decisions;tier=default;reason=parent;sampled=false", 3 + 4 + 6),
    ] {
        assert_eq!(mesh.counter(name), expected, "{name}");
    }
}
