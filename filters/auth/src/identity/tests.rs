use palisade_sdk::config;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn forward(json: Value) -> Forward {
    config::parse::<ForwardToken>(json.to_string().as_bytes()).unwrap().forward
}

fn caller(claims: Value) -> Identity {
    let claims = claims.as_object().unwrap().clone();
    Identity::new("jwt", "main".into(), "alice".into(), claims)
}

/// The one header that is made of a claim.
fn header(claim: Value, encoding: &str) -> Option<String> {
    let forward = forward(json!({"claims": [{"claim": "c", "header": "x", "encoding": encoding}]}));
    let hand_over = hand_over(&[(&caller(json!({"c": claim})), &forward)]);
    let [(name, value)] = hand_over.headers.as_slice() else { return None };
    assert_eq!(name, "x");
    Some(String::from_utf8(value.clone()).unwrap())
}

fn published(hand_over: &HandOver) -> Value {
    serde_json::from_slice(&hand_over.published).unwrap()
}

#[test]
fn only_chosen_claims_are_handed_over() {
    let forward = forward(json!({"claims": [
        {"claim": "sub", "header": "x-auth-sub"},
        {"claim": "plan.tier", "header": "x-user-tier", "as": "tier"},
        {"claim": "groups"},
        {"claim": "missing", "header": "x-missing"},
        {"claim": "nothing", "header": "x-nothing"}
    ]}));
    let caller =
        caller(json!({"plan": {"tier": "pro", "price": 9}, "groups": ["a"], "email": "canary", "nothing": null}));
    let hand_over = hand_over(&[(&caller, &forward)]);
    assert_eq!(
        hand_over.headers,
        [("x-auth-sub".to_owned(), b"alice".to_vec()), ("x-user-tier".to_owned(), b"pro".to_vec())]
    );
    assert_eq!(
        published(&hand_over),
        json!({
            "method": "jwt", "provider": "main", "subject": "alice",
            "claims": {"sub": "alice", "tier": "pro", "groups": ["a"]},
        })
    );
    assert_eq!(hand_over.dropped, 0);
}

#[test]
fn nobody_hands_over_nothing() {
    assert_eq!(*hand_over(&[]), HandOver::default());
    let identity = caller(json!({"email": "canary"}));
    assert_eq!(*hand_over(&[(&identity, &Forward::default())]), HandOver::default());
}

/// Catches a caller who is known and yet made anew for each request, and one of whom a second method hands over what the
/// first has chosen.
#[test]
fn what_a_method_hands_over_of_a_caller_is_made_once() {
    let first = forward(json!({"claims": [{"claim": "sub", "header": "x-first"}]}));
    let second = forward(json!({"claims": [{"claim": "sub", "header": "x-second"}]}));
    let caller = caller(json!({}));
    let handed_over = hand_over(&[(&caller, &first)]);
    assert!(Rc::ptr_eq(&handed_over, &hand_over(&[(&caller, &first)])));
    let anew = hand_over(&[(&caller.anew(), &second)]);
    assert_eq!(anew.headers, [("x-second".to_owned(), b"alice".to_vec())]);
    assert!(Rc::ptr_eq(&handed_over, &hand_over(&[(&caller, &first)])));
}

#[test]
fn of_several_callers_the_first_counts() {
    let forward = forward(json!({"claims": [{"claim": "sub", "header": "x-sub"}, {"claim": "tier"}]}));
    let first = caller(json!({}));
    let second = Identity::new("jwt", "main".into(), "bob".into(), caller(json!({"tier": "pro"})).claims);
    let hand_over = hand_over(&[(&first, &forward), (&second, &forward)]);
    assert_eq!(hand_over.headers, [("x-sub".to_owned(), b"alice".to_vec())]);
    assert_eq!(published(&hand_over)["claims"], json!({"sub": "alice", "tier": "pro"}));
    assert_eq!(published(&hand_over)["subject"], "alice");
}

