use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: Duration = Duration::from_secs(1_000_000);

fn token(members: Value) -> Token {
    Token::parse(members.to_string().as_bytes()).unwrap().unwrap()
}

fn refusal(members: Value, expected: &Expected<'_>) -> Option<(u16, &'static str, Option<&'static str>)> {
    let refusal = token(members).meets(expected, NOW).err()?;
    Some((refusal.status, refusal.reason, refusal.error))
}

const ANY: Expected<'static> =
    Expected { issuer: None, audiences: &[], scopes: &[], clock_skew: Duration::from_secs(60) };

#[test]
fn active_is_the_boolean_true_and_nothing_else() {
    assert!(Token::parse(br#"{"active": true}"#).unwrap().is_some());
    assert!(Token::parse(br#"{"active": false, "sub": "x"}"#).unwrap().is_none());
    for answer in [
        "",
        "true",
        "[]",
        "{}",
        "null",
        r#"{"active": "true"}"#,
        r#"{"active": 1}"#,
        r#"{"active": null}"#,
        r#"{"Active": true}"#,
        r#"{"active": true, "active": true}"#,
        r#"{"active": false, "active": true}"#,
        r#"{"active": true} {"active": true}"#,
        r#"{"active": true"#,
        "<html>",
        "\u{feff}{\"active\": true}",
    ] {
        assert_eq!(Token::parse(answer.as_bytes()).err(), Some(Malformed), "{answer}");
    }
    let deep = |depth: usize| format!(r#"{{"active": true, "x": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(Token::parse(deep(31).as_bytes()).is_ok());
    assert_eq!(Token::parse(deep(32).as_bytes()).err(), Some(Malformed));
}

#[test]
fn a_member_of_another_type_makes_no_sense() {
    for member in [
        r#""exp": "1000""#,
        r#""exp": -1"#,
        r#""exp": 1e300"#,
        r#""exp": null"#,
        r#""nbf": true"#,
        r#""nbf": "0""#,
        r#""sub": 1"#,
        r#""iss": ["a"]"#,
        r#""scope": ["a"]"#,
        r#""client_id": {}"#,
        r#""token_type": null"#,
    ] {
        let answer = format!(r#"{{"active": true, {member}}}"#);
        assert_eq!(Token::parse(answer.as_bytes()).err(), Some(Malformed), "{member}");
    }
}

#[test]
fn times_count_within_the_skew() {
    let expired = Some((401, "expired", Some("invalid_token")));
    assert_eq!(refusal(json!({"active": true, "exp": 999_939}), &ANY), expired);
    assert_eq!(refusal(json!({"active": true, "exp": 999_939.9}), &ANY), expired);
    assert_eq!(refusal(json!({"active": true, "exp": 999_940}), &ANY), None);
    assert_eq!(refusal(json!({"active": true, "nbf": 1_000_060}), &ANY), None);
    let early = Some((401, "not_yet_valid", Some("invalid_token")));
    assert_eq!(refusal(json!({"active": true, "nbf": 1_000_060.5}), &ANY), early);
}

#[test]
fn the_issuer_is_compared_exactly() {
    let expected = Expected { issuer: Some("https://idp.example"), ..ANY };
    assert_eq!(refusal(json!({"active": true, "iss": "https://idp.example"}), &expected), None);
    for answer in [json!({"active": true}), json!({"active": true, "iss": "https://idp.example/"})] {
        assert_eq!(refusal(answer, &expected), Some((401, "wrong_issuer", Some("invalid_token"))));
    }
}

#[test]
fn one_audience_has_to_fit() {
    let audiences = ["shop".to_owned(), "cart".to_owned()];
    let expected = Expected { audiences: &audiences, ..ANY };
    for aud in [json!("cart"), json!(["x", "shop"]), json!(["shop", 7])] {
        assert_eq!(refusal(json!({"active": true, "aud": aud}), &expected), None, "{aud}");
    }
    for aud in [json!("sho"), json!(["Shop"]), json!([]), json!(7), json!({"shop": 1}), json!("shop cart")] {
        let refused = Some((403, "wrong_audience", Some("invalid_token")));
        assert_eq!(refusal(json!({"active": true, "aud": aud}), &expected), refused, "{aud}");
    }
    assert!(refusal(json!({"active": true}), &expected).is_some());
}

#[test]
fn every_scope_has_to_be_granted() {
    let scopes = ["read".to_owned(), "write".to_owned()];
    let expected = Expected { scopes: &scopes, ..ANY };
    assert_eq!(refusal(json!({"active": true, "scope": "write admin read"}), &expected), None);
    assert_eq!(refusal(json!({"active": true, "scp": ["write", "read"]}), &expected), None);
    for scope in ["read", "", "read,write", "reads write", "read WRITE"] {
        let refused = Some((403, "insufficient_scope", Some("insufficient_scope")));
        assert_eq!(refusal(json!({"active": true, "scope": scope}), &expected), refused, "{scope}");
    }
    assert!(refusal(json!({"active": true}), &expected).is_some());
}

/// Catches a stolen token that is bound to a key which the thief does not have.
#[test]
fn a_token_that_is_bound_to_a_key_is_no_bearers() {
    for kind in ["DPoP", "dpop"] {
        let refused = Some((401, "wrong_token_type", Some("invalid_token")));
        assert_eq!(refusal(json!({"active": true, "token_type": kind}), &ANY), refused);
    }
    let refused = Some((401, "wrong_token_type", Some("invalid_token")));
    assert_eq!(refusal(json!({"active": true, "cnf": {"jkt": "0ZcOCORZNYy"}}), &ANY), refused);
    assert_eq!(refusal(json!({"active": true, "token_type": "Bearer"}), &ANY), None);
    // What TLS proves is for TLS to check (RFC 8705, section 3).
    assert_eq!(refusal(json!({"active": true, "cnf": {"x5t#S256": "bwcK0esc3AC"}}), &ANY), None);
}

#[test]
fn the_subject_is_the_best_name_there_is() {
    let subject = |members: Value| token(members).identity().subject.clone();
    assert_eq!(subject(json!({"active": true, "client_id": "c", "username": "u", "sub": "s"})), "s");
    assert_eq!(subject(json!({"active": true, "client_id": "c", "username": "u"})), "u");
    assert_eq!(subject(json!({"active": true, "client_id": "c"})), "c");
    assert_eq!(subject(json!({"active": true})), "");
    let identity = token(json!({"active": true, "sub": "s", "plan": {"tier": "vip"}})).identity();
    assert_eq!(Value::Object(identity.claims.clone()), json!({"sub": "s", "plan": {"tier": "vip"}}));
}

#[test]
fn json_is_told_by_its_media_type() {
    for media_type in ["application/json", "Application/JSON; charset=utf-8", "application/json ;x=y"] {
        assert!(is_json(media_type.as_bytes()), "{media_type}");
    }
    for media_type in
        ["", "text/html", "application/jsonp", "application/token-introspection+jwt", "x;application/json"]
    {
        assert!(!is_json(media_type.as_bytes()), "{media_type}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_never_an_active_token(answer in proptest::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(!matches!(Token::parse(&answer), Ok(Some(_))));
    }
}
