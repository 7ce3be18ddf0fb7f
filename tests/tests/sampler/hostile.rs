//! Headers that nobody sends in good faith: no trap, no error for the client, and the behaviour of any other request.

use palisade_testbed::{Request, Response, http1};
use serde_json::json;

use crate::mesh::{Exchange, Mesh, PLUGIN, TOKEN_SHA256, VERSIONS, VMS, edit_manager};
use crate::trace::Trace;

const TRACE_ID: &str = "12345678901234567890123456789012";
const SAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-01";
const UNSAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-00";

/// One worker, so that a VM that died would be missed at once.
struct Target {
    mesh: Mesh,
    vms: u64,
}

impl Target {
    fn start() -> Self {
        let mesh = Mesh::start(|builder| {
            let builder = builder.concurrency(1).plugin_configuration(
                PLUGIN,
                &json!({
                    "force": {"token_sha256": TOKEN_SHA256},
                    "rules": [
                        {"name": "health", "match": {"path": {"prefix": "/healthz"}}, "sample": "0%"},
                        {"name": "words", "match": {"path": {"regex": "/(a|ab)*c"}}, "sample": "0%"},
                        {"name": "vip", "match": {"headers": [{"name": "x-tier", "exact": "vip"}]},
                         "parent": {"policy": "respect_if_sampled"}, "sample": "100%"},
                    ],
                    "default": {"sample": "100%"},
                }),
            )?;
            builder.edit(|bootstrap| {
                edit_manager(bootstrap, |manager| {
                    manager["max_request_headers_kb"] = json!(1024);
                    manager["common_http_protocol_options"] = json!({"max_headers_count": 4000});
                })
            })
        })
        .unwrap();
        let vms = mesh.envoy.stat(VMS).unwrap();
        Self { mesh, vms }
    }

    /// Sends a request, and then one that shows whether the filter still decides.
    fn send(&self, exchange: Exchange, request: &Request, case: &str) -> Response {
        let response = exchange(self.mesh.addr(), request).unwrap_or_else(|error| panic!("{case}: {error:#}"));
        assert_eq!(response.status, 200, "{case}: {}", response.text());
        let after = Request::get("/").header("x-tier", "vip").header("traceparent", UNSAMPLED);
        let after = Trace::of(&self.mesh.get(&after));
        assert_eq!((&*after.trace_id, &*after.flags, &*after.state), (TRACE_ID, "01", "ot=th:0"), "after {case}");
        response
    }

    fn restarts(&self, exchange: Exchange, request: &Request, case: &str) {
        let trace = Trace::of(&self.send(exchange, request, case));
        assert_ne!(trace.trace_id, TRACE_ID, "{case}");
        assert_eq!((&*trace.flags, &*trace.state), ("03", "ot=th:0"), "{case}");
    }

    fn continues(&self, exchange: Exchange, request: &Request, state: &str, case: &str) {
        let trace = Trace::of(&self.send(exchange, request, case));
        assert_eq!((&*trace.trace_id, &*trace.flags, &*trace.state), (TRACE_ID, "01", state), "{case}");
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert_eq!(self.mesh.envoy.stat(VMS).unwrap(), self.vms);
        assert_eq!(self.mesh.envoy.stat("http.ingress.downstream_rq_5xx").unwrap(), 0);
        let log = self.mesh.envoy.log();
        let serious = |line: &&str| ["[error]", "[critical]"].iter().any(|level| line.contains(level));
        assert_eq!(log.lines().find(serious), None);
    }
}

