//! What an authorization server answers about a token.

use std::time::Duration;

use palisade_auth::introspection::answer::{Expected, Token, is_json};

use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "introspection",
    words: &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"active\":true",
        "\"active\":false",
        "\"active\":\"true\"",
        "\"exp\":",
        "\"nbf\":",
        "\"aud\":",
        "\"iss\":",
        "\"scope\":\"read\"",
        "\"sub\":\"alice\"",
        "\"token_type\":\"DPoP\"",
        "1700000000",
        "1e308",
        "-1",
        "null",
        "\\u0000",
    ],
    run,
};

/// Holds that only what says `true` is active, that an expired token meets nothing, and that what is asked for is there.
pub fn run(data: &[u8]) {
    assert!(!is_json(data) || data.len() >= "application/json".len());
    let Ok(Some(token)) = Token::parse(data) else { return };
    let text = str::from_utf8(data).unwrap_or_else(|_| panic!("an answer that is no text"));
    assert!(text.contains("true"), "active without a word");
    let (audiences, scopes) = (["shop".to_owned()], ["read".to_owned()]);
    let skew = Duration::from_secs(60);
    let expected = Expected { issuer: Some("idp"), audiences: &audiences, scopes: &scopes, clock_skew: skew };
    let now = Duration::from_secs(1_700_000_000);
    if token.meets(&expected, now).is_ok() {
        assert!(token.expires().is_none_or(|expires| expires + skew >= now), "expired");
        let identity = token.identity();
        let claims = &identity.claims;
        assert_eq!(claims.get("iss").and_then(|issuer| issuer.as_str()), Some("idp"));
        assert!(claims.contains_key("aud") && claims.contains_key("scope"));
    }
}
