use palisade_sdk::config as reader;

use super::*;
use crate::{
    action::{Action, Change, Events},
    decision::{Reason, Verdict},
    fake::{Process, Request},
};

const SAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-01";
const UNSAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-00";
const OPEN_SESAME: &str = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";

const RULES: &str = r#"
    "rules": [
        {"name": "vip", "match": {"headers": [{"name": "x-user-tier", "exact": "vip"}]},
         "parent": {"policy": "respect_if_sampled"}, "sample": "100%"},
        {"name": "pro", "match": {"headers": [{"name": "x-user-tier", "exact": "pro"}]}, "sample": "10%"}
    ],
    "default": {"sample": "1%"}"#;
const HEALTH: &str = r#"
    "rules": [{"name": "health", "match": {"path": {"prefix": "/healthz"}}, "sample": "0%"}],
    "default": {"sample": "100%"}"#;

fn sampler(fields: &str) -> Sampler {
    let config: Config = reader::parse(format!("{{{fields}}}").as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
    Sampler::new(config)
}

fn decide<'s>(sampler: &'s Sampler, request: &Request) -> Decision<'s> {
    let Ok(decision) = sampler.decide(request, &Process::at(1), || [0x11; 24]);
    decision
}

fn get(path: &str) -> Request {
    Request::default().header(":method", "GET").header(":path", path)
}

fn tier(name: &str) -> Request {
    get("/").header("x-user-tier", name)
}

fn verdict(decision: &Decision<'_>) -> (bool, Reason) {
    let Verdict { sampled, reason, .. } = decision.outcome.verdict;
    (sampled, reason)
}

#[test]
fn tiers_are_told_by_the_rule() {
    let sampler = sampler(RULES);
    let vip = decide(&sampler, &tier("vip"));
    assert_eq!((vip.tier, verdict(&vip)), (Tier::Rule("vip"), (true, Reason::Probability)));
    let pro = decide(&sampler, &tier("pro"));
    assert_eq!((pro.tier, verdict(&pro)), (Tier::Rule("pro"), (false, Reason::Probability)));
    let free = decide(&sampler, &get("/"));
    assert_eq!((free.tier, verdict(&free)), (Tier::Default, (false, Reason::Probability)));
}

#[test]
fn a_vip_is_sampled_under_an_unsampled_parent_and_nobody_else_is() {
    let sampler = sampler(RULES);
    let vip = decide(&sampler, &tier("vip").header("traceparent", UNSAMPLED));
    assert_eq!(verdict(&vip), (true, Reason::Probability));
    let pro = decide(&sampler, &tier("pro").header("traceparent", UNSAMPLED));
    assert_eq!((pro.tier, verdict(&pro)), (Tier::Rule("pro"), (false, Reason::Parent)));
}

#[test]
fn a_sampled_parent_that_no_rule_overrules_is_kept_without_reading_the_rules() {
    let sampler = sampler(RULES);
    let request = tier("vip").header("traceparent", SAMPLED);
    let decision = decide(&sampler, &request);
    assert_eq!((decision.tier, verdict(&decision)), (Tier::Unread, (true, Reason::Parent)));
    assert_eq!(decision.outcome.action, Action::default());
    assert_eq!(request.asked(), ["traceparent", "tracestate"]);
}

