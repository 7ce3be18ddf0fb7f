use proptest::prelude::*;

use super::*;
use crate::config;
use crate::config::tests::any_json;
use crate::matching::ClientIp;
use crate::matching::fake::Request;

#[derive(Debug)]
struct Limit(u64);

impl FromFields for Limit {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        object.required_with("limit", |node| node.integer(1..=9)).map(Self)
    }
}

fn rules(json: &str) -> Rules<Limit> {
    config::parse(json.as_bytes()).unwrap()
}

fn errors(json: &str) -> String {
    config::parse::<Rules<Limit>>(json.as_bytes()).unwrap_err().to_string()
}

/// The label of the rule in force, and whether a rule was passed over.
fn choose(rules: &Rules<Limit>, request: &Request) -> (String, bool) {
    let client_ip = ClientIp::default();
    let choice = rules.choose("limit", &RequestView::new(request, &client_ip)).unwrap();
    let outcome = match choice.outcome {
        Outcome::Rule(rule) => format!("{}={}", rule.label(), rule.action.0),
        Outcome::Default => "default".to_owned(),
        Outcome::UnknownName => "unknown".to_owned(),
    };
    (outcome, choice.ambiguous)
}

const BY_TIER: &str = r#"{"rules": [
    {"name": "vip", "match": {"headers": [{"name": "X-Tier", "exact": "vip"}]}, "limit": 1},
    {"match": {"headers": [{"name": "x-tier", "present": true}]}, "limit": 2.0},
    {"name": "admin", "match": {"path": {"prefix": "/admin"}}, "limit": 3}
], "rule_by_route": BY_ROUTE}"#;

#[test]
fn the_first_rule_that_matches_wins() {
    let rules = rules(&BY_TIER.replace("BY_ROUTE", "false"));
    let request = Request::get("/admin");
    assert_eq!(choose(&rules, &request), ("admin=3".into(), false));
    assert_eq!(choose(&rules, &request.clone().header("x-tier", "vip")), ("vip=1".into(), false));
    assert_eq!(choose(&rules, &request.header("x-tier", "pro")), ("rule_1=2".into(), false));
    assert_eq!(choose(&rules, &Request::get("/")), ("default".into(), false));
}

#[test]
fn a_rule_that_reads_a_duplicated_header_is_passed_over_and_this_is_told() {
    let rules = rules(&BY_TIER.replace("BY_ROUTE", "false"));
    let twice = |path| Request::get(path).header("x-tier", "vip").header("x-tier", "vip");
    assert_eq!(choose(&rules, &twice("/")), ("default".into(), true));
    assert_eq!(choose(&rules, &twice("/admin")), ("admin=3".into(), true));
}

#[test]
fn a_rule_without_matcher_matches_everything() {
    let rules = rules(r#"{"rules": [{"limit": 4}]}"#);
    assert_eq!(choose(&rules, &Request::get("/")), ("rule_0=4".into(), false));
}

#[test]
fn a_route_names_a_rule_and_wins_over_its_virtual_host_and_over_matching() {
    const ROUTE: &str = "xds.route_metadata.filter_metadata.palisade.limit";
    const HOST: &str = "xds.virtual_host_metadata.filter_metadata.palisade.limit";
    let rules = rules(&BY_TIER.replace("BY_ROUTE", "true"));
    let request = Request::get("/").header("x-tier", "pro");
    assert_eq!(choose(&rules, &request), ("rule_1=2".into(), false));
    assert_eq!(choose(&rules, &request.clone().property(HOST, "admin")), ("admin=3".into(), false));
    let both = request.clone().property(HOST, "admin").property(ROUTE, "vip");
    assert_eq!(choose(&rules, &both), ("vip=1".into(), false));
    for unknown in ["nobody", "rule_1", "", "default"] {
        assert_eq!(choose(&rules, &both.clone().property(ROUTE, unknown)), ("unknown".into(), false), "{unknown:?}");
    }
}

#[test]
fn without_rule_by_route_no_property_is_read() {
    let rules = rules(&BY_TIER.replace("BY_ROUTE", "false"));
    let request = Request::get("/").property("xds.route_metadata.filter_metadata.palisade.limit", "vip");
    assert_eq!(choose(&rules, &request).0, "default");
    assert_eq!(request.properties_read(), 0);
}

#[test]
fn names_are_unique_also_those_of_rules_without_name() {
    let json = r#"{"rules": [{"name": "a", "limit": 1}, {"name": "a", "limit": 1}, {"name": "rule_3", "limit": 1}, {"limit": 1}]}"#;
    assert_eq!(
        errors(json),
        "rules[1].name: \"a\" is already the name of another rule\n\
         rules[3].name: \"rule_3\" is already the name of another rule"
    );
}

#[test]
fn names_that_no_metric_can_carry_are_refused() {
    for name in ["", "a b", "a.b", "ü", "default", &"a".repeat(65)] {
        let json = format!(r#"{{"rules": [{{"name": "{name}", "limit": 1}}]}}"#);
        assert!(errors(&json).starts_with("rules[0].name: "), "{name:?}");
    }
}

#[test]
fn all_errors_of_all_rules_are_reported_with_their_paths() {
    let json = r#"{"rules": [{"limit": 0, "nmae": "x"}, {"match": {}, "limt": 1}, 7], "rule_by_rout": true}"#;
    assert_eq!(
        errors(json),
        "rules[0].limit: expected an integer from 1 to 9, found the number 0\n\
         rules[0].nmae: unknown field, did you mean \"name\"?\n\
         rules[1].match: an empty matcher would match every request; to mean that, leave it out\n\
         rules[1]: missing field \"limit\"\n\
         rules[1].limt: unknown field, did you mean \"limit\"?\n\
         rules[2]: expected an object, found the number 7\n\
         rule_by_rout: unknown field, did you mean \"rule_by_route\"?"
    );
}

proptest! {
    #[test]
    fn no_json_makes_the_rules_panic_and_every_error_has_a_path(
        mut json in any_json("name|match|limit|path|exact|regex|template|methods|hosts|headers|values|of|or|client_ip|not"),
        listed in any::<bool>(),
    ) {
        if listed {
            json = serde_json::json!({"rules": [{"match": json, "limit": 1}]});
        }
        if let Err(errors) = config::parse::<Rules<Limit>>(json.to_string().as_bytes()) {
            prop_assert!(errors.iter().count() > 0);
            for (path, message) in errors.iter() {
                prop_assert!(!path.is_empty() && !message.is_empty());
            }
        }
    }
}