#[test]
fn bytes_beyond_ascii_are_no_part_of_a_trace_context() {
    let target = Target::start();
    for (version, exchange) in VERSIONS {
        for byte in 0x80..=0xff_u8 {
            let case = format!("{version} {byte:#x}");
            let mut broken = SAMPLED.as_bytes().to_vec();
            broken[usize::from(byte) % SAMPLED.len()] = byte;
            let request = Request::get("/").header("traceparent", &broken).header("tracestate", "foo=1");
            target.restarts(exchange, &request, &case);

            let future = [b"cc-12345678901234567890123456789012-1234567890123456-01-", &[byte][..]].concat();
            target.restarts(exchange, &Request::get("/").header("traceparent", future), &case);

            for list in [[b"foo=", &[byte][..]].concat(), [b"foo=1,", &[byte][..], b"=1"].concat()] {
                let request = Request::get("/").header("traceparent", SAMPLED).header("tracestate", list);
                target.continues(exchange, &request, "", &case);
            }

            let tier = [b"vip", &[byte][..]].concat();
            let request = Request::get("/").header("traceparent", SAMPLED).header("x-tier", tier);
            target.continues(exchange, &request.header("x-debug-trace", [byte]), "", &case);
        }
    }
    // Envoy itself refuses such a path; escaped, it is one like others.
    for byte in 0x80..=0xff_u8 {
        let mut connection = http1::Connection::open(target.mesh.addr()).unwrap();
        let head = [b"GET /", &[byte][..], b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"].concat();
        connection.send(&head).unwrap();
        assert_eq!(connection.response().unwrap().status, 400, "{byte:#x}");
        let request = Request::get(&format!("/%{byte:x}/healthz")).header("traceparent", SAMPLED);
        target.continues(http1::exchange, &request, "", &format!("escaped {byte:#x}"));
    }
}

#[test]
fn long_values_are_read_to_their_end_or_not_at_all() {
    let target = Target::start();
    for (version, exchange) in VERSIONS {
        // Envoy's HTTP/2 codec takes 64 KiB of headers as they are compressed, its HTTP/1 codec what is configured.
        let longest = if version == "HTTP/1.1" { 200 * 1024 } else { 64 * 1024 };
        for length in [60 * 1024, longest] {
            let case = |what: &str| format!("{version} {what} of {length}");
            let filler = "a".repeat(length);
            target.restarts(exchange, &Request::get("/").header("traceparent", &filler), &case("traceparent"));
            let long = format!("{SAMPLED}-{filler}");
            target.restarts(exchange, &Request::get("/").header("traceparent", &long), &case("version 00"));
            let future = format!("cc{}", &long[2..]);
            target.continues(exchange, &Request::get("/").header("traceparent", &future), "", &case("version cc"));
            let spaces = format!("{SAMPLED}{}", " ".repeat(length));
            if version == "HTTP/1.1" {
                target.continues(exchange, &Request::get("/").header("traceparent", &spaces), "", &case("spaces"));
            }

            for list in [filler.clone(), format!("foo={filler}"), format!("{filler}=1"), "a=1,".repeat(length / 4)] {
                let request = Request::get("/").header("traceparent", SAMPLED).header("tracestate", &list);
                target.continues(exchange, &request, "", &case("tracestate"));
            }
            let commas = format!("foo=1{}", ",".repeat(length - 5 * 1024));
            let request = Request::get("/").header("traceparent", SAMPLED).header("tracestate", &commas);
            target.continues(exchange, &request, "foo=1", &case("commas"));

            for name in ["x-tier", "x-debug-trace", "x-forwarded-for", "x-other"] {
                let request = Request::get("/").header("traceparent", SAMPLED).header(name, &filler);
                target.continues(exchange, &request, "", &case(name));
            }
        }
        let path = format!("/{}", "ab".repeat(30 * 1024));
        let request = Request::get(&path).header("traceparent", SAMPLED);
        target.continues(exchange, &request, "", &format!("{version} path"));
        let response = target.send(exchange, &Request::get(&format!("{path}c")), &format!("{version} never"));
        assert_eq!(Trace::of(&response).flags, "02", "{version} the path matches to its end");
    }
}

#[test]
fn many_lines_are_read_to_the_last() {
    let target = Target::start();
    for (version, exchange) in VERSIONS {
        let many = |name: &str, times: usize, value: &dyn Fn(usize) -> String| {
            (0..times).fold(Request::get("/"), |request, place| request.header(name, value(place)))
        };
        let numbered = |place: usize| format!("k{place}=1");
        let state = |times: usize| many("tracestate", times, &numbered).header("traceparent", SAMPLED);
        let all: Vec<_> = (0..32).map(numbered).collect();
        target.continues(exchange, &state(32), &all.join(","), &format!("{version} 32 lines"));
        for times in [33, 100, 900] {
            target.continues(exchange, &state(times), "", &format!("{version} {times} lines"));
        }
        let empty = many("tracestate", 100, &|_| String::new()).header("traceparent", SAMPLED);
        target.continues(exchange, &empty, "", &format!("{version} empty lines"));

        for times in [2, 100, 900] {
            let parents = many("traceparent", times, &|_| SAMPLED.to_owned());
            target.restarts(exchange, &parents, &format!("{version} {times} parents"));
            let tiers = many("x-tier", times, &|_| "vip".to_owned()).header("traceparent", SAMPLED);
            target.continues(exchange, &tiers, "", &format!("{version} {times} tiers"));
        }
        let others = many("x-other", 900, &|place| place.to_string()).header("traceparent", SAMPLED);
        target.continues(exchange, &others, "", &format!("{version} 900 headers"));
        let names = (0..900).fold(Request::get("/"), |request, place| request.header(format!("x-{place}"), ""));
        target.continues(exchange, &names.header("traceparent", SAMPLED), "", &format!("{version} 900 names"));
    }
}

/// Envoy hands over no list of more than 1024 headers, only an empty one.
#[test]
fn a_request_whose_headers_cannot_be_read_stays_as_it_is() {
    let target = Target::start();
    for (version, exchange) in VERSIONS {
        let others = (0..1100).fold(Request::get("/"), |request, place| request.header("x-other", place.to_string()));
        let request = others.header("traceparent", SAMPLED).header("tracestate", "foo=1");
        target.continues(exchange, &request, "foo=1", version);
    }
}

#[test]
fn upper_case_digits_are_none() {
    let target = Target::start();
    for (version, exchange) in VERSIONS {
        for upper in ["0A", "A0", "AA"] {
            for at in [0, 3, 33, 36, 50, 53] {
                let mut broken = SAMPLED.to_owned();
                broken.replace_range(at..at + 2, upper);
                let request = Request::get("/").header("traceparent", &broken).header("tracestate", "foo=1");
                target.restarts(exchange, &request, &format!("{version} {broken}"));
            }
        }
    }
}
