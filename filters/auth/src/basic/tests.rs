use palisade_sdk::{HeaderMap, config};

use super::*;

const GOOD: &str = "alice:{SHA}/BkxjdExKM4UNE0GZRCpgiacJBs=";

fn read(json: &str) -> Result<BasicConfig, String> {
    config::parse(json.as_bytes()).map_err(|errors| errors.to_string())
}

fn verifier() -> Verifier {
    let BasicConfig { file, .. } = read(&format!(r#"{{"users": {{"htpasswd": {{"inline": "{GOOD}"}}}}}}"#)).unwrap();
    let randomness = Randomness { tagger: Tagger::with_key([1; 16]), seed: Seed::from_bytes([2; 16]) };
    Verifier::new(file, (Duration::from_secs(300), 8), Budget::new(1, Percent::ALL), randomness)
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    HeaderMap::from_lines(lines.iter().map(|(name, value)| (*name, value.as_bytes())))
}

/// What comes of requests that follow each other at once.
fn attempts(verifier: &mut Verifier, lines: &[(&str, &str)], now: Result<u64, ()>) -> Result<String, &'static str> {
    match attempt(verifier, Head::new(&headers(lines)), || now.map(Duration::from_secs)).0 {
        Attempt::Absent => Err("absent"),
        Attempt::Verified(identity) => Ok(identity.subject.clone()),
        Attempt::Refused(refusal) => Err(refusal.reason),
    }
}

#[test]
fn the_defaults_are_those_of_the_reference() {
    let config = read(&format!(r#"{{"users": {{"htpasswd": {{"inline": "{GOOD}"}}}}}}"#)).unwrap();
    assert_eq!((config.max_hashes_per_second, config.max_hash_share), (5, Percent::whole(10)));
    assert_eq!((config.cache.ttl, config.cache.entries), (Duration::from_secs(300), 1_024));
    assert_eq!((config.hide_credentials, config.realm()), (false, None));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let errors = read(
        r#"{"users": {"htpasswd": {"inline": "canary\nbob:{PLAIN}canary\n"}}, "max_bcrypt_cost": 17, "realm": "a\"b",
            "max_hash_share": "0%", "max_argon2_memory": "1KiB", "cache": {"ttl": 5}, "max_hashes_per_second": 0}"#,
    )
    .unwrap_err();
    let paths: Vec<_> = errors.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(
        paths,
        ["max_bcrypt_cost", "max_argon2_memory", "realm", "max_hashes_per_second", "max_hash_share", "cache.ttl"]
    );
    assert!(!errors.contains("canary"));
}

#[test]
fn each_bad_line_of_the_file_is_reported_and_not_repeated() {
    let errors = read(r#"{"users": {"htpasswd": {"inline": "canary\nbob:{PLAIN}canary\n"}}}"#).unwrap_err();
    assert_eq!(
        errors,
        "users.htpasswd.inline: line 1: expected USER:HASH, found no colon\n\
         users.htpasswd.inline: line 2: {PLAIN} protects no password; hash it with bcrypt, or set \"allow_insecure\""
    );
}

#[test]
fn a_config_shows_no_hash() {
    let config = read(&format!(r#"{{"users": {{"htpasswd": {{"inline": "{GOOD}"}}}}}}"#)).unwrap();
    assert_eq!(format!("{config:?}"), "BasicConfig(1 users)");
}

#[test]
fn a_file_from_the_environment_is_not_read_where_there_is_none() {
    assert!(read(r#"{"users": {"htpasswd": {"inline": {"env": "USERS"}}}}"#).is_ok());
}

#[test]
fn only_a_basic_credential_is_looked_at() {
    for (lines, expected) in [
        (&[][..], "absent"),
        (&[("authorization", "Bearer YTpi")], "absent"),
        (&[("authorization", "Basic YTpi"), ("authorization", "Basic YTpi")], "multiple_credentials"),
        (&[("authorization", "Basic YTpi,Basic YTpi")], "multiple_credentials"),
        (&[("authorization", "Basic")], "malformed_credential"),
        (&[("authorization", "bASIC YTp=")], "malformed_credential"),
        (&[("authorization", "Basic YTpi YTpi")], "malformed_credential"),
        (&[("authorization", "Basic YTpi")], "wrong_credential"),
    ] {
        assert_eq!(attempts(&mut verifier(), lines, Ok(1)), Err(expected), "{lines:?}");
    }
}

#[test]
fn a_user_is_verified_or_told_to_come_back() {
    let verifier = &mut verifier();
    let alice = &[("authorization", "Basic YWxpY2U6Z29vZA==")];
    let bob = &[("authorization", "basic Ym9iOmdvb2Q=")];
    assert_eq!(attempts(verifier, alice, Ok(1)).as_deref(), Ok("alice"));
    assert_eq!(attempts(verifier, bob, Ok(1)), Err("hash_budget"));
    assert_eq!(attempts(verifier, alice, Ok(1)).as_deref(), Ok("alice"));
    assert_eq!(attempts(verifier, bob, Ok(2)), Err("wrong_credential"));
    assert_eq!(attempts(verifier, alice, Err(())), Err("clock_unavailable"));
}

#[test]
fn a_refusal_for_want_of_time_is_429_and_says_how_long() {
    let verifier = &mut verifier();
    let alice = headers(&[("authorization", "Basic YWxpY2U6Z29vZA==")]);
    let bob = headers(&[("authorization", "Basic Ym9iOmdvb2Q=")]);
    let now = || Ok::<_, ()>(Duration::from_secs(1));
    attempt(verifier, Head::new(&alice), now);
    let (Attempt::Refused(refusal), Some("throttled")) = attempt(verifier, Head::new(&bob), now) else {
        panic!("not throttled")
    };
    assert_eq!((refusal.status, refusal.retry_after), (429, Some(Duration::from_secs(1))));
}

#[test]
fn a_credential_of_another_scheme_is_none_to_hide() {
    for (value, expected) in [("Basic YTpi", true), ("Bearer YTpi", false), ("Basic YTpi,Basic YTpi", false)] {
        assert_eq!(is_basic(Head::new(&headers(&[("authorization", value)]))), expected, "{value}");
    }
}
