use palisade_sdk::config;

use super::*;
use crate::envoy_decision::Signal;
use crate::probability::Threshold;
use crate::propagation::{ParentIdPolicy, Propagation};

fn parse(json: &str) -> Config {
    config::parse(json.as_bytes()).unwrap_or_else(|errors| panic!("{json}\n{errors}"))
}

fn errors(json: &str) -> String {
    config::parse::<Config>(json.as_bytes()).unwrap_err().to_string()
}

/// The errors of the smallest config with these fields added.
fn errors_with(fields: &str) -> String {
    errors(&format!(r#"{{"default": {{"sample": "1%"}}, {fields}}}"#))
}

fn at_least(th: &str) -> Probability {
    Probability::AtLeast(Threshold::decode(th.as_bytes()).unwrap())
}

const FOUNDING: &str = r#"{
    "rules": [
        {"name": "health", "match": {"path": {"prefix": "/healthz"}}, "sample": "0%"},
        {"name": "vip", "match": {"headers": [{"name": "x-user-tier", "exact": "vip"}]},
         "parent": {"policy": "respect_if_sampled"}, "sample": "100%"},
        {"name": "pro", "match": {"headers": [{"name": "x-user-tier", "exact": "pro"}]}, "sample": "10%"}
    ],
    "default": {"sample": "1%"}
}"#;

#[test]
fn the_founding_example_is_read() {
    let config = parse(FOUNDING);
    let policies: Vec<_> = config.policies().collect();
    let policy = |never, probability, parent| Policy { never, probability, parent };
    assert_eq!(
        policies,
        [
            policy(true, Probability::Never, ParentPolicy::Respect),
            policy(false, at_least("0"), ParentPolicy::RespectIfSampled),
            policy(false, at_least("e666"), ParentPolicy::Respect),
            policy(false, at_least("fd70a"), ParentPolicy::Respect),
        ]
    );
    let Mode::Propagate(propagation) = config.mode else { panic!("{:?}", config.mode) };
    let expected = Propagation {
        parent_id: ParentIdPolicy::OnChange,
        emit_unsampled_roots: true,
        write_threshold: true,
        on_unknown_randomness: UnknownRandomness::Assume,
    };
    assert_eq!(propagation, expected);
    assert!(config.trust.is_none() && config.force.is_none());
    assert_eq!(config.formats, Formats::W3C);
}

#[test]
fn every_field_is_read() {
    let config = parse(
        r#"{
            "mode": "propagate",
            "parent": {"policy": "ignore", "trust": {"cidrs": ["10.0.0.0/8"], "principals": ["spiffe://a/*"]}},
            "propagators": ["b3", "xray", "w3c", "datadog", "b3multi"],
            "parent_id": "preserve",
            "emit_unsampled_roots": false,
            "on_unknown_randomness": "erase_th",
            "tracestate": {"ot": false, "precision": 3},
            "force": {"header": "X-Force", "token_sha256":
                "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},
            "client_ip": {"trusted_hops": 1},
            "rule_by_route": true,
            "default": {"sample": "1%"}
        }"#,
    );
    let Mode::Propagate(propagation) = config.mode else { panic!("{:?}", config.mode) };
    let expected = Propagation {
        parent_id: ParentIdPolicy::Preserve,
        emit_unsampled_roots: false,
        write_threshold: false,
        on_unknown_randomness: UnknownRandomness::EraseThreshold,
    };
    assert_eq!(propagation, expected);
    let others = vec![Format::B3, Format::Xray, Format::Datadog, Format::B3Multi];
    assert_eq!(config.formats, Formats { w3c_rank: Some(2), others });
    let default = Policy { never: false, probability: at_least("fd71"), parent: ParentPolicy::Ignore };
    assert_eq!(config.policy(&Outcome::Default), default);
    assert_eq!(config.policy(&Outcome::UnknownName), default);
    let force = config.force.unwrap();
    assert_eq!(force.header(), "x-force");
    assert!(force.accepts(b"hello"));
    assert!(config.trust.is_some());
}

#[test]
fn numbers_may_come_as_doubles() {
    parse(r#"{"tracestate": {"precision": 14.0}, "default": {"sample": "1%"}}"#);
}

#[test]
fn envoy_may_be_told_in_three_ways() {
    for (field, expected) in [
        ("", Signal::RequestId),
        (r#""envoy_signal": "request_id","#, Signal::RequestId),
        (r#""envoy_signal": "force_trace_header","#, Signal::ForceTraceHeader),
        (r#""envoy_signal": "decision_header","#, Signal::DecisionHeader),
    ] {
        let config = parse(&format!(r#"{{"mode": "envoy_decision", {field} "default": {{"sample": "1%"}}}}"#));
        assert!(matches!(config.mode, Mode::EnvoyDecision(signal) if signal == expected));
    }
}

#[test]
fn limits_are_read_for_each_rule_and_the_default() {
    let config = parse(
        r#"{
            "rules": [
                {"name": "vip", "sample": "100%", "cap": {"per_second": 1000000}},
                {"name": "health", "sample": "0%", "cap": {"per_second": 1}},
                {"sample": "10%", "reservoir": {"per_second": 2.0}}
            ],
            "default": {"sample": "0%", "reservoir": {"per_second": 5}, "cap": {"per_second": 5}}
        }"#,
    );
    let limits = |reservoir, cap| Limits { reservoir, cap };
    assert_eq!(
        config.limits().collect::<Vec<_>>(),
        [
            ("vip", limits(0, Some(1_000_000))),
            ("health", limits(0, Some(1))),
            ("rule_2", limits(2, None)),
            ("default", limits(5, Some(5))),
        ]
    );
    assert!(parse(FOUNDING).limits().all(|(_, limits)| limits == Limits::default()));
}

#[test]
fn limits_that_contradict_are_refused() {
    let errors = errors(
        r#"{
            "rules": [
                {"sample": "0%", "reservoir": {"per_second": 1}},
                {"sample": "1%", "reservoir": {"per_second": 20}, "cap": {"per_second": 10}}
            ],
            "default": {"sample": "1%", "reservoir": {"per_second": 2}, "cap": {"per_second": 1}}
        }"#,
    );
    let expected = "\
        rules[0].reservoir: contradicts the \"sample\" of \"0%\", which is never; for hardly more than the \
        reservoir write a small percentage such as \"0.0001%\"\n\
        rules[1].reservoir: 20 traces a second at least, but rules[1].cap says 10 at most\n\
        default.reservoir: 2 traces a second at least, but default.cap says 1 at most";
    assert_eq!(errors, expected);
}

#[test]
fn a_limit_is_a_number_of_traces_a_second() {
    let errors_of = |limit: &str| errors(&format!(r#"{{"default": {{"sample": "1%", "cap": {limit}}}}}"#));
    for (limit, expected) in [
        ("10", r#"default.cap: expected an object such as {"per_second": 10}, found the number 10"#),
        (r#""10/1s""#, r#"default.cap: expected an object such as {"per_second": 10}, found a string"#),
        ("{}", r#"default.cap: missing field "per_second""#),
        (
            r#"{"per_second": "10"}"#,
            "default.cap.per_second: expected a bare number such as 10, whose unit is the name of the field, found a string",
        ),
        (r#"{"per_second": 0}"#, "default.cap.per_second: expected an integer from 1 to 1000000, found the number 0"),
        (
            r#"{"per_second": 0.5}"#,
            "default.cap.per_second: expected an integer from 1 to 1000000, found a number that is no integer",
        ),
        (
            r#"{"per_second": 1000001}"#,
            "default.cap.per_second: expected an integer from 1 to 1000000, found the number 1000001",
        ),
    ] {
        assert_eq!(errors_of(limit), expected);
    }
    let errors = errors_of(r#"{"per_minute": 60}"#);
    assert!(errors.contains("default.cap.per_minute: unknown field, known here: \"per_second\""), "{errors}");
}

#[test]
fn a_default_of_zero_percent_is_no_never_rule() {
    let config = parse(r#"{"default": {"sample": "0%"}}"#);
    let expected = Policy { never: false, probability: Probability::Never, parent: ParentPolicy::Respect };
    assert_eq!(config.policy(&Outcome::Default), expected);
}

#[test]
fn several_tokens_are_accepted() {
    let digest = "a".repeat(64);
    parse(&format!(r#"{{"force": {{"token_sha256": ["{digest}", "{digest}"]}}, "default": {{"sample": "1%"}}}}"#));
}

#[test]
fn a_default_is_required() {
    assert_eq!(errors("{}"), "config: missing field \"default\"");
    assert_eq!(errors(r#"{"default": {}}"#), "default: missing field \"sample\"");
}

#[test]
fn a_bare_number_is_no_percentage() {
    for number in ["1", "100", "0.1", "1.0"] {
        let errors = errors(&format!(r#"{{"default": {{"sample": {number}}}}}"#));
        assert_eq!(
            errors,
            "default.sample: expected a percentage such as \"10%\", found a number, which could be a share or a \
             percentage; write \"1%\" for one in a hundred, \"100%\" for all"
        );
    }
}

#[test]
fn probabilities_outside_of_the_possible_are_refused() {
    for percent in ["101%", "-1%", "NaN%", "1e-3%", "10", ""] {
        let errors = errors(&format!(r#"{{"default": {{"sample": "{percent}"}}}}"#));
        assert!(errors.starts_with("default.sample: expected a percentage"), "{errors}");
    }
    let errors = errors(r#"{"default": {"sample": "0.000000000000001%"}}"#);
    assert_eq!(
        errors,
        "default.sample: less than one trace in 2^56, the smallest probability there is; for none at all write \"0%\""
    );
}

#[test]
fn all_errors_are_reported_at_once_with_paths_and_nearest_names() {
    let errors = errors(
        r#"{
            "mode": "propogate",
            "parrent": {},
            "parent_id": "sometimes",
            "tracestate": {"precision": 15, "ott": true},
            "force": {"token_sha256": "secret"},
            "rules": [
                {"name": "a", "sample": "1%"},
                {"name": "a", "sampel": "1%"},
                {"match": {"path": {"regex": "("}}, "sample": "1%", "parent": {"policy": "obey"}}
            ],
            "default": {"sample": 1, "parent": {}}
        }"#,
    );
    for expected in [
        "mode: expected \"propagate\", \"envoy_decision\" or \"upstream\", found \"propogate\", did you mean \"propagate\"?",
        "parrent: unknown field, did you mean \"parent\"?",
        "parent_id: expected \"on_change\", \"always\" or \"preserve\", found \"sometimes\"",
        "tracestate.precision: expected an integer from 1 to 14, found the number 15",
        "tracestate.ott: unknown field, did you mean \"ot\"?",
        "force.token_sha256: expected the SHA-256 digest of the token, 64 hexadecimal digits",
        "rules[1].name: \"a\" is already the name of another rule",
        "rules[1]: missing field \"sample\"",
        "rules[1].sampel: unknown field, did you mean \"sample\"?",
        "rules[2].match.path.regex: ",
        "rules[2].parent.policy: expected \"respect\", \"ignore\" or \"respect_if_sampled\", found \"obey\"",
        "default.sample: expected a percentage",
        "default.parent: unknown field",
    ] {
        assert!(errors.lines().any(|line| line.starts_with(expected)), "{expected}\n---\n{errors}");
    }
    assert_eq!(errors.lines().count(), 13, "{errors}");
    assert!(!errors.contains("secret"), "{errors}");
}

#[test]
fn behind_envoys_tracer_a_parent_is_ignored_unless_the_config_says_otherwise() {
    let policy = |fields: &str| {
        let config = parse(&format!(r#"{{{fields} "default": {{"sample": "1%"}}}}"#));
        assert!(matches!(config.mode, Mode::Propagate(propagation) if propagation.emit_unsampled_roots));
        config.policy(&Outcome::Default).parent
    };
    assert_eq!(policy(""), ParentPolicy::Respect);
    assert_eq!(policy(r#""mode": "upstream","#), ParentPolicy::Ignore);
    assert_eq!(policy(r#""mode": "upstream", "parent": {},"#), ParentPolicy::Ignore);
    let explicit = r#""mode": "upstream", "parent": {"policy": "respect_if_sampled"},"#;
    assert_eq!(policy(explicit), ParentPolicy::RespectIfSampled);
    assert_eq!(policy(r#""mode": "upstream", "parent_id": "always", "tracestate": {},"#), ParentPolicy::Ignore);
}

#[test]
fn behind_envoys_tracer_nothing_is_limited() {
    for limits in [
        r#""default": {"sample": "1%", "cap": {"per_second": 5}}"#,
        r#""rules": [{"sample": "1%", "reservoir": {"per_second": 5}}], "default": {"sample": "1%"}"#,
    ] {
        let errors = errors(&format!(r#"{{"mode": "upstream", {limits}}}"#));
        assert!(errors.starts_with("mode: in \"upstream\" every attempt is decided"), "{errors}");
    }
}

#[test]
fn a_rule_cannot_have_the_name_of_requests_that_no_rule_was_asked_about() {
    let errors = errors(r#"{"rules": [{"name": "unread", "sample": "1%"}], "default": {"sample": "1%"}}"#);
    assert!(errors.starts_with("rules: the name \"unread\" is taken"), "{errors}");
}

#[test]
fn a_retry_needs_an_id_to_be_decided_by() {
    let errors = errors_with(r#""mode": "upstream", "propagators": ["b3"]"#);
    assert!(errors.starts_with("propagators: in the mode \"upstream\" a retry"), "{errors}");
    assert_eq!(
        parse(r#"{"mode": "upstream", "propagators": ["b3", "w3c"], "default": {"sample": "1%"}}"#).formats.w3c_rank,
        Some(1)
    );
}

#[test]
fn without_w3c_there_is_no_parent_id_to_choose() {
    let errors = errors_with(r#""propagators": ["b3"], "parent_id": "always""#);
    assert!(errors.starts_with("parent_id: without effect where"), "{errors}");
}

#[test]
fn w3c_may_be_left_out() {
    let config = parse(r#"{"propagators": ["b3"], "default": {"sample": "1%"}}"#);
    assert_eq!(config.formats, Formats { w3c_rank: None, others: vec![Format::B3] });
}

#[test]
fn formats_are_known_and_different_and_there_is_one() {
    for (list, expected) in [
        ("[]", "propagators: expected a list with at least one item, found an empty list"),
        (r#""b3""#, "propagators: expected a list, found a string"),
        (r#"["b3", "w3c", "b3"]"#, "propagators[2]: is in the list already; its first place says when it counts"),
        (r#"["w3c", "w3c"]"#, "propagators[1]: is in the list already; its first place says when it counts"),
        (
            r#"["b4"]"#,
            "propagators[0]: expected \"w3c\", \"b3\", \"b3multi\", \"xray\" or \"datadog\", found \"b4\", did you \
             mean \"b3\"?",
        ),
    ] {
        assert_eq!(errors_with(&format!(r#""propagators": {list}"#)), expected);
    }
}

#[test]
fn fields_that_would_have_no_effect_are_refused() {
    let errors = errors_with(
        r#""mode": "envoy_decision", "propagators": ["w3c"], "parent_id": "always", "tracestate": {},
           "emit_unsampled_roots": false"#,
    );
    for field in ["propagators", "parent_id", "tracestate", "emit_unsampled_roots"] {
        assert!(errors.contains(&format!("{field}: without effect in the mode \"envoy_decision\"")), "{errors}");
    }
    for mode in ["propagate", "upstream"] {
        let errors = errors_with(&format!(r#""mode": "{mode}", "envoy_signal": "request_id""#));
        assert_eq!(errors, "envoy_signal: without effect but in the mode \"envoy_decision\"; leave it out");
    }
}

#[test]
fn what_a_retry_would_have_decided_anew_is_refused() {
    let errors = errors_with(
        r#""mode": "upstream", "emit_unsampled_roots": false, "parent": {"trust": {"cidrs": ["10.0.0.0/8"]}}"#,
    );
    for field in ["emit_unsampled_roots", "parent.trust"] {
        assert!(errors.contains(&format!("{field}: not in the mode \"upstream\", where a retry ")), "{errors}");
    }
    assert_eq!(errors.lines().count(), 2, "{errors}");
}

#[test]
fn a_digest_has_sixty_four_hexadecimal_digits() {
    for digest in ["", "ab", &"a".repeat(63), &"a".repeat(65), &"g".repeat(64)] {
        let errors = errors_with(&format!(r#""force": {{"token_sha256": "{digest}"}}"#));
        assert!(errors.starts_with("force.token_sha256: expected the SHA-256 digest"), "{errors}");
    }
    assert!(errors_with(r#""force": {"token_sha256": []}"#).starts_with("force.token_sha256: "));
}

#[test]
fn the_force_header_is_no_pseudo_header() {
    let digest = "a".repeat(64);
    for header in ["", ":path", "x debug", "x:debug"] {
        let errors = errors_with(&format!(r#""force": {{"header": "{header}", "token_sha256": "{digest}"}}"#));
        assert!(errors.starts_with("force.header: expected the name of a header"), "{errors}");
    }
}

#[test]
fn debug_output_shows_no_digest() {
    let digest = "ab".repeat(32);
    let config = parse(&format!(r#"{{"force": {{"token_sha256": "{digest}"}}, "default": {{"sample": "1%"}}}}"#));
    let debug = format!("{config:?}");
    assert!(!debug.contains("171") && !debug.contains(&digest), "{debug}");
}
