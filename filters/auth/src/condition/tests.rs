use palisade_sdk::config::{self, FromConfig, Node};
use serde_json::{Value, json};

use super::*;

struct Claim(Condition);

impl FromConfig for Claim {
    fn from_config(node: Node<'_>) -> Option<Self> {
        Condition::claim(node).map(Self)
    }
}

struct Scope(Condition);

impl FromConfig for Scope {
    fn from_config(node: Node<'_>) -> Option<Self> {
        Condition::scope(node).map(Self)
    }
}

fn caller(claims: Value) -> Identity {
    let claims = claims.as_object().unwrap().clone();
    Identity::new("jwt", "main".into(), "alice".into(), claims)
}

fn holds(condition: Value, claims: Value) -> bool {
    let Claim(condition) = config::parse(condition.to_string().as_bytes()).unwrap();
    condition.holds(&caller(claims))
}

#[test]
fn a_claim_is_compared_by_value_and_type() {
    for (test, claim, expected) in [
        (json!({"exact": "a"}), json!("a"), true),
        (json!({"exact": "a"}), json!("A"), false),
        (json!({"exact": "a"}), json!(["a"]), false),
        (json!({"exact": "1"}), json!(1), false),
        (json!({"exact": 1}), json!(1.0), true),
        (json!({"exact": true}), json!(true), true),
        (json!({"exact": true}), json!("true"), false),
        (json!({"one_of": ["a", 2]}), json!(2), true),
        (json!({"one_of": ["a", 2]}), json!("b"), false),
        (json!({"contains": "a"}), json!(["b", "a"]), true),
        (json!({"contains": "a"}), json!("cat"), false),
        (json!({"contains": "a"}), json!({"a": 1}), false),
        (json!({"contains": "a"}), json!([["a"]]), false),
        (json!({"prefix": "ab"}), json!("abc"), true),
        (json!({"prefix": "ab"}), json!(["ab"]), false),
        (json!({"suffix": "@example.com"}), json!("a@example.com"), true),
        (json!({"suffix": "@example.com"}), json!("a@example.com.evil"), false),
        (json!({"present": true}), json!(""), true),
        (json!({"present": true}), json!(null), false),
        (json!({"present": false}), json!(null), true),
        (json!({"present": false}), json!(0), false),
        (json!({"exact": "null"}), json!(null), false),
    ] {
        let mut condition = test.clone();
        condition["name"] = json!("c");
        assert_eq!(holds(condition, json!({"c": claim})), expected, "{test} {claim}");
    }
}

#[test]
fn a_claim_is_found_by_its_name_or_by_a_path() {
    let is = |name: &str, claims| holds(json!({"name": name, "exact": "x"}), claims);
    assert!(is("a.b", json!({"a": {"b": "x"}})));
    assert!(is("a.b", json!({"a.b": "x", "a": {"b": "y"}})), "the whole name comes first");
    assert!(is("https://example.com/role", json!({"https://example.com/role": "x"})));
    assert!(!is("a.b", json!({"a": "x"})));
    assert!(!is("a.b.c", json!({"a": {"b": "x"}})));
    assert!(!is("a", json!({})));
    assert!(holds(json!({"name": "sub", "exact": "alice"}), json!({})), "the subject is a claim of every method");
}

#[test]
fn all_scopes_must_be_there_as_words() {
    let holds = |words: Value, claims: Value| {
        let Scope(condition) = config::parse(words.to_string().as_bytes()).unwrap();
        condition.holds(&caller(claims))
    };
    assert!(holds(json!(["read", "write"]), json!({"scope": "write admin read"})));
    assert!(holds(json!(["read"]), json!({"scp": ["read"]})));
    assert!(holds(json!(["read"]), json!({"scp": "read write"})));
    assert!(!holds(json!(["read", "write"]), json!({"scope": "read"})));
    assert!(!holds(json!(["read"]), json!({"scope": "reader"})));
    assert!(!holds(json!(["read"]), json!({"scope": "", "scp": "read"})), "the one claim stands for the other nowhere");
    assert!(!holds(json!(["read"]), json!({"scope": {"read": true}})));
    assert!(!holds(json!(["read"]), json!({})));
}

#[test]
fn what_is_no_condition_is_refused() {
    for text in [
        r#"{"name": "a"}"#,
        r#"{"exact": "a"}"#,
        r#"{"name": "", "exact": "a"}"#,
        r#"{"name": "a", "exact": null}"#,
        r#"{"name": "a", "exact": ["b"]}"#,
        r#"{"name": "a", "one_of": []}"#,
        r#"{"name": "a", "prefix": ""}"#,
        r#"{"name": "a", "exact": "b", "prefix": "b"}"#,
        r#"{"name": "a", "matches": "b"}"#,
        r#"{"name": "a", "present": "yes"}"#,
    ] {
        assert!(config::parse::<Claim>(text.as_bytes()).is_err(), "{text}");
    }
    for text in ["[]", r#"["a b"]"#, r#"[""]"#, r#"["a\"b"]"#, r#""a""#] {
        assert!(config::parse::<Scope>(text.as_bytes()).is_err(), "{text}");
    }
}
