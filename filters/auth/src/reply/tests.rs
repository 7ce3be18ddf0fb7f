use super::*;
use crate::expression::{Expression, Step};
use crate::method::Identity;
use palisade_sdk::config;

fn speech(expose_reason: bool) -> Speech {
    Speech { realm: "shop".into(), basic_realm: Some("admin".into()), expose_reason }
}

fn refused(status: u16, error: Option<&'static str>) -> Attempt {
    Attempt::Refused(Refusal { status, reason: "expired", error, retry_after: Some(Duration::from_millis(1500)) })
}

/// The answer where every method came to what `attempt` says.
fn answer(text: &str, expose_reason: bool, mut attempt: impl FnMut(&Method) -> Attempt) -> Answer {
    let expression: Expression = config::parse(text.as_bytes()).unwrap();
    let mut tried = Tried::default();
    loop {
        let method = match expression.step(&tried) {
            Step::Try(method) => method.clone(),
            Step::Deny(denial) => return Answer::of(&denial, &tried, &speech(expose_reason)),
            Step::Allow(_) => panic!("{text} holds"),
        };
        let attempt = attempt(&method);
        tried.insert(method, attempt);
    }
}

fn alice() -> Attempt {
    Attempt::Verified(Identity::named("test", "alice".into()))
}

const ALL: &str =
    r#"{"any": [{"jwt": "main"}, {"jwt": "b"}, {"basic": {}}, {"api_key": {}}, {"hmac": {}}, {"introspection": {}}]}"#;

#[test]
fn a_401_has_one_challenge_for_each_scheme_that_was_tried() {
    let answer = answer(ALL, true, |_| Attempt::Absent);
    assert_eq!((answer.status, answer.reason), (401, "missing_credential"));
    assert_eq!(
        answer.challenges,
        [
            r#"Bearer realm="shop""#,
            r#"Basic realm="admin", charset="UTF-8""#,
            r#"ApiKey realm="shop""#,
            r#"Signature realm="shop""#,
        ]
    );
}

#[test]
fn a_challenge_says_what_is_wrong_only_where_a_token_was_sent() {
    let invalid = |method: &Method| match method {
        Method::Jwt(name) if name == "b" => refused(401, Some("invalid_token")),
        _ => Attempt::Absent,
    };
    let closed = answer(ALL, false, invalid);
    assert_eq!(closed.challenges.first().unwrap(), r#"Bearer realm="shop", error="invalid_token""#);
    let open = answer(ALL, true, invalid);
    let expected = r#"Bearer realm="shop", error="invalid_token", error_description="expired""#;
    assert_eq!(open.challenges.first().unwrap(), expected);
    assert_eq!((open.status, open.reason), (401, "expired"));
}

#[test]
fn a_403_says_which_scope_is_lacking() {
    let scoped = answer(r#"{"all": [{"jwt": "main"}, {"scope": ["a", "b"]}]}"#, false, |_| alice());
    assert_eq!((scoped.status, scoped.reason), (403, "insufficient_scope"));
    assert_eq!(scoped.challenges, [r#"Bearer realm="shop", error="insufficient_scope", scope="a b""#]);
    let claim = answer(r#"{"all": [{"jwt": "main"}, {"claim": {"name": "a", "exact": "b"}}]}"#, false, |_| alice());
    assert_eq!((claim.status, claim.reason), (403, "claim_mismatch"));
    assert_eq!(claim.challenges, [r#"Bearer realm="shop", error="insufficient_scope""#]);
    let basic = answer(r#"{"all": [{"basic": {}}, {"claim": {"name": "a", "exact": "b"}}]}"#, false, |_| alice());
    assert_eq!((basic.status, basic.challenges.len()), (403, 0));
    let refused = answer(r#"{"jwt": "main"}"#, false, |_| refused(403, None));
    assert_eq!((refused.status, refused.challenges.len()), (403, 0));
}

#[test]
fn what_helps_later_says_when() {
    let throttled = answer(r#"{"basic": {}}"#, false, |_| refused(429, None));
    assert_eq!((throttled.status, throttled.retry_after), (429, Some(Duration::from_millis(1500))));
    assert!(throttled.challenges.is_empty());
    assert_eq!([0, 1, 1000, 1500, 2000].map(|millis| seconds(Duration::from_millis(millis))), [1, 1, 1, 2, 2]);
}

#[test]
fn every_answer_is_a_valid_message() {
    for is_grpc in [false, true] {
        for expose_reason in [false, true] {
            let answer = answer(ALL, expose_reason, |_| refused(401, Some("invalid_token")));
            answer.into_reply(&speech(expose_reason), is_grpc).unwrap();
        }
    }
}
