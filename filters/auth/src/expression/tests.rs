use std::time::Duration;

use palisade_sdk::config;
use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

fn expression(text: &str) -> Expression {
    config::parse(text.as_bytes()).unwrap_or_else(|errors| panic!("{text}: {errors}"))
}

fn refused(status: u16) -> Attempt {
    Attempt::Refused(Refusal { status, reason: "refused", error: None, retry_after: Some(Duration::from_secs(1)) })
}

fn verified(subject: &str, groups: &[&str]) -> Attempt {
    let mut claims = Map::new();
    claims.insert("groups".into(), json!(groups));
    claims.insert("scope".into(), json!(groups.join(" ")));
    Attempt::Verified(Identity::new("test", String::new(), subject.into(), claims).into())
}

/// What comes of an expression, and the methods that it tried: `allow alice`, or for example `deny 401 refused`.
fn outcome(text: &str, attempts: &mut dyn FnMut(&Method) -> Attempt) -> (String, Vec<String>) {
    let expression = expression(text);
    let (mut tried, mut asked) = (Tried::default(), Vec::new());
    loop {
        let method = match expression.step(&tried) {
            Step::Try(method) => method.clone(),
            Step::Allow(callers) => {
                let callers: Vec<_> = callers.iter().map(|(caller, _)| caller.subject.as_str()).collect();
                return (["allow", &callers.join(" ")].join(" ").trim_end().to_owned(), asked);
            }
            Step::Deny(denial) => return (format!("deny {} {}", denial.status(), denial.reason()), asked),
        };
        asked.push(method.label().into_owned());
        let attempt = attempts(&method);
        tried.insert(method, attempt);
    }
}

/// The outcome where the token for `main` and the password have come to this, and all else is absent.
fn with(text: &str, jwt: fn() -> Attempt, basic: fn() -> Attempt) -> String {
    let mut attempts = |method: &Method| match method {
        Method::Jwt(name) if name == "main" => jwt(),
        Method::Basic => basic(),
        _ => Attempt::Absent,
    };
    outcome(text, &mut attempts).0
}

