#![allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]

use proptest::prelude::*;
use sfv::{BareItem, List, ListEntry, Parser};

use super::*;

const SECOND: u64 = 1_000_000_000;

fn standing(name: &'static str, count: u64, remaining: u64, reset: u64) -> Standing<'static> {
    let decision = Decision { admitted: true, remaining, reset, retry: None };
    Standing { name, shown: Shown { count, seconds: Some(60), concurrent: false }, decision }
}

/// The lines as text.
fn lines(headers: Headers, standings: &[Standing<'_>], telling: &Standing<'_>) -> Vec<(String, String)> {
    let text = |value| String::from_utf8(value).unwrap();
    headers.lines(standings, telling).into_iter().map(|(name, value)| (name.into_owned(), text(value))).collect()
}

fn all() -> Headers {
    Headers { x_ratelimit: XRateLimit::Draft03, ..Headers::default() }
}

fn list(text: &str) -> List {
    Parser::new(text).parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The name of each item, and its parameters.
fn items(text: &str) -> Vec<(String, Vec<(String, BareItem)>)> {
    let item = |entry: ListEntry| {
        let ListEntry::Item(item) = entry else { panic!("an inner list: {text}") };
        let name = item.bare_item.as_string().unwrap_or_else(|| panic!("no string: {text}")).as_str().to_owned();
        (name, item.params.into_iter().map(|(key, value)| (key.as_str().to_owned(), value)).collect())
    };
    list(text).into_iter().map(item).collect()
}

#[test]
fn every_form_is_as_its_specification_has_it() {
    let (user, login) = (standing("per-user", 100, 0, 36_000_000_001), standing("login", 5, 4, SECOND));
    assert_eq!(
        lines(all(), &[user, login], &user).iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(),
        [
            ("ratelimit-policy", r#""per-user";q=100;w=60, "login";q=5;w=60"#),
            ("ratelimit", r#""per-user";r=0;t=37"#),
            ("x-ratelimit-limit", r#"100, 100;w=60;name="per-user", 5;w=60;name="login""#),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "37"),
        ]
    );
    let plain = Headers { ietf: false, x_ratelimit: XRateLimit::Plain, ..Headers::default() };
    assert_eq!(lines(plain, &[user, login], &login)[0], ("x-ratelimit-limit".to_owned(), "5".to_owned()));
}

#[test]
fn a_limit_of_concurrency_has_neither_window_nor_reset() {
    let mut inflight = standing("inflight", 50, 3, 0);
    inflight.shown = Shown { count: 50, seconds: None, concurrent: true };
    let lines = lines(Headers::default(), &[inflight], &inflight);
    assert_eq!(lines[0].1, r#""inflight";q=50;qu="concurrent-requests""#);
    assert_eq!(lines[1].1, r#""inflight";r=3"#);
    assert_eq!(items(&lines[0].1)[0].1.len(), 2);
}

#[test]
fn who_is_refused_waits_at_least_a_second_and_never_too_short() {
    for (nanoseconds, expected) in [(0, 1), (1, 1), (SECOND, 1), (SECOND + 1, 2), (u64::MAX, 18_446_744_074)] {
        assert_eq!(retry_after(nanoseconds), expected);
    }
}

#[test]
fn what_the_upstream_says_remains_is_found() {
    let remaining = |ietf: Option<&str>, legacy: Option<&str>| {
        remaining_upstream(|name| {
            let value = if name == RATELIMIT { ietf } else { legacy };
            Ok::<_, ()>(value.map(|value| value.as_bytes().to_vec()))
        })
        .unwrap()
    };
    assert_eq!(remaining(None, None), None);
    assert_eq!(remaining(Some(r#""a";r=7;t=1, "b"; r=3"#), None), Some(3));
    assert_eq!(remaining(Some(r#""a";r=7"#), Some("5")), Some(5));
    assert_eq!(remaining(Some("garbage\u{1}"), Some("-1")), None);
}

#[test]
fn a_problem_is_json_of_the_drafts_type() {
    let problem: serde_json::Value = serde_json::from_str(&problem(429, &["per-user", "login"])).unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(problem["violated-policies"], serde_json::json!(["per-user", "login"]));
    assert_eq!(problem["status"], 429);
}

proptest! {
    #[test]
    fn every_line_is_a_structured_field_that_says_what_was_meant(
        count: u64, remaining: u64, reset: u64, seconds: Option<u64>, concurrent: bool, others in 0_usize..5,
    ) {
        let mut telling = standing("a-b_C9", count, remaining, reset);
        telling.shown = Shown { count, seconds, concurrent };
        let mut standings = vec![standing("other", 1, 1, 1); others];
        standings.push(telling);
        let lines = lines(all(), &standings, &telling);
        let policies = items(&lines[0].1);
        prop_assert_eq!(policies.len(), others + 1);
        let (name, parameters) = &policies[others];
        prop_assert_eq!(name, "a-b_C9");
        let number = |number: u64| BareItem::Integer((number.min(LARGEST) as i64).try_into().unwrap());
        prop_assert_eq!(&parameters[0], &("q".to_owned(), number(count)));
        let states = items(&lines[1].1);
        prop_assert_eq!(&states[0].1[0], &("r".to_owned(), number(remaining)));
        if !concurrent {
            prop_assert_eq!(&states[0].1[1], &("t".to_owned(), number(reset.div_ceil(SECOND))));
        }
        list(&lines[2].1);
    }

    #[test]
    fn any_upstream_header_is_survived(value: Vec<u8>) {
        let _ = remaining_upstream(|_| Ok::<_, ()>(Some(value.clone())));
    }
}
