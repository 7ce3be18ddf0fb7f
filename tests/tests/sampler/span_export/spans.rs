//! What the spans say: parentage, names, attributes and errors.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use palisade_testbed::otlp::trace::v1::Span;
use palisade_testbed::{Collector, Request, Upstream, checkout, http1, http2, load};
use serde_json::json;

use super::{Hop, INTERVAL, MODULE, PATIENCE, attribute, configuration, vip};
use crate::mesh::{PLUGIN, TOKEN_SHA256, VERSIONS, edit_manager, edit_plugin, module_server, shipped};
use crate::trace::{Trace, hex, traceparent};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[test]
fn the_upstream_is_below_the_span_and_the_span_below_the_caller() {
    let hop = Hop::start(Ok);
    for (version, exchange) in VERSIONS {
        let before = hop.collector.spans();
        let request = vip("/orders/7?token=secret")
            .header("traceparent", traceparent(TRACE_ID, "01"))
            .header("tracestate", "foo=1")
            .header("user-agent", "tests/1");
        let trace = Trace::of(&exchange(hop.addr(), &request).unwrap());
        let spans = hop.collector.wait_for(before + 1, PATIENCE).unwrap();
        let span = spans.last().unwrap();

        assert_ne!(trace.parent_id, CALLER, "{version}");
        assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE_ID.to_owned(), CALLER.to_owned()));
        assert_eq!((&trace.trace_id, &trace.parent_id), (&hex(&span.trace_id), &hex(&span.span_id)));
        assert_eq!((span.trace_state.as_str(), trace.state.as_str()), ("foo=1", "foo=1"));
        assert_eq!((span.name.as_str(), span.kind, span.flags, &span.status), ("GET all", 2, 0x301, &None));
        assert!(span.start_time_unix_nano < span.end_time_unix_nano);
        for (key, value) in [
            ("http.request.method", "GET"),
            ("url.path", "/orders/7"),
            ("url.scheme", "http"),
            ("server.address", "testbed.local"),
            ("user_agent.original", "tests/1"),
            ("http.response.status_code", "200"),
            ("palisade.tier", "vip"),
            ("palisade.reason", "parent"),
        ] {
            assert_eq!(attribute(span, key).as_deref(), Some(value), "{version} {key}");
        }
        assert_eq!(span.attributes.len(), 8);
    }
    let export = &hop.collector.exports()[0];
    assert_eq!(export.headers.text("content-type").as_deref(), Some("application/x-protobuf"));
    let [resource] = &export.message.resource_spans[..] else { panic!("{export:?}") };
    let name = &resource.resource.as_ref().unwrap().attributes[0];
    assert_eq!((name.key.as_str(), resource.scope_spans.len()), ("service.name", 1));
    assert!(format!("{name:?}").contains("\"ingress\""));
    assert_eq!(resource.scope_spans[0].scope.as_ref().unwrap().name, "palisade");
    assert!(!format!("{:?}", hop.collector.exports()).contains("secret"), "a query is nobody's business");
}

#[test]
fn a_root_has_no_parent_and_what_is_not_sampled_has_no_span() {
    let hop = Hop::start(Ok);
    for path in ["/healthz", "/"] {
        let request = Request::get(path).header("traceparent", traceparent(TRACE_ID, "00"));
        let trace = Trace::of(&http1::exchange(hop.addr(), &request).unwrap());
        assert_eq!(trace.parent_id, CALLER, "nothing stands between the caller and the upstream");
    }
    let root = Trace::of(&http1::exchange(hop.addr(), &vip("/")).unwrap());
    let spans = hop.collector.wait_for(1, PATIENCE).unwrap();
    thread::sleep(3 * INTERVAL);
    assert_eq!(hop.collector.spans(), 1);
    assert_eq!((hex(&spans[0].trace_id), hex(&spans[0].span_id)), (root.trace_id, root.parent_id));
    assert_eq!((spans[0].parent_span_id.len(), spans[0].trace_state.as_str()), (0, "ot=th:0"));
}

/// Twenty thousand requests over two workers: each sampled one has its span, whose id the upstream was given.
#[test]
fn there_are_as_many_spans_as_sampled_requests() {
    let hop = Hop::start(|builder| {
        let mut configuration = configuration(&json!({"queue": 65_536}));
        configuration["default"] = json!({"sample": "25%"});
        builder.plugin_configuration(PLUGIN, &configuration)
    });
    let responses = load::run(hop.addr(), 16, 20_000, |_| Request::get("/")).unwrap();
    let traces = responses.iter().map(Trace::of);
    let sampled: BTreeSet<_> = traces.filter(Trace::sampled).map(|trace| (trace.trace_id, trace.parent_id)).collect();
    assert!((4_700..5_300).contains(&sampled.len()), "{}", sampled.len());
    let spans = hop.collector.wait_for(sampled.len(), PATIENCE).unwrap();
    let exported: BTreeSet<_> = spans.iter().map(|span| (hex(&span.trace_id), hex(&span.span_id))).collect();
    assert_eq!((spans.len(), exported), (sampled.len(), sampled));
    assert_eq!(hop.settled(spans.len()), (spans.len() as u64, 0));
    assert!(hop.collector.most_at_once() <= 2, "a worker has one export under way");
    assert!(hop.collector.exports().iter().all(|export| export.spans().count() <= 512));
}