#[test]
fn a_header_holds_visible_ascii_only() {
    for (claim, text) in [
        (json!("pro"), Some("pro")),
        (json!("a b"), Some("a b")),
        (json!(""), Some("")),
        (json!(7), Some("7")),
        (json!(true), Some("true")),
        (json!(["a", "é", 1]), Some(r#"["a","\u00e9",1]"#)),
        (json!({"a": "😀\r\n\u{7f}"}), Some(r#"{"a":"\ud83d\ude00\r\n\u007f"}"#)),
        (json!("a\r\nx-admin: true"), None),
        (json!("a\u{0}"), None),
        (json!(" a"), None),
        (json!("a\t"), None),
        (json!("é"), None),
        (json!("a".repeat(8192)), Some("a".repeat(8192)).as_deref()),
        (json!("a".repeat(8193)), None),
    ] {
        assert_eq!(header(claim.clone(), "text").as_deref(), text, "{claim}");
    }
    assert_eq!(header(json!("é\r\n"), "base64url").as_deref(), Some("w6kNCg"));
    assert_eq!(header(json!({"a": 1}), "base64url").as_deref(), Some("eyJhIjoxfQ"));
}

#[test]
fn what_no_header_can_hold_is_left_out_and_counted() {
    let forward =
        forward(json!({"payload_header": "x-payload", "claims": [{"claim": "c", "header": "x"}, {"claim": "long"}]}));
    let identity = caller(json!({"c": "a\nb", "long": "a".repeat(9000)}));
    let hand_over = hand_over(&[(&identity, &forward)]);
    assert_eq!((hand_over.headers.len(), hand_over.dropped), (0, 3));
    assert_eq!(published(&hand_over)["claims"], json!({"c": "a\nb"}));
}

#[test]
fn the_payload_is_json_in_base64url() {
    let forward = forward(json!({"payload_header": "x-payload"}));
    let hand_over = hand_over(&[(&caller(json!({"a": 1})), &forward)]);
    assert_eq!(hand_over.headers, [("x-payload".to_owned(), b"eyJhIjoxfQ".to_vec())]);
}

#[test]
fn headers_of_the_filter_are_reserved_however_they_are_spelt() {
    let reserved = Reserved {
        own: vec!["x-user-tier".to_owned(), "x_odd".to_owned()],
        credentials: vec!["x-auth-token".to_owned()],
    };
    for name in
        ["x-auth-sub", "x-auth-", "X-Auth-Sub", "x_auth_sub", "x-user-tier", "x_user_tier", "x-odd", "x_auth_token"]
    {
        assert!(reserved.has(name.as_bytes()), "{name}");
    }
    for name in ["x-auth", "x-user", "x-user-tier2", "authorization", "x-authority", ":path", "x-auth-token"] {
        assert!(!reserved.has(name.as_bytes()), "{name}");
    }
}

#[test]
fn what_cannot_be_handed_over_is_refused() {
    for json in [
        json!({"claims": []}),
        json!({"claims": [{}]}),
        json!({"claims": [{"claim": ""}]}),
        json!({"claims": [{"claim": "a", "header": ":path"}]}),
        json!({"claims": [{"claim": "a", "header": "Content-Length"}]}),
        json!({"claims": [{"claim": "a", "header": "host"}]}),
        json!({"claims": [{"claim": "a", "header": "cookie"}]}),
        json!({"claims": [{"claim": "a", "header": "a b"}]}),
        json!({"claims": [{"claim": "a", "encoding": "text"}]}),
        json!({"claims": [{"claim": "a", "header": "x", "encoding": "hex"}]}),
        json!({"claims": [{"claim": "a", "header": "x"}, {"claim": "b", "header": "X"}]}),
        json!({"claims": [{"claim": "a", "header": "x"}], "payload_header": "x"}),
        json!({"strip": true}),
    ] {
        assert!(config::parse::<ForwardToken>(json.to_string().as_bytes()).is_err(), "{json}");
    }
    assert!(config::parse::<Forward>(br#"{"strip_token": true}"#).is_err());
}

proptest! {
    #[test]
    fn no_claim_splits_a_message(text in "\\PC*|[\\x00-\\x7f]*", encoding in prop::sample::select(vec!["text", "base64url"])) {
        for claim in [json!(text), json!([text]), json!({text.clone(): 1})] {
            if let Some(value) = header(claim, encoding) {
                prop_assert!(is_header_value(value.as_bytes()));
            }
        }
    }
}
