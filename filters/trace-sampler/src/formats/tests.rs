//! Formats together, as a sampler reads and writes them.

use std::collections::BTreeMap;

use palisade_sdk::config as reader;
use proptest::prelude::*;

use crate::{
    action::{Change, Events},
    config::Config,
    context::Entropy,
    decision::Reason,
    fake::{Process, Request},
    sampler::{Decision, Sampler, Tier},
};

const TRACE: &str = "12345678901234567890123456789012";
const SPAN: &str = "1234567890123456";
const FRESH: Entropy = [0xab; 24];

/// Rules that obey, that overrule, that never sample.
const RULES: &str = r#"
    "rules": [
        {"name": "health", "match": {"path": {"exact": "/healthz"}}, "sample": "0%"},
        {"name": "all", "match": {"path": {"exact": "/all"}}, "parent": {"policy": "ignore"}, "sample": "100%"},
        {"name": "none", "match": {"path": {"exact": "/none"}}, "parent": {"policy": "ignore"}, "sample": "0.1%"},
        {"name": "vip", "match": {"path": {"exact": "/vip"}}, "parent": {"policy": "respect_if_sampled"}, "sample": "100%"}
    ],
    "default": {"sample": "100%"}"#;

fn sampler(propagators: &str, more: &str) -> Sampler {
    let config = format!(r#"{{"propagators": {propagators}, {more} {RULES}}}"#);
    let config: Config = reader::parse(config.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
    Sampler::new(config)
}

type Headers<'a> = &'a [(&'a str, &'a str)];

fn request(path: &str, headers: Headers<'_>) -> Request {
    let request = Request::default().header(":method", "GET").header(":path", path);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

fn decide<'s>(sampler: &'s Sampler, request: &Request) -> Decision<'s> {
    let Ok(decision) = sampler.decide(request, &Process::at(1), || FRESH);
    decision
}

/// What the upstream gets of the headers, and what happened.
fn pass(sampler: &Sampler, path: &str, headers: Headers<'_>) -> (BTreeMap<String, String>, Events) {
    let Decision { outcome, .. } = decide(sampler, &request(path, headers));
    let mut after: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        after
            .entry((*name).to_owned())
            .and_modify(|lines| *lines += &format!(",{value}"))
            .or_insert((*value).to_owned());
    }
    let traceparent = match outcome.action.traceparent {
        Change::Set(field) => Change::Set(field.to_vec()),
        Change::Remove => Change::Remove,
        Change::Keep => Change::Keep,
    };
    let w3c = [("traceparent", traceparent), ("tracestate", outcome.action.tracestate)];
    for (name, change) in w3c.into_iter().chain(outcome.action.others) {
        match change {
            Change::Set(value) => {
                let value = String::from_utf8(value).unwrap();
                let needless = !outcome.events.restarted && after.get(name) == Some(&value);
                assert!(!needless, "{name} is written as it was");
                after.insert(name.to_owned(), value);
            }
            Change::Remove => drop(after.remove(name)),
            Change::Keep => {}
        }
    }
    (after, outcome.events)
}

#[track_caller]
fn assert_passes(sampler: &Sampler, path: &str, headers: Headers<'_>, expected: Headers<'_>, events: Events) {
    let (after, happened) = pass(sampler, path, headers);
    let after: Vec<_> = after.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(after, expected);
    assert_eq!(happened, Events { randomness_assumed: happened.randomness_assumed, ..events });
}

const NONE: Events = Events {
    invalid_context: false,
    contradicting: false,
    untrusted_parent: false,
    restarted: false,
    tracestate_dropped: false,
    ot_too_long: false,
    randomness_assumed: false,
    request_id_unusable: false,
    ambiguous_request: false,
    unknown_rule: false,
    force_refused: false,
};
const CONTRADICTING: Events = Events { contradicting: true, ..NONE };
const INVALID: Events = Events { invalid_context: true, ..NONE };
const RESTARTED: Events = Events { restarted: true, ..INVALID };
const UNTRUSTED: Events = Events { restarted: true, untrusted_parent: true, ..NONE };

const ALL: &str = r#"["w3c", "b3", "b3multi", "xray", "datadog"]"#;