#[test]
fn however_an_exchange_ends_it_has_a_span() {
    let hop = Hop::start(|builder| {
        let builder = builder.plugin_configuration(PLUGIN, &configuration(&json!({})))?;
        builder.edit(|bootstrap| {
            edit_manager(bootstrap, |manager| {
                manager["route_config"]["validate_clusters"] = json!(false);
                manager["route_config"]["virtual_hosts"][0]["routes"] = json!([
                    {"name": "teapot", "match": {"prefix": "/teapot"}, "direct_response": {"status": 418}},
                    {"match": {"prefix": "/nowhere"}, "route": {"cluster": "nowhere"}},
                    {"match": {"prefix": "/slow"}, "route": {"cluster": "upstream", "timeout": "0.2s"}},
                    {"name": "all", "match": {"prefix": "/"}, "route": {"cluster": "upstream"}},
                ]);
            })
        })
    });
    let upstream = |path: &str, option: &str, value: &str| Request::get(path).header(option, value);
    let slowly = |path| upstream(path, "x-upstream-body", "abcdefgh").header("x-upstream-chunk-bytes", "1");
    let slowly = |path| slowly(path).header("x-upstream-chunk-pause-ms", "100");
    for request in [
        upstream("/ok", "x-upstream-status", "204"),
        upstream("/missing", "x-upstream-status", "404"),
        upstream("/broken", "x-upstream-status", "500"),
        Request::get("/teapot"),
        Request::get("/nowhere"),
        upstream("/reset/before", "x-upstream-reset", "before_headers"),
        upstream("/reset/after", "x-upstream-reset", "after_headers"),
        upstream("/reset/within", "x-upstream-reset", "mid_body"),
        upstream("/slow", "x-upstream-delay-ms", "1000"),
        slowly("/slow/body"),
        Request::post("/upload", vec![7; 100_000]),
    ] {
        // Some of them end in an error for the client as well.
        let _ = http1::exchange(hop.addr(), &request);
    }
    for request in [upstream("/gone/early", "x-upstream-delay-ms", "500"), slowly("/gone/late")] {
        let mut connection = http1::Connection::open(hop.addr()).unwrap();
        connection.send(&request.to_http1()).unwrap();
        thread::sleep(Duration::from_millis(150));
    }

    let spans = hop.collector.wait_for(13, PATIENCE).unwrap();
    let gone = "downstream_remote_disconnect";
    let expected = BTreeMap::from([
        ("/ok", ("GET all", Some("204"), None)),
        ("/missing", ("GET all", Some("404"), None)),
        ("/broken", ("GET all", Some("500"), Some("500"))),
        ("/teapot", ("GET teapot", Some("418"), None)),
        ("/nowhere", ("GET", Some("503"), Some("503"))),
        ("/reset/before", ("GET all", Some("503"), Some("503"))),
        ("/reset/after", ("GET all", Some("200"), Some("upstream_reset_after_response_started"))),
        ("/reset/within", ("GET all", Some("200"), Some("upstream_reset_after_response_started"))),
        ("/slow", ("GET", Some("504"), Some("504"))),
        ("/slow/body", ("GET", Some("200"), Some("response_timeout"))),
        ("/upload", ("POST all", Some("200"), None)),
        ("/gone/early", ("GET all", None, Some(gone))),
        ("/gone/late", ("GET all", Some("200"), Some(gone))),
    ]);
    for (path, (name, status, error)) in &expected {
        let with_path = |span: &&Span| attribute(span, "url.path").as_deref() == Some(path);
        let found: Vec<_> = spans.iter().filter(with_path).collect();
        let [span] = found[..] else { panic!("{} spans of {path}", found.len()) };
        assert_eq!(span.name, *name, "{path}");
        assert_eq!(attribute(span, "http.response.status_code").as_deref(), *status, "{path}");
        assert_eq!(attribute(span, "error.type").as_deref(), *error, "{path}");
        assert_eq!(span.status.as_ref().map(|status| status.code), error.map(|_| 2), "{path}");
    }
    let lasted = |path: &str| {
        let span = spans.iter().find(|span| attribute(span, "url.path").as_deref() == Some(path)).unwrap();
        Duration::from_nanos(span.end_time_unix_nano - span.start_time_unix_nano)
    };
    assert!(lasted("/slow/body") >= Duration::from_millis(150), "a span lasts until the end of the body");
    assert_eq!(hop.settled(13), (13, 0));
}