fn errors(text: &str) -> String {
    struct Required(#[expect(dead_code)] Expression);

    impl config::FromConfig for Required {
        fn from_config(node: config::Node<'_>) -> Option<Self> {
            Expression::required(node).map(Self)
        }
    }
    config::parse::<Required>(text.as_bytes()).map(drop).map_err(|errors| errors.to_string()).unwrap_err()
}

const ABSENT: fn() -> Attempt = || Attempt::Absent;
const INVALID: fn() -> Attempt = || refused(401);
const FORBIDDEN: fn() -> Attempt = || refused(403);
const THROTTLED: fn() -> Attempt = || refused(429);
const UNAVAILABLE: fn() -> Attempt = || refused(503);
const ALICE: fn() -> Attempt = || verified("alice", &["users"]);
const ADMIN: fn() -> Attempt = || verified("root", &["users", "admins"]);

#[test]
fn nobody_passes_without_a_verified_credential() {
    for text in [
        r#"{"jwt": "main"}"#,
        r#"{"any": [{"jwt": "main"}, {"basic": {}}]}"#,
        r#"{"all": [{"jwt": "main"}, {"basic": {}}]}"#,
        r#"{"all": [{"jwt": "main"}, {"claim": {"name": "sub", "present": false}}]}"#,
        r#"{"any": [{"api_key": {}}, {"hmac": {}}, {"introspection": {}}, {"jwt": "other"}]}"#,
    ] {
        assert_eq!(with(text, ABSENT, ABSENT), "deny 401 missing_credential", "{text}");
    }
}

#[test]
fn a_method_is_tried_once_and_none_that_is_not_needed() {
    let text =
        r#"{"any": [{"all": [{"basic": {}}, {"jwt": "main"}]}, {"all": [{"basic": {}}, {"jwt": "b"}]}, {"hmac": {}}]}"#;
    let mut attempts = |method: &Method| if let Method::Jwt(_) = method { Attempt::Absent } else { ALICE() };
    let (outcome, asked) = outcome(text, &mut attempts);
    assert_eq!(
        (outcome.as_str(), asked.as_slice()),
        ("allow alice", &["basic", "jwt/main", "jwt/b", "hmac"].map(String::from)[..])
    );
    let (_, asked) = super::tests::outcome(r#"{"all": [{"jwt": "main"}, {"basic": {}}]}"#, &mut |_| Attempt::Absent);
    assert_eq!(asked, ["jwt/main"], "no password is hashed for a request that is denied in any case");
    let (_, asked) = super::tests::outcome(r#"{"any": [{"jwt": "main"}, {"basic": {}}]}"#, &mut |_| ALICE());
    assert_eq!(asked, ["jwt/main"]);
}

#[test]
fn any_answers_with_the_failure_that_is_nearest_to_success() {
    let any = r#"{"any": [{"jwt": "main"}, {"basic": {}}]}"#;
    let obstacles = [
        (ABSENT, "deny 401 missing_credential"),
        (INVALID, "deny 401 refused"),
        ((|| refused(413)) as fn() -> Attempt, "deny 413 refused"),
        (FORBIDDEN, "deny 403 refused"),
        (THROTTLED, "deny 429 refused"),
        (UNAVAILABLE, "deny 503 refused"),
    ];
    for (place, (nearer, answer)) in obstacles.into_iter().enumerate() {
        for (farther, _) in obstacles.into_iter().take(place + 1) {
            assert_eq!(with(any, nearer, farther), answer);
            assert_eq!(with(any, farther, nearer), answer);
        }
        assert_eq!(with(any, nearer, ALICE), "allow alice");
    }
}

#[test]
fn all_answers_with_its_first_failure() {
    let all = r#"{"all": [{"jwt": "main"}, {"basic": {}}]}"#;
    assert_eq!(with(all, UNAVAILABLE, INVALID), "deny 503 refused");
    assert_eq!(with(all, ALICE, INVALID), "deny 401 refused");
    assert_eq!(with(all, ALICE, ABSENT), "deny 401 missing_credential");
    assert_eq!(with(all, ALICE, ADMIN), "allow alice root");
}

#[test]
fn not_holds_only_over_what_is_certainly_false() {
    let not = r#"{"not": {"jwt": "main"}}"#;
    assert_eq!(with(not, ABSENT, ABSENT), "allow");
    assert_eq!(with(not, ALICE, ABSENT), "deny 403 excluded");
    for (uncertain, status) in [(INVALID, 401), (FORBIDDEN, 403), (THROTTLED, 429), (UNAVAILABLE, 503)] {
        assert_eq!(with(not, uncertain, ABSENT), format!("deny {status} refused"));
    }
    let twice = r#"{"not": {"not": {"jwt": "main"}}}"#;
    assert_eq!(with(twice, ALICE, ABSENT), "allow");
    assert_eq!(with(twice, ABSENT, ABSENT), "deny 403 excluded");
    assert_eq!(with(twice, UNAVAILABLE, ABSENT), "deny 503 refused");
}

#[test]
fn an_uncertain_branch_keeps_not_from_holding() {
    let neither = r#"{"not": {"any": [{"jwt": "main"}, {"basic": {}}]}}"#;
    assert_eq!(with(neither, ABSENT, ABSENT), "allow");
    assert_eq!(with(neither, ABSENT, INVALID), "deny 401 refused");
    assert_eq!(with(neither, UNAVAILABLE, ABSENT), "deny 503 refused");
    let unbanned = r#"{"not": {"any": [{"all": [{"jwt": "main"}, {"claim": {"name": "groups", "contains": "admins"}}]}, {"basic": {}}]}}"#;
    assert_eq!(with(unbanned, ALICE, ABSENT), "allow");
    assert_eq!(with(unbanned, ALICE, INVALID), "deny 403 claim_mismatch", "the other branch is not certain");
    assert_eq!(with(unbanned, ADMIN, ABSENT), "deny 403 excluded");
}

#[test]
fn a_token_that_is_optional_must_be_good_where_it_is_sent() {
    let optional = r#"{"any": [{"jwt": "main"}, {"not": {"jwt": "main"}}]}"#;
    assert_eq!(with(optional, ALICE, ABSENT), "allow alice");
    assert_eq!(with(optional, ABSENT, ABSENT), "allow");
    assert_eq!(with(optional, INVALID, ABSENT), "deny 401 refused");
    assert_eq!(with(optional, UNAVAILABLE, ABSENT), "deny 503 refused");
}

#[test]
fn conditions_are_about_the_caller_beside_them() {
    let admins =
        r#"{"any": [{"basic": {}}, {"all": [{"claim": {"name": "groups", "contains": "admins"}}, {"jwt": "main"}]}]}"#;
    assert_eq!(with(admins, ADMIN, ABSENT), "allow root");
    assert_eq!(with(admins, ALICE, ABSENT), "deny 403 claim_mismatch");
    assert_eq!(with(admins, ALICE, INVALID), "deny 403 claim_mismatch");
    assert_eq!(with(admins, ABSENT, ABSENT), "deny 401 missing_credential");
    assert_eq!(with(admins, UNAVAILABLE, ABSENT), "deny 503 refused", "nobody is asked about a claim yet");
    let scoped = r#"{"all": [{"jwt": "main"}, {"scope": ["admins"]}]}"#;
    assert_eq!(with(scoped, ALICE, ABSENT), "deny 403 insufficient_scope");
    // The claims of the one do not help the other.
    let two =
        r#"{"all": [{"all": [{"jwt": "main"}, {"claim": {"name": "groups", "contains": "admins"}}]}, {"basic": {}}]}"#;
    assert_eq!(with(two, ALICE, ADMIN), "deny 403 claim_mismatch");
    assert_eq!(with(two, ADMIN, ALICE), "allow root alice");
}

#[test]
fn conditions_deeper_inside_are_about_the_same_caller() {
    let text = r#"{"all": [
        {"any": [{"jwt": "main"}, {"basic": {}}]},
        {"any": [{"claim": {"name": "groups", "contains": "admins"}}, {"all": [{"claim": {"name": "sub", "exact": "alice"}}, {"scope": ["users"]}]}]},
        {"not": {"claim": {"name": "sub", "exact": "mallory"}}}
    ]}"#;
    assert_eq!(with(text, ALICE, ABSENT), "allow alice");
    assert_eq!(with(text, ABSENT, ADMIN), "allow root");
    assert_eq!(with(text, ABSENT, || verified("bob", &["users"])), "deny 403 claim_mismatch");
    assert_eq!(with(text, ABSENT, || verified("mallory", &["admins"])), "deny 403 excluded");
}

#[test]
fn of_a_caller_whom_nobody_has_verified_no_condition_holds_and_none_fails_for_certain() {
    for text in [
        r#"{"all": [{"any": [{"jwt": "main"}, {"not": {"jwt": "main"}}]}, {"claim": {"name": "x", "present": false}}]}"#,
        r#"{"all": [{"any": [{"jwt": "main"}, {"not": {"jwt": "main"}}]}, {"not": {"claim": {"name": "x", "present": true}}}]}"#,
    ] {
        assert_eq!(with(text, ABSENT, ABSENT), "deny 401 missing_credential", "{text}");
        assert_eq!(with(text, ALICE, ABSENT), "allow alice", "{text}");
    }
}

#[test]
fn a_client_that_is_not_among_the_allowed_may_not() {
    let text = r#"{"api_key": {"allowed_clients": ["alice", "bob"]}}"#;
    assert_eq!(outcome(text, &mut |_| ALICE()).0, "allow alice");
    assert_eq!(outcome(text, &mut |_| ADMIN()).0, "deny 403 client_not_allowed");
    assert_eq!(outcome(r#"{"api_key": {}}"#, &mut |_| ADMIN()).0, "allow root");
}

#[test]
fn a_condition_that_is_about_nobody_or_about_several_is_refused() {
    let claim = r#"{"claim": {"name": "a", "exact": "b"}}"#;
    for (text, part) in [
        (claim.to_owned(), "stands beside no method"),
        (format!(r#"{{"not": {claim}}}"#), "stands beside no method"),
        (format!(r#"{{"any": [{{"jwt": "a"}}, {claim}]}}"#), "stands beside no method"),
        (format!(r#"{{"all": [{claim}, {claim}]}}"#), "stands beside no method"),
        (format!(r#"{{"all": [{{"not": {{"jwt": "a"}}}}, {claim}]}}"#), "stands beside no method"),
        (format!(r#"{{"all": [{{"jwt": "a"}}, {{"basic": {{}}}}, {claim}]}}"#), "must be about one caller"),
        (
            format!(r#"{{"all": [{{"all": [{{"jwt": "a"}}, {{"basic": {{}}}}]}}, {{"not": {claim}}}]}}"#),
            "must be about one caller",
        ),
        (format!(r#"{{"all": [{{"jwt": "a"}}, {{"any": [{{"basic": {{}}}}, {claim}]}}]}}"#), "cannot be about"),
    ] {
        assert!(errors(&text).contains(part), "{text}: {}", errors(&text));
    }
}

#[test]
fn what_is_no_expression_is_refused() {
    for text in [
        "{}",
        r#"{"any": []}"#,
        r#"{"all": []}"#,
        r#"{"all": {}}"#,
        r#"{"jwt": "a", "basic": {}}"#,
        r#"{"jwt": ""}"#,
        r#"{"jwt": {}}"#,
        r#"{"basic": {"user": "x"}}"#,
        r#"{"basic": true}"#,
        r#"{"api_key": {"allowed_clients": []}}"#,
        r#"{"jwtt": "a"}"#,
    ] {
        assert!(config::parse::<Expression>(text.as_bytes()).is_err(), "{text}");
    }
}

/// What comes of three methods, each of which is certainly false, unknown or true.
fn attempts() -> impl Strategy<Value = [u8; 3]> {
    [0_u8..4, 0..4, 0..4]
}

fn attempt(kind: u8) -> Attempt {
    match kind {
        0 => Attempt::Absent,
        1 => INVALID(),
        2 => UNAVAILABLE(),
        _ => ALICE(),
    }
}

const METHODS: [fn() -> Method; 3] = [|| Method::Basic, || Method::Hmac, || Method::Introspection];

fn tree() -> impl Strategy<Value = Expression> {
    let leaf =
        (0..METHODS.len()).prop_map(|index| Expression::Caller { method: METHODS[index](), allowed: Vec::new() });
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Expression::Any),
            (prop::collection::vec(inner.clone(), 1..4), prop::collection::vec(inner.clone(), 0..2))
                .prop_map(|(callers, conditions)| Expression::All { callers, conditions }),
            inner.prop_map(|item| Expression::Not(Box::new(item))),
        ]
    })
}

/// Kleene's logic, in which nothing is known of what was refused.
fn kleene(expression: &Expression, attempts: [u8; 3]) -> Option<bool> {
    let of = |item: &Expression| kleene(item, attempts);
    match expression {
        Expression::Any(items) => {
            let values: Vec<_> = items.iter().map(of).collect();
            if values.contains(&Some(true)) { Some(true) } else { (!values.contains(&None)).then_some(false) }
        }
        Expression::All { callers, conditions } => {
            let values: Vec<_> = callers.iter().chain(conditions).map(of).collect();
            if values.contains(&Some(false)) { Some(false) } else { (!values.contains(&None)).then_some(true) }
        }
        Expression::Not(item) => of(item).map(|value| !value),
        Expression::Caller { method, .. } => {
            let index = METHODS.iter().position(|known| known() == *method).unwrap();
            match attempts[index] {
                0 => Some(false),
                1 | 2 => None,
                _ => Some(true),
            }
        }
        Expression::Condition(_) => None,
    }
}

proptest! {
    #[test]
    fn a_request_passes_only_if_it_would_whatever_the_unknown_turned_out_to_be(tree in tree(), kinds in attempts()) {
        let (mut tried, mut steps) = (Tried::default(), 0);
        let allowed = loop {
            match tree.step(&tried) {
                Step::Try(method) => {
                    let method = method.clone();
                    let index = METHODS.iter().position(|known| known() == method).unwrap();
                    tried.insert(method, attempt(kinds[index]));
                    steps += 1;
                    prop_assert!(steps <= METHODS.len(), "a method is tried twice");
                }
                Step::Allow(_) => break true,
                Step::Deny(denial) => {
                    prop_assert!((400..600).contains(&denial.status()));
                    break false;
                }
            }
        };
        match kleene(&tree, kinds) {
            Some(true) => prop_assert!(allowed || kinds.iter().any(|kind| matches!(kind, 1 | 2))),
            Some(false) | None => prop_assert!(!allowed),
        }
    }

    #[test]
    fn where_nothing_is_unknown_the_logic_is_that_of_two_values(tree in tree(), kinds in [0_u8..2, 0..2, 0..2]) {
        let kinds = kinds.map(|kind| kind * 3);
        let mut tried = Tried::default();
        for (method, kind) in METHODS.iter().zip(kinds) {
            tried.insert(method(), attempt(kind));
        }
        prop_assert_eq!(matches!(tree.step(&tried), Step::Allow(_)), kleene(&tree, kinds) == Some(true));
    }
}
