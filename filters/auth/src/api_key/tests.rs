use palisade_sdk::{HeaderMap, config};

use super::*;

const FIRST: &str =
    "{\"id\": \"mobile\", \"key_sha256\": \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"}";
const SECOND: &str = "{\"id\": \"old\", \"key_sha256\": \"sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7\", \
                      \"not_after\": \"2001-09-09T01:46:40Z\"}";

/// The end of the second key, in seconds.
const END: u64 = 1_000_000_000;

fn read(json: &str) -> Result<ApiKeyConfig, String> {
    config::parse(json.as_bytes()).map_err(|errors| errors.to_string())
}

fn api_key() -> ApiKey {
    let json = format!(
        r#"{{"from": [{{"header": "x-key"}}, {{"query": "key"}}], "clients": [{FIRST}, {SECOND}], "hide_credentials": true}}"#
    );
    ApiKey::seeded(read(&json).unwrap(), Seed::from_bytes([1; 16]), Tagger::with_key([2; 16]))
}

fn attempt(lines: &[(&str, &str)], now: Result<u64, ()>) -> Result<String, &'static str> {
    attempt_with(&api_key(), lines, now)
}

fn attempt_with(api_key: &ApiKey, lines: &[(&str, &str)], now: Result<u64, ()>) -> Result<String, &'static str> {
    let headers = HeaderMap::from_lines(lines.iter().map(|(name, value)| (*name, value.as_bytes())));
    match api_key.attempt_at(Head::new(&headers), || now.map(Duration::from_secs)) {
        Attempt::Absent => Err("absent"),
        Attempt::Verified(identity) => Ok(identity.subject.clone()),
        Attempt::Refused(refusal) => Err(refusal.reason),
    }
}

#[test]
fn who_knows_a_key_is_its_client() {
    assert_eq!(attempt(&[("x-key", "hello")], Ok(0)).as_deref(), Ok("mobile"));
    assert_eq!(attempt(&[(":path", "/?key=hell%6F")], Ok(0)).as_deref(), Ok("mobile"));
    assert_eq!(attempt(&[("x-key", "hello"), (":path", "/?key=hello")], Ok(0)).as_deref(), Ok("mobile"));
}

#[test]
fn nobody_else_is() {
    assert_eq!(attempt(&[(":path", "/")], Ok(0)), Err("absent"));
    assert_eq!(attempt(&[("x-key", "")], Ok(0)), Err("malformed_credential"));
    assert_eq!(attempt(&[("x-key", &"x".repeat(LONGEST_KEY.saturating_add(1)))], Ok(0)), Err("malformed_credential"));
    for key in ["Hello", "hello ", "hello,hello", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"] {
        assert_eq!(attempt(&[("x-key", key)], Ok(0)), Err("unknown_key"), "{key}");
    }
    for lines in [[("x-key", "hello"), ("x-key", "hello")], [("x-key", "hello"), (":path", "/?key=world")]] {
        assert_eq!(attempt(&lines, Ok(0)), Err("multiple_credentials"));
    }
}

#[test]
fn a_key_ends_with_its_last_second() {
    assert_eq!(attempt(&[("x-key", "world")], Ok(END)).as_deref(), Ok("old"));
    assert_eq!(attempt(&[("x-key", "world")], Ok(END.saturating_add(1))), Err("expired_key"));
    assert_eq!(attempt(&[("x-key", "world")], Err(())), Err("clock_unavailable"));
    assert_eq!(attempt(&[("x-key", "hello")], Err(())).as_deref(), Ok("mobile"));
}

/// Catches a memory that lets a key pass for longer than it counts.
#[test]
fn a_key_that_is_known_ends_with_its_last_second_too() {
    let (api_key, last) = (api_key(), &[("x-key", "world")]);
    let nanosecond = Duration::from_nanos(1);
    for now in [END - 1, END] {
        assert_eq!(attempt_with(&api_key, last, Ok(now)).as_deref(), Ok("old"));
    }
    let tag = api_key.tagger.tag(b"world");
    let is_known = |now: Duration| api_key.seen.borrow_mut().get(&tag, now).is_some();
    assert!(is_known(Duration::from_secs(END)) && !is_known(Duration::from_secs(END) + nanosecond));
    assert_eq!(attempt_with(&api_key, last, Ok(END)).as_deref(), Ok("old"));
    assert_eq!(attempt_with(&api_key, last, Err(())), Err("clock_unavailable"));
    assert_eq!(attempt_with(&api_key, last, Ok(END + 1)), Err("expired_key"));
    assert_eq!(attempt_with(&api_key, &[("x-key", "hello")], Ok(END + 1)).as_deref(), Ok("mobile"));
    assert_eq!(attempt_with(&api_key, &[("x-key", "hello")], Ok(u64::MAX)).as_deref(), Ok("mobile"));
}

#[test]
fn a_key_is_hidden_wherever_it_stands() {
    let headers = HeaderMap::from_lines([("x-key", &b"hello"[..]), (":path", b"/?a=1&key=hello")]);
    let mut removal = Removal::default();
    api_key().hide(Head::new(&headers), &mut removal);
    assert_eq!(removal.iter().collect::<Vec<_>>(), [("x-key", None), (":path", Some(&b"/?a=1"[..]))]);
}

#[test]
fn a_client_may_have_two_keys_but_no_key_two_clients() {
    let two = SECOND.replace("old", "mobile");
    let config = read(&format!(r#"{{"from": [{{"query": "k"}}], "clients": [{FIRST}, {two}]}}"#)).unwrap();
    assert_eq!(config.clients().collect::<Vec<_>>(), ["mobile", "mobile"]);
    let other = FIRST.replace("mobile", "other").replace("2cf24dba", "2CF24DBA");
    let errors = read(&format!(r#"{{"from": [{{"query": "k"}}], "clients": [{FIRST}, {other}]}}"#)).unwrap_err();
    assert_eq!(errors, "clients[1]: has the key of an earlier client");
}

#[test]
fn what_is_wrong_is_said_without_the_key() {
    let errors = read(
        r#"{"from": [], "clients": [{"id": "", "key_sha256": "canary", "not_after": "tomorrow"}], "hide_credentials": 1}"#,
    )
    .unwrap_err();
    let paths: Vec<_> = errors.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(paths, ["from", "clients[0].id", "clients[0].key_sha256", "clients[0].not_after", "hide_credentials"]);
    assert!(!errors.contains("canary"));
}

#[test]
fn a_config_shows_no_digest() {
    let config = read(&format!(r#"{{"from": [{{"query": "k"}}], "clients": [{FIRST}]}}"#)).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("mobile") && !shown.contains("2cf2") && !shown.contains("44"), "{shown}");
}