/// What a new trace says in each format.
const BEGUN: [(&str, &str); 11] = [
    ("b3", "abababababababababababababababab-abababababababab-1"),
    ("traceparent", "00-abababababababababababababababab-abababababababab-03"),
    ("tracestate", "ot=th:0"),
    ("x-amzn-trace-id", "Root=1-abababab-abababababababababababab;Parent=abababababababab;Sampled=1"),
    ("x-b3-sampled", "1"),
    ("x-b3-spanid", "abababababababab"),
    ("x-b3-traceid", "abababababababababababababababab"),
    ("x-datadog-parent-id", "12370169555311111083"),
    ("x-datadog-sampling-priority", "2"),
    ("x-datadog-tags", "_dd.p.tid=abababababababab"),
    ("x-datadog-trace-id", "12370169555311111083"),
];

#[test]
fn w3c_alone_reads_no_other_header() {
    for propagators in ["", r#""propagators": ["w3c"],"#] {
        let config = format!(r#"{{{propagators} "default": {{"sample": "1%"}}}}"#);
        let sampler = Sampler::new(reader::parse(config.as_bytes()).unwrap());
        let request = request("/", &[("b3", "1"), ("x-b3-sampled", "1")]);
        let decision = decide(&sampler, &request);
        assert_eq!(request.asked(), ["traceparent", "tracestate"]);
        assert!(decision.outcome.action.others.is_empty());
    }
}

#[test]
fn another_format_alone_reads_no_w3c() {
    let sampler = sampler(r#"["b3"]"#, "");
    let request = request("/", &[("traceparent", "garbage"), ("b3", "0")]);
    let decision = decide(&sampler, &request);
    assert_eq!(request.asked().iter().filter(|name| name.starts_with("trace")).count(), 0);
    assert_eq!(decision.outcome.verdict.reason, Reason::Parent);
    assert!(decision.outcome.action.others.is_empty());
}

#[test]
fn a_new_trace_is_one_in_all_formats() {
    assert_passes(&sampler(ALL, ""), "/", &[], &BEGUN, NONE);
}

#[test]
fn flags_that_mean_nothing_are_no_context() {
    let sampler = sampler(r#"["b3multi"]"#, "");
    let begun = BEGUN.iter().filter(|(name, _)| name.starts_with("x-b3-")).copied().collect::<Vec<_>>();
    assert_passes(&sampler, "/", &[("x-b3-flags", "0")], &begun, NONE);
}

#[test]
fn an_unsampled_root_says_so_in_all_formats_or_in_none() {
    let (after, _) = pass(&sampler(ALL, ""), "/healthz", &[]);
    let decisions: Vec<_> = ["b3", "traceparent", "x-amzn-trace-id", "x-b3-sampled", "x-datadog-sampling-priority"]
        .map(|name| after[name].chars().last().unwrap())
        .into();
    assert_eq!(decisions, ['0', '2', '0', '0', '1']);
    assert_eq!(after["x-datadog-sampling-priority"], "-1");

    let silent = sampler(ALL, r#""emit_unsampled_roots": false,"#);
    assert_passes(&silent, "/healthz", &[], &[], NONE);
    assert_passes(&silent, "/", &[], &BEGUN, NONE);
}

#[test]
fn a_context_that_defers_gets_the_rules_decision_and_no_other_format_begins() {
    let sampler = sampler(ALL, "");
    let b3 = format!("{TRACE}-{SPAN}");
    let (sampled, unsampled) = (format!("{b3}-1"), format!("{b3}-0"));
    assert_passes(&sampler, "/", &[("b3", &b3)], &[("b3", &sampled)], NONE);
    assert_passes(&sampler, "/healthz", &[("b3", &b3)], &[("b3", &unsampled)], NONE);
    let xray = "Root=1-12345678-901234567890123456789012";
    let told = format!("{xray};Sampled=1");
    assert_passes(&sampler, "/", &[("x-amzn-trace-id", xray)], &[("x-amzn-trace-id", &told)], NONE);
}

#[test]
fn the_first_format_that_decides_counts_and_the_others_are_made_to_agree() {
    let b3 = |state: &str| format!("{TRACE}-{SPAN}-{state}");
    let (sampled, unsampled) = (b3("1"), b3("0"));
    let traceparent = |flags: &str| format!("00-{TRACE}-{SPAN}-{flags}");
    let (w3c_sampled, w3c_unsampled) = (traceparent("01"), traceparent("00"));

    let first = sampler(r#"["w3c", "b3"]"#, "");
    let told: Headers<'_> = &[("b3", &sampled), ("traceparent", &w3c_unsampled)];
    assert_passes(&first, "/", told, &[("b3", &unsampled), ("traceparent", &w3c_unsampled)], CONTRADICTING);

    let last = sampler(r#"["b3", "w3c"]"#, "");
    let renewed = format!("00-{TRACE}-abababababababab-01");
    assert_passes(&last, "/", told, &[("b3", &sampled), ("traceparent", &renewed)], CONTRADICTING);

    let agreeing: Headers<'_> = &[("b3", &sampled), ("traceparent", &w3c_sampled)];
    for sampler in [&first, &last] {
        assert_passes(sampler, "/", agreeing, agreeing, NONE);
    }
}

#[test]
fn a_format_that_defers_lets_the_next_one_decide() {
    let sampler = sampler(r#"["xray", "w3c"]"#, "");
    let unsampled = format!("00-{TRACE}-{SPAN}-00");
    let xray = "Self=1-1-2;Root=1-12345678-901234567890123456789012";
    let told = format!("{xray};Sampled=0");
    assert_passes(
        &sampler,
        "/",
        &[("traceparent", &unsampled), ("x-amzn-trace-id", xray)],
        &[("traceparent", &unsampled), ("x-amzn-trace-id", &told)],
        NONE,
    );
}

#[test]
fn a_threshold_that_another_format_overrules_goes() {
    let sampler = sampler(r#"["b3", "w3c"]"#, "");
    let traceparent = |flags: &str| format!("00-{TRACE}-{SPAN}-{flags}");
    let state = "ot=th:8;rv:f0000000000000";
    let (overruled, _) =
        pass(&sampler, "/", &[("b3", "0"), ("traceparent", &traceparent("01")), ("tracestate", state)]);
    assert_eq!(overruled["tracestate"], "ot=rv:f0000000000000");
    let (agreed, _) = pass(&sampler, "/", &[("b3", "1"), ("traceparent", &traceparent("01")), ("tracestate", state)]);
    assert_eq!(agreed["tracestate"], state);
    let (raised, _) =
        pass(&sampler, "/", &[("b3", "1"), ("traceparent", &traceparent("00")), ("tracestate", "ot=th:8")]);
    assert_eq!(raised.get("tracestate"), None, "nobody knows the probability");
}

#[test]
fn debug_in_any_format_is_sampled_in_all_and_never_downgraded() {
    let sampler = sampler(ALL, "");
    let unsampled = format!("00-{TRACE}-{SPAN}-00");
    let renewed = format!("00-{TRACE}-abababababababab-01");
    for path in ["/", "/healthz", "/none"] {
        assert_passes(
            &sampler,
            path,
            &[("traceparent", &unsampled), ("x-b3-flags", "1")],
            &[("traceparent", &renewed), ("x-b3-flags", "1")],
            CONTRADICTING,
        );
        let b3 = format!("{TRACE}-{SPAN}-d");
        assert_passes(&sampler, path, &[("b3", &b3)], &[("b3", &b3)], NONE);
    }
    let decision = decide(&sampler, &request("/healthz", &[("b3", "d")])).outcome.verdict;
    assert_eq!((decision.sampled, decision.reason), (true, Reason::Debug));
}

#[test]
fn a_decision_without_a_trace_holds_for_the_trace_that_begins() {
    let sampler = sampler(r#"["w3c", "b3"]"#, "");
    let begun = |flags: &str| format!("00-abababababababababababababababab-abababababababab-{flags}");
    let (sampled, unsampled) = (begun("03"), begun("02"));
    assert_passes(&sampler, "/", &[("b3", "1")], &[("b3", "1"), ("traceparent", &sampled)], NONE);
    assert_passes(&sampler, "/", &[("b3", "0")], &[("b3", "0"), ("traceparent", &unsampled)], NONE);
    assert_passes(&sampler, "/healthz", &[("b3", "1")], &[("b3", "0"), ("traceparent", &unsampled)], NONE);
    let (raised, _) = pass(&sampler, "/vip", &[("b3", "0")]);
    assert_eq!((&*raised["b3"], &*raised["tracestate"]), ("1", "ot=th:0"));
}

#[test]
fn only_the_decision_of_a_foreign_format_changes() {
    let sampler = sampler(ALL, "");
    let xray = "Parent=53995c3f42cd8ad8;Root=1-12345678-901234567890123456789012;Lineage=a:1|b:2";
    let before: Headers<'_> = &[
        ("b3", "64fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90"),
        ("x-amzn-trace-id", &format!("Sampled=1;{xray}")),
        ("x-b3-flags", "0"),
        ("x-b3-parentspanid", "0020000000000001"),
        ("x-b3-sampled", "true"),
        ("x-b3-spanid", "a2fb4a1d1a96d312"),
        ("x-b3-traceid", "48485a3953bb6124"),
        ("x-datadog-origin", "rum"),
        ("x-datadog-parent-id", "0"),
        ("x-datadog-sampling-priority", "1"),
        ("x-datadog-tags", "_dd.p.dm=-4"),
        ("x-datadog-trace-id", "5208512171318403364"),
    ];
    assert_passes(&sampler, "/", before, before, NONE);
    let told = format!("Sampled=0;{xray}");
    let after: Vec<_> = before
        .iter()
        .map(|(name, value)| match *name {
            "b3" => (*name, "64fe8b2a57d3eff7-e457b5a2e4d86bd1-0-05e3ac9a4f6e3b90"),
            "x-amzn-trace-id" => (*name, &*told),
            "x-b3-sampled" => (*name, "0"),
            "x-datadog-sampling-priority" => (*name, "-1"),
            _ => (*name, *value),
        })
        .collect();
    assert_passes(&sampler, "/none", before, &after, NONE);
}

#[test]
fn what_is_invalid_goes_where_the_trace_goes_on_and_is_replaced_where_one_begins() {
    let sampler = sampler(ALL, "");
    let b3 = format!("{TRACE}-{SPAN}-1");
    let broken: [(&str, &str); 6] = [
        ("traceparent", "garbage"),
        ("tracestate", "foo=1"),
        ("x-amzn-trace-id", "garbage"),
        ("x-b3-parentspanid", "1"),
        ("x-datadog-origin", "rum"),
        ("x-datadog-trace-id", "x"),
    ];
    let along: Vec<_> = [("b3", &*b3)].into_iter().chain(broken).collect();
    let dropped = Events { tracestate_dropped: true, ..INVALID };
    assert_passes(&sampler, "/", &along, &[("b3", &b3)], dropped);
    let restarted = Events { tracestate_dropped: true, ..RESTARTED };
    assert_passes(&sampler, "/", &broken, &BEGUN, restarted);
}

#[test]
fn a_repeated_header_is_invalid_in_every_format() {
    let sampler = sampler(ALL, "");
    for (name, value) in [
        ("b3", "1"),
        ("x-b3-sampled", "1"),
        ("x-b3-flags", "1"),
        ("x-amzn-trace-id", "Root=1-12345678-901234567890123456789012;Sampled=1"),
        ("x-datadog-trace-id", "1"),
    ] {
        assert_passes(&sampler, "/", &[(name, value), (name, value)], &BEGUN, RESTARTED);
    }
}

#[test]
fn an_untrusted_context_restarts_in_every_format_debug_included() {
    let sampler = sampler(ALL, r#""parent": {"trust": {"cidrs": []}},"#);
    assert_passes(
        &sampler,
        "/",
        &[("b3", "0"), ("x-datadog-origin", "rum"), ("x-datadog-trace-id", "1")],
        &BEGUN,
        UNTRUSTED,
    );
    let b3 = format!("{TRACE}-{SPAN}-d");
    let (after, _) = pass(&sampler, "/healthz", &[("b3", &b3), ("x-b3-flags", "1")]);
    assert_eq!((&*after["b3"], after.get("x-b3-flags")), ("abababababababababababababababab-abababababababab-0", None));

    let silent = self::sampler(ALL, r#""emit_unsampled_roots": false, "parent": {"trust": {"cidrs": []}},"#);
    assert_passes(&silent, "/healthz", &[("b3", &b3), ("x-b3-flags", "1")], &[], UNTRUSTED);
}

#[test]
fn a_parent_that_decides_in_any_format_needs_no_rules() {
    let config = r#"{"propagators": ["w3c", "datadog"], "default": {"sample": "1%"}}"#;
    let sampler = Sampler::new(reader::parse(config.as_bytes()).unwrap());
    let told: Headers<'_> = &[("x-datadog-trace-id", "1"), ("x-datadog-sampling-priority", "1")];
    assert_eq!(decide(&sampler, &request("/", told)).tier, Tier::Unread);
    assert_eq!(decide(&sampler, &request("/", &[("x-datadog-trace-id", "1")])).tier, Tier::Default);
}

#[test]
fn a_debug_flag_needs_no_rules() {
    let sampler = sampler(ALL, "");
    assert_eq!(decide(&sampler, &request("/healthz", &[("x-b3-flags", "1")])).tier, Tier::Unread);
}

#[test]
fn a_foreign_trace_id_is_taken_for_random_and_a_new_one_is() {
    let sampler = sampler(ALL, "");
    let (_, told) = pass(&sampler, "/none", &[("x-datadog-trace-id", "1")]);
    let (_, begun) = pass(&sampler, "/none", &[("b3", "1")]);
    assert!(told.randomness_assumed && !begun.randomness_assumed);
}

#[test]
fn new_traces_are_dated_where_x_ray_reads_them() {
    assert!(sampler(r#"["w3c", "xray"]"#, "").dates_traces());
    assert!(!sampler(r#"["w3c", "b3"]"#, "").dates_traces());
}

/// One header of one format, valid or not.
fn header() -> impl Strategy<Value = (String, String)> {
    const SHAPES: [(&str, &str); 11] = [
        ("traceparent", "0[01]-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]"),
        ("tracestate", "(ot=th:[0-9a-f]{1,3},)?[a-z]=1"),
        ("b3", "([0-9a-f]{16}){1,2}-[0-9a-f]{16}(-[01d2])?(-[0-9a-f]{16})?|[01d]"),
        ("x-b3-traceid", "[0-9a-f]{16}|[0-9a-f]{32}"),
        ("x-b3-spanid", "[0-9a-f]{16}"),
        ("x-b3-sampled", "[012]|true|false"),
        ("x-b3-flags", "[01]"),
        ("x-amzn-trace-id", "(Sampled=[01?];)?Root=1-[0-9a-f]{8}-[0-9a-f]{24}(;Sampled=[01?2])?(;Self=1)?"),
        ("x-datadog-trace-id", "[0-9]{1,3}"),
        ("x-datadog-sampling-priority", "-1|[0123]"),
        ("x-datadog-tags", "_dd.p.tid=[0-9a-f]{15,16}"),
    ];
    proptest::sample::select(&SHAPES).prop_flat_map(|(name, shape)| (Just(name.to_owned()), shape))
}

proptest! {
    #[test]
    fn whatever_comes_in_one_decision_goes_out_and_needs_no_second_pass(
        headers in proptest::collection::vec(header(), 0..8),
        propagators in Just(["w3c", "b3", "b3multi", "xray", "datadog"]).prop_shuffle(),
        used in 1..=5_usize,
        path in "/|/healthz|/all|/none|/vip",
    ) {
        let propagators = serde_json::to_string(&propagators[..used]).unwrap();
        let sampler = sampler(&propagators, "");
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let first = decide(&sampler, &request(&path, &headers)).outcome;
        let (after, _) = pass(&sampler, &path, &headers);
        let after: Vec<_> = after.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();

        let second = decide(&sampler, &request("/", &after)).outcome;
        prop_assert_eq!(second.verdict.sampled, first.verdict.sampled);
        prop_assert!(matches!(second.verdict.reason, Reason::Parent | Reason::Debug), "{:?}", after);
        prop_assert!(!second.events.invalid_context && !second.events.contradicting, "{:?}", after);
        prop_assert_eq!(second.action, Default::default(), "{:?}", after);
    }
}