/// The hole that two passes have without it: Envoy's span is below the filter's, and that below the caller's.
#[test]
fn in_two_passes_envoys_span_is_below_the_filters() {
    let (upstream, collector, modules) =
        (Upstream::start().unwrap(), Collector::start().unwrap(), module_server().unwrap());
    let builder = shipped("two-passes", &modules).unwrap().cluster("upstream", upstream.addr()).unwrap();
    let builder = builder.cluster("otel_collector", collector.addr()).unwrap().edit(|bootstrap| {
        let file = checkout::root()?.join("dist/modules").join(MODULE);
        edit_plugin(bootstrap, |plugin| {
            // The list of the module that the config ships with, which before Envoy 1.40 stands here.
            plugin.as_object_mut().unwrap().remove("capability_restriction_config");
            plugin["vm_config"] = json!({"runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": file}}});
            plugin["configuration"]["value"] = configuration(&json!({"service_name": "first-pass"}));
        })
    });
    let envoy = builder.unwrap().start().unwrap();
    let trace = Trace::of(&http1::exchange(envoy.addr("ingress").unwrap(), &Request::get("/")).unwrap());
    let spans = collector.wait_for(2, PATIENCE).unwrap();
    let [own, envoys] = &spans[..] else { panic!("{spans:?}") };
    let (own, envoys) = if own.parent_span_id.is_empty() { (own, envoys) } else { (envoys, own) };
    assert_eq!((hex(&own.trace_id), own.parent_span_id.len()), (trace.trace_id.clone(), 0));
    assert_eq!((&envoys.trace_id, &envoys.parent_span_id), (&own.trace_id, &own.span_id));
    assert_eq!(hex(&envoys.span_id), trace.parent_id);
    assert!(attribute(own, "palisade.tier").is_some() && attribute(envoys, "palisade.tier").is_none());
}

/// A string of protobuf is UTF-8, or the whole batch is lost.
#[test]
fn what_a_client_sends_spoils_no_batch_and_leaks_no_secret() {
    let hop = Hop::start(|builder| {
        let mut configuration = configuration(&json!({}));
        configuration["force"] = json!({"token_sha256": TOKEN_SHA256});
        let builder = builder.plugin_configuration(PLUGIN, &configuration)?;
        builder.edit(|bootstrap| edit_manager(bootstrap, |manager| manager["max_request_headers_kb"] = json!(1024)))
    });
    let mut sent = 0;
    for byte in 0x80..=0xff_u8 {
        let agent = [b"agent ", &[byte][..], b" end"].concat();
        let request = Request::get(&format!("/%{byte:x}")).header("user-agent", agent).header("x-other", [byte]);
        assert_eq!(http1::exchange(hop.addr(), &request).unwrap().status, 200);
        sent += 1;
    }
    let cut = "é".repeat(10_000);
    let long = Request::get(&format!("/{}?password=canary", "a".repeat(50_000))).header("user-agent", &cut);
    let mut authority = Request::get("/");
    authority.authority = "ada:canary@example.com".to_owned();
    for request in [
        long.header("x-debug-trace", "open sesame"),
        Request::get("/#canary"),
        Request::get("/").header("tracestate", "foo=1").header("traceparent", "garbage"),
        Request::get("/").header("user-agent", "a").header("user-agent", "b"),
        authority,
    ] {
        sent += usize::from(http1::exchange(hop.addr(), &request).is_ok_and(|response| response.status == 200));
    }
    // Envoy's HTTP/1 knows its methods.
    assert_eq!(http2::exchange(hop.addr(), &Request::new("BREW", "/pot")).unwrap().status, 200);
    sent += 1;
    assert!(sent >= 0x80 + 5, "{sent}");
    // Envoy itself refuses some of these before any filter; spans are of those that it lets in.
    let spans = hop.collector.wait_for(sent, PATIENCE).unwrap();
    let agents: BTreeSet<_> = spans.iter().filter_map(|span| attribute(span, "user_agent.original")).collect();
    assert!(agents.contains("agent \u{FFFD} end") && agents.contains(&"é".repeat(128)), "{agents:?}");
    let all = format!("{spans:?}");
    assert!(!all.contains("canary") && !all.contains("sesame"));
    assert!(spans.iter().flat_map(|span| &span.attributes).all(|attribute| format!("{attribute:?}").len() < 2_000));
    let brew = spans.iter().find(|span| attribute(span, "url.path").as_deref() == Some("/pot")).unwrap();
    assert_eq!(brew.name, "HTTP all");
    assert_eq!(hop.dropped(), 0);
}
