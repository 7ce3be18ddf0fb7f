use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use palisade_sdk::config;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::{
    context::Entropy,
    fake::{Process, Request},
    sampler::Sampler,
    span_export::WithSpanExport,
};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const ENTROPY: Entropy = [0x11; 24];
const START: Duration = Duration::from_secs(1_700_000_000);

/// The span of a request with these headers, if it has one.
fn begin(configuration: &str, lines: &[(&str, &[u8])]) -> Option<OpenSpan> {
    let configuration = format!(r#"{{"span_export": {{"cluster": "otel"}}, {configuration}}}"#);
    let WithSpanExport { sampler, .. } = config::parse(configuration.as_bytes()).unwrap();
    let sampler = Sampler::new(sampler);
    let request = lines.iter().fold(Request::default(), |request, (name, value)| request.header(name, value));
    let Ok(decision) = sampler.decide(&request, &Process::at(1), || ENTROPY);
    OpenSpan::begin(&HeaderMap::from_lines(lines.iter().copied()), &decision, START)
}

/// Which of some requests in one second has a span.
fn limited(configuration: &str, count: usize) -> Vec<bool> {
    let configuration = format!(r#"{{"span_export": {{"cluster": "otel"}}, {configuration}}}"#);
    let WithSpanExport { sampler, .. } = config::parse(configuration.as_bytes()).unwrap();
    let (sampler, process) = (Sampler::new(sampler), Process::at(1));
    let has_span = |_| {
        let Ok(decision) = sampler.decide(&Request::default(), &process, || ENTROPY);
        OpenSpan::begin(&HeaderMap::default(), &decision, START).is_some()
    };
    (0..count).map(has_span).collect()
}

/// The span of a request that the default samples, as somebody else's decoder reads it.
fn span_of(lines: &[(&str, &[u8])], ending: &Ending) -> otlp::Span {
    let span = begin(r#""default": {"sample": "100%"}"#, lines).unwrap();
    otlp::Span::decode(&*span.end(ending)).unwrap()
}

fn answered(status: u16) -> Ending {
    Ending { time: START.saturating_add(Duration::from_millis(5)), status: Some(status), ..Ending::default() }
}

fn attributes(span: &otlp::Span) -> Vec<(&str, String)> {
    let value = |attribute: &KeyValue| match attribute.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    span.attributes.iter().map(|attribute| (attribute.key.as_str(), value(attribute))).collect()
}

const REQUEST: [(&str, &[u8]); 5] = [
    (":method", b"GET"),
    (":path", b"/orders/7?token=secret#top"),
    (":scheme", b"https"),
    (":authority", b"shop.example:8443"),
    ("user-agent", b"curl/8"),
];

#[test]
fn a_root_says_what_the_request_was_and_how_it_went() {
    let span = span_of(&REQUEST, &Ending { route: Some(b"orders".to_vec()), ..answered(200) });
    assert_eq!(span.trace_id, [0x11; 16]);
    assert_eq!(span.span_id, [0x11; 8]);
    assert_eq!((span.parent_span_id.len(), span.flags), (0, 0x103));
    assert_eq!((span.name.as_str(), span.kind, span.trace_state.as_str()), ("GET orders", 2, "ot=th:0"));
    assert_eq!(
        (span.start_time_unix_nano, span.end_time_unix_nano),
        (1_700_000_000_000_000_000, 1_700_000_000_005_000_000)
    );
    assert_eq!(span.status, None);
    let expected = [
        ("http.request.method", "GET"),
        ("url.path", "/orders/7"),
        ("url.scheme", "https"),
        ("server.address", "shop.example"),
        ("server.port", "8443"),
        ("user_agent.original", "curl/8"),
        ("palisade.tier", "default"),
        ("palisade.reason", "probability"),
        ("http.response.status_code", "200"),
    ];
    assert_eq!(attributes(&span), expected.map(|(key, value)| (key, value.to_owned())));
}

#[test]
fn a_continued_trace_is_below_the_caller_and_keeps_its_state() {
    let lines: [(&str, &[u8]); 3] =
        [("traceparent", PARENT.as_bytes()), ("tracestate", b"a=1"), ("tracestate", b"b=2")];
    let span = span_of(&lines, &answered(200));
    assert_eq!(span.trace_id[..2], [0x4b, 0xf9]);
    assert_eq!(span.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(span.span_id, [0x11; 8]);
    assert_eq!((span.flags, span.trace_state.as_str()), (0x301, "a=1,b=2"));
}

#[test]
fn a_parent_that_is_not_continued_is_no_parent() {
    for broken in [&PARENT.as_bytes()[1..], &PARENT.replace("-01", "-0x").into_bytes()] {
        let span = span_of(&[("traceparent", broken), ("tracestate", b"a=1")], &answered(200));
        assert_eq!((span.parent_span_id.len(), span.trace_state.as_str(), span.flags), (0, "ot=th:0", 0x103));
    }
    let untrusted = r#""parent": {"trust": {"cidrs": []}}, "tracestate": {"ot": false}, "default": {"sample": "100%"}"#;
    let span = begin(untrusted, &[("traceparent", PARENT.as_bytes()), ("tracestate", b"a=1")]).unwrap();
    let span = otlp::Span::decode(&*span.end(&answered(200))).unwrap();
    assert_eq!(
        (span.parent_span_id.len(), span.trace_state.as_str(), span.trace_id.as_slice()),
        (0, "", &[0x11; 16][..])
    );
}

#[test]
fn what_is_not_sampled_has_no_span() {
    assert!(begin(r#""default": {"sample": "0%"}"#, &REQUEST).is_none());
    let unsampled = PARENT.replace("-01", "-00");
    assert!(begin(r#""default": {"sample": "100%"}"#, &[("traceparent", unsampled.as_bytes())]).is_none());
    // The sampled flag changes, which renews the parent id, but there is nothing to export.
    let never = r#""parent": {"policy": "ignore"}, "default": {"sample": "0%"}"#;
    assert!(begin(never, &[("traceparent", PARENT.as_bytes())]).is_none());
}

#[test]
fn what_a_cap_drops_has_no_span() {
    let capped = r#""default": {"sample": "100%", "cap": {"per_second": 1}}"#;
    assert_eq!(limited(capped, 2), [true, false]);
}

#[test]
fn every_sampled_request_has_a_parent_id_of_its_own() {
    for policy in ["on_change", "always"] {
        let configuration = format!(r#""parent_id": "{policy}", "default": {{"sample": "1%"}}"#);
        let span = begin(&configuration, &[("traceparent", PARENT.as_bytes())]).unwrap();
        assert_eq!(span.0.span_id, [0x11; 8], "{policy}");
    }
}

#[test]
fn a_failure_is_an_error_and_a_refusal_is_none() {
    let error = |ending: Ending| {
        let span = span_of(&[(":method", b"GET")], &ending);
        let kind = attributes(&span).into_iter().find(|(key, _)| *key == "error.type").map(|(_, kind)| kind);
        assert_eq!(kind.is_some(), span.status.as_ref().is_some_and(|status| status.code == 2), "{ending:?}");
        kind
    };
    for status in [200, 301, 404, 499] {
        assert_eq!(error(answered(status)), None, "{status}");
    }
    for status in [500, 503, 599] {
        assert_eq!(error(answered(status)), Some(status.to_string()));
        let broken = Ending { broken: Some(b"response_timeout".to_vec()), ..answered(status) };
        assert_eq!(error(broken), Some(status.to_string()));
    }
    let gone = || Some(b"downstream_remote_disconnect".to_vec());
    assert_eq!(error(Ending { broken: gone(), ..answered(200) }).as_deref(), Some("downstream_remote_disconnect"));
    let unanswered = Ending { status: None, broken: gone(), ..answered(200) };
    assert_eq!(error(unanswered).as_deref(), Some("downstream_remote_disconnect"));
    let unknown = Ending { status: None, broken: Some(Vec::new()), ..answered(200) };
    assert_eq!(error(unknown).as_deref(), Some("_OTHER"));
}

#[test]
fn a_made_up_method_is_in_no_name() {
    let span =
        span_of(&[(":method", b"get"), (":path", b"/")], &Ending { route: Some(b"all".to_vec()), ..answered(200) });
    assert_eq!(span.name, "HTTP all");
    let attributes = attributes(&span);
    assert_eq!(attributes[0], ("http.request.method", "_OTHER".to_owned()));
    assert_eq!(attributes[1], ("http.request.method_original", "get".to_owned()));
    assert_eq!(span_of(&[(":method", b"PATCH")], &answered(200)).name, "PATCH");
    let nameless = Ending { route: Some(Vec::new()), ..answered(200) };
    assert_eq!(span_of(&[(":method", b"GET")], &nameless).name, "GET");
}

#[test]
fn a_clock_that_is_set_back_ends_no_span_before_its_start() {
    let span = span_of(&REQUEST, &Ending { time: START.saturating_sub(Duration::from_secs(5)), ..answered(200) });
    assert_eq!(span.end_time_unix_nano, span.start_time_unix_nano);
}

#[test]
fn an_authority_is_split_and_its_credentials_stay_here() {
    for (authority, address, port) in [
        ("example.com", "example.com", None),
        ("example.com:80", "example.com", Some(80)),
        ("ada:secret@example.com:80", "example.com", Some(80)),
        ("[::1]:8080", "[::1]", Some(8080)),
        ("[::1]", "[::1]", None),
        ("::1", "::1", None),
        ("example.com:", "example.com:", None),
        ("example.com:99999", "example.com:99999", None),
        (":80", "", Some(80)),
        ("", "", None),
        ("@", "", None),
    ] {
        assert_eq!(server(authority.as_bytes()), (address.as_bytes(), port), "{authority}");
    }
}

#[test]
fn text_is_utf_8_and_ends_with_a_whole_character() {
    assert_eq!(text(b"a\xE9b\xFF"), "a\u{FFFD}b\u{FFFD}");
    assert_eq!(text("é".repeat(200).as_bytes()), "é".repeat(128));
    assert_eq!(text(&[b'a'].repeat(LONGEST)).len(), LONGEST);
    assert_eq!(text(&[b'a'].repeat(LONGEST + 1)).len(), LONGEST);
    let cut = "a".repeat(LONGEST - 2);
    assert_eq!(text(&[cut.as_bytes(), "€".as_bytes(), b"\xFFb"].concat()), cut, "nothing comes behind a cut");
    assert_eq!(text(&[0xFF].repeat(4 * LONGEST)), "\u{FFFD}".repeat(LONGEST / 3));
}

#[test]
fn a_tracestate_that_is_too_long_is_left_out_whole() {
    let state = |last: &str| {
        let list = format!("a={},b={},c={last}", "1".repeat(250), "2".repeat(250));
        let span = span_of(&[("traceparent", PARENT.as_bytes()), ("tracestate", list.as_bytes())], &answered(200));
        (list.len(), span.trace_state.len())
    };
    assert_eq!(state("1234"), (LONGEST_TRACESTATE, LONGEST_TRACESTATE));
    assert_eq!(state("12345"), (LONGEST_TRACESTATE + 1, 0));
}

/// The figure of the README: the memory of a full queue.
#[test]
fn the_longest_span_times_the_default_queue_is_under_six_mebibytes() {
    let long = vec![b'x'; 60_000];
    let mut lines: Vec<(&str, &[u8])> =
        [":method", ":path", ":scheme", "user-agent"].map(|name| (name, long.as_slice())).into();
    let authority = [&long[..], b":65535"].concat();
    let list = format!("a={},b={}", "1".repeat(250), "2".repeat(250));
    lines.extend([
        (":authority", authority.as_slice()),
        ("traceparent", PARENT.as_bytes()),
        ("tracestate", list.as_bytes()),
    ]);
    let name = "n".repeat(64);
    let rule = format!(
        r#""parent": {{"policy": "ignore"}}, "tracestate": {{"ot": false}}, "rules": [{{"name": "{name}", "sample": "100%"}}], "default": {{"sample": "1%"}}"#
    );
    let longest = begin(&rule, &lines).unwrap().end(&Ending {
        time: Duration::MAX,
        status: Some(499),
        broken: Some(long.clone()),
        route: Some(long.clone()),
    });
    assert_eq!(longest.len(), 2738);
    assert!(longest.len() * 2048 < 6 << 20);
}

proptest! {
    #[test]
    fn any_headers_make_a_span_that_can_be_read(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 6),
        route in proptest::collection::vec(any::<u8>(), 0..600),
        status: Option<u16>,
    ) {
        let names = [":method", ":path", ":scheme", ":authority", "user-agent", "tracestate"];
        let lines: Vec<_> = names.into_iter().zip(values.iter().map(Vec::as_slice)).collect();
        let ending = Ending { time: START, status, broken: Some(route.clone()), route: Some(route) };
        let span = span_of(&lines, &ending);
        prop_assert!(span.attributes.iter().all(|attribute| !attribute.key.is_empty()));
        prop_assert!(attributes(&span).iter().all(|(_, value)| value.len() <= LONGEST));
    }
}
