//! `trace-sampler.two-passes.yaml`: the second pass is felt by nobody but the tracer.

use anyhow::{Context, Result};
use palisade_testbed::{Answer, Echo, Request, Response, http1};
use serde_json::{Value, json};

use crate::mesh::VERSIONS;
use crate::traced::{Traced, manager_mut};

/// What differs between any two requests, or is the trace's own.
const OWN: [&str; 9] = [
    "x-seen-client",
    "traceparent",
    "tracestate",
    "x-request-id",
    "host",
    "date",
    "x-envoy-upstream-service-time",
    "content-length",
    "transfer-encoding",
];

/// The same Envoy with one pass: the second's provider and route in the first listener, and no filter.
fn one_pass(bootstrap: &mut Value) -> Result<()> {
    let second = manager_mut(bootstrap, 1)?.clone();
    let first = manager_mut(bootstrap, 0)?;
    for field in ["tracing", "route_config", "http_filters"] {
        first[field] = second[field].clone();
    }
    bootstrap["static_resources"]["listeners"].as_array_mut().context("no listeners")?.truncate(1);
    Ok(())
}

/// Lets the upstream see whom Envoy takes for the client, with the certificate that it came with.
fn tell_the_client(bootstrap: &mut Value, listener: usize) -> Result<()> {
    manager_mut(bootstrap, 0)?["forward_client_cert_details"] = json!("ALWAYS_FORWARD_ONLY");
    manager_mut(bootstrap, listener)?["route_config"]["request_headers_to_add"] = json!([
        {"header": {"key": "x-seen-client", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}},
        {"header": {"key": "x-seen-scheme", "value": "%REQ(:scheme)%"}},
    ]);
    Ok(())
}

fn requests() -> Vec<Request> {
    let get = || Request::get("/orders?a=b");
    // As many and as long as one pass lets in.
    let many = (0..93).fold(get(), |request, number| request.header(format!("x-many-{number}"), "1"));
    vec![
        get(),
        get().header("x-forwarded-for", "203.0.113.7"),
        get().header("x-forwarded-for", "203.0.113.7, 10.0.0.1").header("x-forwarded-proto", "https"),
        get().header("x-forwarded-client-cert", "By=nobody").header("x-envoy-external-address", "192.0.2.9"),
        get().header("x-envoy-force-trace", "1").header("x-client-trace-id", "abc"),
        get().header("x-envoy-internal", "true").header("x-envoy-expected-rq-timeout-ms", "7"),
        get().header("x-twice", "1").header("x-twice", "2").header("cookie", "a=b; c=d"),
        many,
        get().header("x-long", "a".repeat(61_300)),
        get().header("x-upstream-status", "503").header("x-upstream-header", "x-envoy-ratelimited: true"),
        Request::post("/orders", "a".repeat(300_000)),
        Request::post("/orders", "a").trailer("x-trailer", "1").header("x-upstream-trailer", "grpc-status: 0"),
        Request::get("/many"),
        Request::get("/long"),
    ]
}

#[test]
fn the_upstream_and_the_client_see_what_they_see_with_one_pass() {
    let two = Traced::start("two-passes", |builder| builder.edit(|bootstrap| tell_the_client(bootstrap, 1)));
    let one = Traced::start("two-passes", |builder| {
        builder.edit(|bootstrap| {
            one_pass(bootstrap)?;
            tell_the_client(bootstrap, 0)
        })
    });
    for traced in [&one, &two] {
        let many = (0..97).fold(Answer::default(), |answer, number| answer.header(format!("x-many-{number}"), "1"));
        traced.upstream.on("/many", many);
        traced.upstream.on("/long", Answer::default().header("x-long", "a".repeat(61_300)));
    }
    for (version, exchange) in VERSIONS {
        for request in requests() {
            let [two, one] = [&two, &one].map(|traced| seen(&exchange(traced.addr(), &request).unwrap()));
            assert_eq!(two, one, "{version}: {} {:?}", request.path, request.headers);
        }
    }
}

/// Behind the first pass, the peer is this Envoy itself. (Of a client on loopback, Envoy writes its own host's address.)
#[test]
fn the_second_pass_knows_the_client_and_no_client_can_be_another() {
    let traced = Traced::start("two-passes", |builder| builder.edit(|bootstrap| tell_the_client(bootstrap, 1)));
    for forwarded in [None, Some("203.0.113.7"), Some("203.0.113.7, 10.0.0.1")] {
        let request = Request::get("/");
        let request = match forwarded {
            Some(forwarded) => request.header("x-forwarded-for", forwarded),
            None => request,
        };
        let echo = http1::exchange(traced.addr(), &request).unwrap().echo().unwrap();
        let (hops, client) = (echo.header("x-forwarded-for").concat(), echo.header("x-seen-client").concat());
        let hops: Vec<_> = hops.split([',', ' ']).filter(|hop| !hop.is_empty()).collect();
        assert_eq!(hops.last(), Some(&&*client), "{forwarded:?}");
        assert_eq!(hops.len(), forwarded.map_or(0, |forwarded| forwarded.split(',').count()) + 1, "{forwarded:?}");
        assert!(!forwarded.is_some_and(|forwarded| forwarded.contains(&client)), "{forwarded:?}");
    }
}

/// What the upstream was told and what the client has of it, without what is each request's own.
fn seen(response: &Response) -> (Echo, Response) {
    let mut echo = response.echo().unwrap();
    echo.headers.retain(|field| !OWN.contains(&&*field.name));
    echo.headers.sort_by(|one, other| (&one.name, &one.value).cmp(&(&other.name, &other.value)));
    let own = |name: &[u8]| OWN.iter().any(|own| own.as_bytes() == name);
    let mut headers: Vec<_> = response.headers.iter().filter(|(name, _)| !own(name)).collect();
    headers.sort_unstable();
    let headers = headers.into_iter().collect();
    (echo, Response { headers, body: Vec::new(), ..response.clone() })
}

#[test]
fn both_passes_have_one_request_id() {
    let traced = Traced::start("two-passes", |builder| {
        builder.edit(|bootstrap| {
            manager_mut(bootstrap, 0)?["route_config"]["request_headers_to_add"] =
                json!([{"header": {"key": "x-first-id", "value": "%REQ(x-request-id)%"}}]);
            Ok(())
        })
    });
    let own = "5a7c1b9e-0f1d-4c1e-8d5e-3f6f0a4b2c1d";
    let echo = http1::exchange(traced.addr(), &Request::get("/").header("x-request-id", own)).unwrap().echo().unwrap();
    let (first, second) = (echo.header("x-first-id").concat(), echo.header("x-request-id").concat());
    assert_ne!(first, own, "an edge takes no id from a client");
    // The second pass marks its decision in the fifteenth character.
    assert_eq!((&first[..14], &first[15..]), (&second[..14], &second[15..]));
}

#[test]
fn nobody_reaches_the_second_pass_but_the_first() {
    let traced = Traced::start("two-passes", Ok);
    assert!(traced.envoy.addr("traced").is_err());
}
