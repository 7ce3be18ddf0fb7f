use palisade_sdk::config;

use super::*;
use crate::probability::Threshold;

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
}

#[test]
fn every_field_is_read() {
    let config = parse(
        r#"{
            "mode": "propagate",
            "parent": {"policy": "ignore", "trust": {"cidrs": ["10.0.0.0/8"], "principals": ["spiffe://a/*"]}},
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
fn envoy_may_be_told_in_two_ways() {
    for (field, expected) in [
        ("", Signal::RequestId),
        (r#""envoy_signal": "request_id","#, Signal::RequestId),
        (r#""envoy_signal": "force_trace_header","#, Signal::ForceTraceHeader),
    ] {
        let config = parse(&format!(r#"{{"mode": "envoy_decision", {field} "default": {{"sample": "1%"}}}}"#));
        assert!(matches!(config.mode, Mode::EnvoyDecision(signal) if signal == expected));
    }
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
        "mode: expected \"propagate\" or \"envoy_decision\", found \"propogate\", did you mean \"propagate\"?",
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
fn a_mode_that_is_not_built_is_an_unknown_one() {
    let errors = errors_with(r#""mode": "upstream""#);
    assert!(errors.starts_with("mode: expected \"propagate\" or \"envoy_decision\", found \"upstream\""), "{errors}");
}

#[test]
fn fields_that_would_have_no_effect_are_refused() {
    let errors = errors_with(
        r#""mode": "envoy_decision", "parent_id": "always", "tracestate": {}, "emit_unsampled_roots": false"#,
    );
    for field in ["parent_id", "tracestate", "emit_unsampled_roots"] {
        assert!(errors.contains(&format!("{field}: without effect in the mode \"envoy_decision\"")), "{errors}");
    }
    let errors = errors_with(r#""envoy_signal": "request_id""#);
    assert_eq!(errors, "envoy_signal: without effect but in the mode \"envoy_decision\"; leave it out");
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