#[test]
fn an_unsampled_parent_is_kept_alike_where_all_rules_respect_it() {
    let sampler = sampler(r#""rules": [{"name": "all", "sample": "50%"}], "default": {"sample": "1%"}"#);
    let request = get("/").header("traceparent", UNSAMPLED);
    assert_eq!(decide(&sampler, &request).tier, Tier::Unread);
    assert_eq!(request.asked(), ["traceparent", "tracestate"]);
}

#[test]
fn a_parents_threshold_is_a_reason_to_read_the_rules() {
    let sampler = sampler(RULES);
    let parent = tier("vip").header("traceparent", SAMPLED).header("tracestate", "ot=rv:f0000000000000;th:e");
    let decision = decide(&sampler, &parent);
    assert_eq!((decision.tier, verdict(&decision)), (Tier::Rule("vip"), (true, Reason::Parent)));
    assert_eq!(decision.outcome.action.tracestate, Change::Set(b"ot=th:0;rv:f0000000000000".to_vec()));
}

#[test]
fn a_never_rule_wins_over_a_sampled_parent_and_over_force() {
    let sampler = sampler(&format!(r#""force": {{"token_sha256": "{OPEN_SESAME}"}}, {HEALTH}"#));
    let request = get("/healthz/live").header("traceparent", SAMPLED).header("x-debug-trace", "open sesame");
    let decision = decide(&sampler, &request);
    assert_eq!((decision.tier, verdict(&decision)), (Tier::Rule("health"), (false, Reason::Never)));
    assert!(!decision.outcome.action.strip_force_header);
}

#[test]
fn a_known_token_forces_a_trace_and_goes_on() {
    let sampler = sampler(&format!(r#""force": {{"token_sha256": "{OPEN_SESAME}"}}, "default": {{"sample": "0%"}}"#));
    for request in [get("/"), get("/").header("traceparent", UNSAMPLED)] {
        let decision = decide(&sampler, &request.header("x-debug-trace", "open sesame"));
        assert_eq!(verdict(&decision), (true, Reason::Forced));
        assert!(!decision.outcome.action.strip_force_header);
        assert_eq!(decision.outcome.events, Events::default());
    }
}

#[test]
fn an_unknown_or_repeated_token_is_stripped_and_forces_nothing() {
    let sampler = sampler(&format!(r#""force": {{"token_sha256": "{OPEN_SESAME}"}}, "default": {{"sample": "0%"}}"#));
    for request in [
        get("/").header("x-debug-trace", "open barley"),
        get("/").header("x-debug-trace", "open sesame").header("x-debug-trace", "open sesame"),
    ] {
        let decision = decide(&sampler, &request);
        assert_eq!(verdict(&decision), (false, Reason::Probability));
        assert!(decision.outcome.action.strip_force_header);
        assert!(decision.outcome.events.force_refused);
    }
    assert_eq!(sampler.force_header(), Some("x-debug-trace"));
}

#[test]
fn an_untrusted_parent_is_restarted_and_a_trusted_one_is_not() {
    let sampler = sampler(r#""parent": {"trust": {"cidrs": ["10.0.0.0/8"]}}, "default": {"sample": "0%"}"#);
    let request = |peer| get("/").header("traceparent", SAMPLED).property("source.address", peer);
    assert_eq!(verdict(&decide(&sampler, &request("10.0.0.1:80"))), (true, Reason::Parent));
    let decision = decide(&sampler, &request("192.0.2.1:80"));
    assert_eq!(verdict(&decision), (false, Reason::Probability));
    assert!(decision.outcome.events.untrusted_parent && decision.outcome.events.restarted);
}

#[test]
fn trust_is_not_looked_into_without_a_parent() {
    let sampler = sampler(r#""parent": {"trust": {"cidrs": ["10.0.0.0/8"]}}, "default": {"sample": "0%"}"#);
    let request = get("/");
    decide(&sampler, &request);
    assert_eq!(request.asked(), ["traceparent", "tracestate"]);
}

#[test]
fn two_lines_of_traceparent_are_invalid_and_of_tracestate_one_list() {
    let sampler = sampler(r#""default": {"sample": "0%"}"#);
    let twice = get("/").header("traceparent", SAMPLED).header("traceparent", SAMPLED);
    assert!(decide(&sampler, &twice).outcome.events.invalid_context);

    let lines = get("/").header("traceparent", SAMPLED).header("tracestate", "foo=1").header("tracestate", "foo=2");
    assert_eq!(decide(&sampler, &lines).outcome.action.tracestate, Change::Set(b"foo=1".to_vec()));
}

#[test]
fn a_duplicated_tier_matches_no_rule_and_is_told() {
    let sampler = sampler(RULES);
    let decision = decide(&sampler, &tier("vip").header("x-user-tier", "vip"));
    assert_eq!(decision.tier, Tier::Default);
    assert!(decision.outcome.events.ambiguous_request);
}

#[test]
fn a_route_may_name_the_rule() {
    const ROUTE: &str = "xds.route_metadata.filter_metadata.palisade.trace_sampler";
    let sampler = sampler(&format!(r#""rule_by_route": true, {RULES}"#));
    assert_eq!(decide(&sampler, &get("/").property(ROUTE, "vip")).tier, Tier::Rule("vip"));
    let unknown = decide(&sampler, &tier("vip").property(ROUTE, "nobody"));
    assert_eq!(unknown.tier, Tier::Default);
    assert!(unknown.outcome.events.unknown_rule);
}

#[test]
fn envoy_is_told_by_the_request_id_and_the_trace_context_stays() {
    let sampler = sampler(&format!(r#""mode": "envoy_decision", {RULES}"#));
    let request =
        tier("vip").header("x-request-id", "5a7c1b9e-0f1d-4c1e-8d5e-3f6f0a4b2c1d").header("tracestate", "foo=1");
    let decision = decide(&sampler, &request);
    let request_id = Change::Set(b"5a7c1b9e-0f1d-9c1e-8d5e-3f6f0a4b2c1d".to_vec());
    assert_eq!(decision.outcome.action, Action { request_id, ..Action::default() });
}

const LIMITS: &str = r#"
    "rules": [
        {"name": "health", "match": {"path": {"prefix": "/healthz"}}, "sample": "0%", "cap": {"per_second": 1}},
        {"name": "vip", "match": {"headers": [{"name": "x-user-tier", "exact": "vip"}]}, "sample": "100%",
         "parent": {"policy": "respect_if_sampled"}, "cap": {"per_second": 2}},
        {"name": "pro", "match": {"headers": [{"name": "x-user-tier", "exact": "pro"}]}, "sample": "0.0001%",
         "reservoir": {"per_second": 1}}
    ],
    "default": {"sample": "0%", "reservoir": {"per_second": 1}}"#;

fn reasons(sampler: &Sampler, process: &Process<'_>, requests: &[Request]) -> Vec<(bool, Reason)> {
    let decide = |request| sampler.decide(request, process, || [0x11; 24]).unwrap_or_else(|never| match never {});
    requests.iter().map(|request| verdict(&decide(request))).collect()
}

#[test]
fn a_rule_and_the_default_have_limits_of_their_own() {
    let (sampler, process) = (sampler(LIMITS), Process::at(1));
    let vips = [tier("vip"), tier("vip").header("traceparent", UNSAMPLED), tier("vip")];
    let by_probability = (true, Reason::Probability);
    assert_eq!(reasons(&sampler, &process, &vips), [by_probability, by_probability, (false, Reason::Cap)]);
    let others = [tier("pro"), get("/"), tier("pro"), tier("nobody")];
    let (filled, left) = ((true, Reason::Reservoir), (false, Reason::Probability));
    assert_eq!(reasons(&sampler, &process, &others), [filled, filled, left, left]);
}

#[test]
fn forced_never_and_inherited_decisions_are_beyond_all_limits() {
    let sampler = sampler(&format!(r#""force": {{"token_sha256": "{OPEN_SESAME}"}}, {LIMITS}"#));
    let process = Process::at(1);
    let forced = tier("vip").header("x-debug-trace", "open sesame");
    let inherited = tier("vip").header("traceparent", SAMPLED);
    let kept = [get("/healthz"), forced, inherited];
    let expected = [(false, Reason::Never), (true, Reason::Forced), (true, Reason::Parent)];
    for _ in 0..5 {
        assert_eq!(reasons(&sampler, &process, &kept), expected);
    }
    assert_eq!((process.asked(), process.value()), (vec![], None));
}

#[test]
fn a_tier_without_limits_asks_no_host() {
    let (sampler, process) = (sampler(RULES), Process::at(1));
    reasons(&sampler, &process, &[tier("vip"), tier("pro"), get("/"), tier("vip").header("traceparent", UNSAMPLED)]);
    assert_eq!(process.asked(), [""; 0]);
}

#[test]
fn a_reservoir_claims_no_threshold_and_a_cap_takes_it_back() {
    let (sampler, process) = (sampler(LIMITS), Process::at(1));
    let decide = |request| {
        let decision = sampler.decide(&request, &process, || [0xff; 24]).unwrap_or_else(|never| match never {});
        decision.outcome.action
    };
    let vip = || tier("vip").header("traceparent", UNSAMPLED).header("tracestate", "ot=rv:ffffffffffff00;th:c");
    for _ in 0..2 {
        assert_eq!(decide(vip()).tracestate, Change::Set(b"ot=th:0;rv:ffffffffffff00".to_vec()));
    }
    let capped = decide(vip());
    assert_eq!(capped.tracestate, Change::Set(b"ot=rv:ffffffffffff00".to_vec()));
    assert_eq!(capped.traceparent, Change::Keep, "it comes and goes unsampled");
    let filled = decide(get("/"));
    assert_eq!(filled.tracestate, Change::Keep, "a new trace without any");
    assert!(matches!(filled.traceparent, Change::Set(line) if line.ends_with(b"-03")), "sampled, of random id");
}

#[test]
fn what_cannot_be_looked_up_limits_nothing() {
    let (sampler, process) = (sampler(LIMITS), Process::default());
    let vips = [(); 3].map(|()| tier("vip"));
    assert_eq!(reasons(&sampler, &process, &vips), [(true, Reason::Probability); 3]);
    assert_eq!(reasons(&sampler, &process, &[tier("pro")]), [(false, Reason::Probability)]);
}

#[test]
fn limits_hold_for_envoys_own_spans_too() {
    let (sampler, process) = (sampler(&format!(r#""mode": "envoy_decision", {LIMITS}"#)), Process::at(1));
    let request = || tier("vip").header("x-request-id", "5a7c1b9e-0f1d-9c1e-8d5e-3f6f0a4b2c1d");
    let told: Vec<_> = (0..3)
        .map(|_| sampler.decide(&request(), &process, || [0x11; 24]).unwrap_or_else(|never| match never {}))
        .map(|decision| decision.outcome.action.request_id)
        .collect();
    let untraced = Change::Set(b"5a7c1b9e-0f1d-4c1e-8d5e-3f6f0a4b2c1d".to_vec());
    assert_eq!(told, [Change::Keep, Change::Keep, untraced]);
}

#[test]
fn replicas_decide_alike_and_a_larger_tier_samples_a_superset() {
    const TIERS: &str = r#"
        "parent": {"policy": "ignore"},
        "rules": [
            {"name": "plus", "match": {"headers": [{"name": "x-user-tier", "exact": "plus"}]}, "sample": "50%"},
            {"name": "pro", "match": {"headers": [{"name": "x-user-tier", "exact": "pro"}]}, "sample": "10%"}
        ],
        "default": {"sample": "1%"}"#;
    let (one, other) = (sampler(TIERS), sampler(TIERS));
    let mut sampled = [0; 3];
    for trace in 1..=2000_u64 {
        let random = trace.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8;
        let parent = format!("00-123456789012345678{random:014x}-1234567890123456-02");
        let decided = ["free", "pro", "plus"].map(|name| {
            let request = tier(name).header("traceparent", &parent);
            let decisions = [&one, &other].map(|replica| decide(replica, &request).outcome.verdict);
            assert_eq!(decisions[0], decisions[1]);
            decisions[0].sampled
        });
        assert!(decided.is_sorted(), "{parent}: {decided:?}");
        for (count, sampled) in sampled.iter_mut().zip(decided) {
            *count += usize::from(sampled);
        }
    }
    for (count, expected) in sampled.into_iter().zip([20, 200, 1000]) {
        assert!(count.abs_diff(expected) <= 10, "{count} of {expected}");
    }
}
