//! The claims of a token.

use std::time::Duration;

use palisade_auth::jose::claims::Requirements;

use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "claims",
    words: &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"iss\":\"i\"",
        "\"aud\":\"shop\"",
        "\"aud\":[\"shop\"]",
        "\"exp\":",
        "\"nbf\":",
        "\"iat\":",
        "\"sub\":\"s\"",
        "1e3",
        "-1",
        "9007199254740992",
        "1e400",
        "0.5",
        "null",
        "true",
        "\\u0000",
        "[[[[[[[[",
        "{\"a\":",
    ],
    run,
};

/// The time at which tokens are looked at, in seconds since the Unix epoch.
const NOW: Duration = Duration::from_secs(1_000);

/// Holds that claims which pass are of this issuer and for this audience, that they hold now and cease to hold at the time that is
/// said, and that a laxer provider takes what a stricter one does.
pub fn run(data: &[u8]) {
    let strict = Requirements {
        issuer: "i".to_owned(),
        audiences: vec!["shop".to_owned()],
        lenient_audience: false,
        require: vec!["exp".to_owned(), "sub".to_owned()],
        clock_skew: Duration::ZERO,
        max_token_age: Some(Duration::from_secs(600)),
        reject_future_iat: true,
    };
    let lax = Requirements {
        audiences: Vec::new(),
        require: Vec::new(),
        clock_skew: Duration::from_secs(60),
        max_token_age: None,
        reject_future_iat: false,
        ..strict.clone()
    };
    if let Ok(claims) = strict.check(data, NOW) {
        assert_eq!(claims.all["iss"], "i");
        let audience = &claims.all["aud"];
        assert!(audience == "shop" || audience.as_array().is_some_and(|list| list.iter().any(|one| one == "shop")));
        assert!(claims.all["sub"].as_str().is_some_and(|subject| !subject.is_empty()));
        let until = claims.until.expect("a token with an end has one");
        assert!(until >= NOW);
        assert!(strict.check(data, until + Duration::from_secs(1)).is_err(), "claims hold longer than they say");
        assert!(lax.check(data, NOW).is_ok(), "laxer and yet stricter");
    }
    if let Ok(claims) = lax.check(data, NOW) {
        assert_eq!(claims.all["iss"], "i");
        for time in ["exp", "nbf", "iat"] {
            assert!(claims.all.get(time).is_none_or(|time| time.as_f64().is_some_and(|time| time >= 0.0)), "{time}");
        }
        let other = Requirements { issuer: "I".to_owned(), ..lax };
        assert!(other.check(data, NOW).is_err());
    }
}
