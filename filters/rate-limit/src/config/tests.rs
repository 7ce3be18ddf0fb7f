use palisade_sdk::config;

use super::*;
use crate::calendar::Unit;
use crate::gcra::Gcra;
use crate::policy::Policy;

fn parse(json: &str) -> Config {
    config::parse(json.as_bytes()).unwrap_or_else(|errors| panic!("{json}\n{errors}"))
}

fn errors(json: &str) -> String {
    config::parse::<Config>(json.as_bytes()).unwrap_err().to_string()
}

/// The limit with these fields and a name.
fn limit(fields: &str) -> Limit {
    parse(&format!(r#"{{"limits": [{{"name": "a", {fields}}}]}}"#)).limits.remove(0)
}

fn limit_errors(fields: &str) -> String {
    errors(&format!(r#"{{"limits": [{{"name": "a", {fields}}}]}}"#))
}

fn policy(fields: &str) -> Policy {
    limit(fields).grant.unwrap().policy
}

const MINUTE: u64 = 60_000_000_000;

#[test]
fn the_example_is_read() {
    let config = parse(
        r#"{
            "storage": {"shards": 256, "slots_per_shard": 128, "on_full": "shard_bucket"},
            "client_ip": {"trusted_hops": 1, "ipv6_prefix": 64},
            "headers": {"ietf": true, "x_ratelimit": "draft03", "when": "always"},
            "limits": [
                {"name": "per-user", "match": {"path": {"prefix": "/api"}},
                 "key": [{"claim": "sub", "or": {"client_ip": {}}}], "rate": "100/1m", "burst": 20,
                 "tiers": {"by": {"claim": "plan.tier"}, "rates": {"vip": "1000/1m", "pro": "300/1m"}},
                 "cost": {"header": "x-request-cost", "default": 1, "max": 50}},
                {"name": "login", "match": {"path": {"exact": "/login"}, "methods": ["POST"]},
                 "key": [{"client_ip": {}}], "rate": "5/1m", "enforce": false},
                {"name": "inflight", "key": [{"route": {}}], "concurrency": 50, "max_duration": "30s"}
            ],
            "exempt": [{"cidr": "10.0.0.0/8"}]
        }"#,
    );
    let grants: Vec<_> = config.limits.iter().map(|limit| limit.grant.as_ref().unwrap().policy).collect();
    assert_eq!(
        grants,
        [
            Policy::Rate(Gcra::new(100, MINUTE, 20, false).unwrap()),
            Policy::Rate(Gcra::new(5, MINUTE, 5, false).unwrap()),
            Policy::Concurrency { count: 50, max_duration: MINUTE / 2 },
        ]
    );
    let tiers = config.limits[0].tiers.as_ref().unwrap();
    let names: Vec<_> = tiers.grants.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["pro", "vip"]);
    assert!(matches!(config.limits[0].cost, Cost::Request { default: 1, max: 50, .. }));
    assert_eq!(config.limits[1].enforce, palisade_sdk::config::Percent::ZERO);
}

#[test]
fn a_limit_alone_has_defaults_for_all_else() {
    let config = parse(r#"{"limits": [{"name": "a", "rate": "5/1s"}]}"#);
    assert_eq!((config.storage.shards, config.storage.slots, config.storage.on_full), (256, 128, OnFull::Share));
    assert_eq!((config.deny.status, config.deny.grpc_status, config.deny.problem), (429, 8, false));
    assert_eq!(config.headers, Headers::default());
    let limit = &config.limits[0];
    assert_eq!(limit.on_missing, OnMissing::Literal(String::new()));
    assert_eq!(limit.accuracy, Accuracy::Exact);
    assert!(limit.key.is_empty() && config.exempt.is_empty() && !config.rule_by_route);
}

#[test]
fn every_kind_of_limit_is_read() {
    assert_eq!(policy(r#""quota": "1000/day""#), Policy::Quota { count: 1_000, unit: Unit::Day });
    assert_eq!(policy(r#""quota": "4294967295/month""#), Policy::Quota { count: u32::MAX, unit: Unit::Month });
    assert_eq!(policy(r#""rate": "0/1m""#).capacity(), 0, "nothing at all");
    assert!(limit(r#""unlimited": true"#).grant.is_none());
    let tiers = r#""unlimited": true, "tiers": {"by": {"header": "x-tier"}, "rates": {
        "free": {"rate": "5/1m", "burst": 2}, "vip": {"unlimited": true}}}"#;
    let tiers = limit(tiers).tiers.unwrap();
    assert_eq!(tiers.grants[0].1.as_ref().unwrap().policy.capacity(), 2);
    assert!(tiers.grants[1].1.is_none());
}

#[test]
fn costs_are_of_the_request_or_of_the_response() {
    let cost = |fields| limit(&format!(r#""rate": "5/1s", "cost": {{{fields}}}"#)).cost;
    assert!(
        matches!(cost(r#""response_header": "X-Cost""#), Cost::ResponseHeader { name, default: 1, .. } if name == "x-cost")
    );
    assert!(matches!(cost(r#""response_bytes": "1KiB", "max": 5"#), Cost::ResponseBytes { per: 1024, max: 5 }));
    assert!(matches!(cost(r#""literal": "5""#), Cost::Request { default: 1, .. }));
}

#[test]
fn workers_count_exactly_or_lease() {
    assert_eq!(limit(r#""rate": "5/1s", "accuracy": "exact""#).accuracy, Accuracy::Exact);
    assert_eq!(limit(r#""rate": "5/1s", "accuracy": "lease""#).accuracy, Accuracy::Lease { batch: 10, allow: false });
    assert_eq!(
        limit(r#""rate": "5/1s", "accuracy": "lease", "batch": 100, "on_contention": "allow""#).accuracy,
        Accuracy::Lease { batch: 100, allow: true }
    );
}

#[test]
fn a_whole_config_is_refused_for_one_wrong_limit() {
    for (fields, expected) in [
        (r#""rate": "5/0s""#, "limits[0].rate: the period must not be zero"),
        (r#""rate": "5/1s", "burst": 0"#, "limits[0].burst: expected an integer from 1"),
        (r#""rate": "100000000/1s""#, "limits[0].rate: expected at most ten million a second"),
        (r#""rate": "1/999999999999d""#, "limits[0].rate: an empty bucket would take more than ten years to fill"),
        (r#""rate": "1/1d", "burst": 1000000"#, "limits[0].rate: an empty bucket"),
        (r#""rate": 5"#, "limits[0].rate: expected a rate such as \"100/1m\""),
        (r#""burst": 5"#, "limits[0].burst: is for \"rate\""),
        (r#""key": []"#, "limits[0].key: expected a list with at least one item"),
        (
            r#""enforce": true"#,
            "limits[0]: expected exactly one of \"rate\", \"quota\", \"concurrency\", \"unlimited\"",
        ),
        (r#""rate": "5/1s", "quota": "5/day""#, "limits[0]: expected exactly one of"),
        (r#""quota": "5/1d""#, "limits[0].quota: expected a quota such as"),
        (r#""quota": "-5/day""#, "limits[0].quota: expected a quota such as"),
        (r#""quota": "4294967296/day""#, "limits[0].quota: expected a quota such as"),
        (r#""concurrency": 5"#, "limits[0]: missing field \"max_duration\""),
        (r#""concurrency": 5, "max_duration": "0s""#, "limits[0].max_duration: expected a duration from"),
        (r#""rate": "5/1s", "max_duration": "5s""#, "limits[0].max_duration: is for \"concurrency\""),
        (r#""unlimited": false"#, "limits[0].unlimited: expected true"),
        (r#""quota": "5/day", "accuracy": "lease""#, "limits[0].accuracy: only a \"rate\" can be leased"),
        (r#""rate": "5/1s", "batch": 5"#, "limits[0].batch: is for \"accuracy\": \"lease\""),
        (r#""rate": "5/1s", "on_contention": "allow""#, "limits[0].on_contention: is for \"accuracy\": \"lease\""),
        (r#""rate": "5/1s", "accuracy": "lease", "cost": {"response_bytes": "1B"}"#, "limits[0].accuracy: a cost that"),
        (r#""rate": "5/1s", "enforce": false, "enforce_percent": "5%""#, "limits[0].enforce_percent: contradicts"),
        (r#""rate": "5/1s", "enforce_percent": "5%""#, "limits[0].enforce_percent: is a part of the keys"),
        (r#""rate": "5/1s", "cost": {"header": "x", "default": 0}"#, "limits[0].cost.default: expected at least 1"),
        (r#""rate": "5/1s", "cost": {"response_header": "x", "response_bytes": "1B"}"#, "found both"),
        (r#""rate": "5/1s", "cost": {"response_bytes": "0B"}"#, "expected at least \"1B\""),
        (
            r#""concurrency": 5, "max_duration": "5s", "cost": {"header": "x"}"#,
            "limits[0].cost: a request counts as one",
        ),
        (r#""quota": "5/day", "tiers": {"by": {"header": "x"}, "rates": {"a": "5/1s"}}"#, "limits[0].tiers: only"),
        (r#""rate": "5/1s", "tiers": {"by": {"header": "x"}, "rates": {}}"#, "expected 1 to 64 tiers"),
        (
            r#""rate": "5/1s", "tiers": {"by": {"header": "x"}, "rates": {"a": "5/0s"}}"#,
            "limits[0].tiers.rates.a: the period",
        ),
        (
            r#""rate": "5/1s", "tiers": {"by": {"header": "x"}, "rates": {"a": {}}}"#,
            "expected either \"rate\" or \"unlimited\"",
        ),
        (r#""rate": "5/1s", "on_missing": "sikp""#, "limits[0].on_missing: expected \"skip\" or \"deny\""),
        (r#""rate": "5/1s", "limt": 5"#, "limits[0].limt: unknown field"),
    ] {
        let errors = limit_errors(fields);
        assert!(errors.contains(expected), "{fields}\n{errors}");
    }
}

#[test]
fn names_are_there_once_and_can_stand_everywhere() {
    let twice = errors(r#"{"limits": [{"name": "a", "rate": "5/1s"}, {"name": "a", "rate": "6/1s"}]}"#);
    assert!(twice.contains("limits[1]: the name \"a\" is already that of another limit"), "{twice}");
    for name in ["", "a b", "a\\\"b", "ä", &"x".repeat(65)] {
        let errors = errors(&format!(r#"{{"limits": [{{"name": "{name}", "rate": "5/1s"}}]}}"#));
        assert!(errors.contains("limits[0].name: expected a name of 1 to 64 letters"), "{errors}");
    }
    assert!(errors(r#"{"limits": [{"rate": "5/1s"}]}"#).contains("limits[0]: missing field \"name\""));
}

#[test]
fn beside_a_service_without_a_rate_of_ones_own_nothing_is_said_about_it() {
    let rls = |mode: &str| {
        format!(
            r#""rls": {{"cluster": "rls", "domain": "shop", "failure_mode": "{mode}",
                "descriptors": [[{{"key": "user", "value": {{"header": "x-user"}}}}]]}}"#
        )
    };
    let own = [
        ("tiers", r#""tiers": {"by": {"header": "x-tier"}, "rates": {"vip": "9/1s"}}"#),
        ("accuracy", r#""accuracy": "lease""#),
        ("key", r#""key": [{"header": "x-user"}]"#),
    ];
    for (field, fields) in own {
        for mode in ["allow", "deny"] {
            let errors = limit_errors(&format!("{}, {fields}", rls(mode)));
            assert!(errors.contains(&format!("limits[0].{field}: is for the limit's own \"rate\"")), "{errors}");
        }
        limit(&format!(r#"{}, "rate": "5/1s", {fields}"#, rls("local")));
    }
    limit(&format!(r#"{}, "key": [{{"header": "x-user"}}], "enforce_percent": "10%""#, rls("allow")));
    limit(&format!(r#"{}, "enforce_percent": "100%""#, rls("allow")));
    let errors = limit_errors(&format!(r#"{}, "enforce_percent": "10%""#, rls("allow")));
    assert!(errors.contains("limits[0].enforce_percent: is a part of the keys"), "{errors}");
}

#[test]
fn what_is_around_the_limits_is_checked_as_well() {
    for (fields, expected) in [
        (r#""storage": {"shards": 100}"#, "storage.shards: expected a power of two"),
        (r#""storage": {"shards": 8192}"#, "storage.shards: expected an integer from 1 to 4096"),
        (r#""storage": {"slots_per_shard": 129}"#, "storage.slots_per_shard: expected an integer from 1 to 128"),
        (r#""deny": {"status": 200}"#, "deny.status: expected an integer from 400 to 599"),
        (r#""headers": {"when": "sometimes"}"#, "headers.when: expected \"always\", \"denied\" or \"never\""),
        (r#""exempt": [{}]"#, "exempt[0]: expected exactly one of"),
    ] {
        let errors = errors(&format!(r#"{{"limits": [{{"name": "a", "rate": "5/1s"}}], {fields}}}"#));
        assert!(errors.contains(expected), "{fields}\n{errors}");
    }
    assert!(errors("{}").contains("missing field \"limits\""));
    assert!(errors(r#"{"limits": []}"#).contains("at least one item"));
}

#[test]
fn all_errors_are_told_at_once() {
    let errors =
        errors(r#"{"limits": [{"name": "a", "rate": "5/0s"}, {"name": "b", "quota": 1}], "storage": {"shards": 3}}"#);
    for expected in ["limits[0].rate", "limits[1].quota", "storage.shards"] {
        assert!(errors.contains(expected), "{errors}");
    }
}

#[test]
fn a_filter_that_asks_no_service_names_the_module_that_does() {
    let rls = r#"{"cluster": "rls", "domain": "shop", "descriptors": [[{"key": "a", "value": {"method": {}}}]],
        "failure_mode": "allow"}"#;
    let with = |rls: &str| format!(r#"{{"limits": [{{"name": "a", {rls}}}]}}"#);
    let asks = with(&format!(r#""rls": {rls}"#));
    assert!(config::parse::<Config>(asks.as_bytes()).is_ok());
    let errors = config::parse::<LocalConfig>(asks.as_bytes()).unwrap_err().to_string();
    assert_eq!(errors, "limits[0].rls: this module asks no service; load rate_limit_global.wasm");
    assert!(config::parse::<LocalConfig>(with(r#""rate": "1/1s""#).as_bytes()).is_ok());
}
