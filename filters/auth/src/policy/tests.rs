use palisade_sdk::config;
use palisade_sdk::matching::{ClientIp, Field};
use proptest::prelude::*;
use std::borrow::Cow;
use std::convert::Infallible;

use super::*;

/// A request with one header, so many times.
struct Request(&'static str, Vec<u8>, usize);

impl Attributes for Request {
    type Error = Infallible;

    fn header(&self, name: &str) -> Result<Field<Cow<'_, [u8]>>, Infallible> {
        Ok(match (name == self.0, self.2) {
            (true, 1) => Field::One(Cow::Borrowed(&self.1)),
            (true, 2..) => Field::Many,
            _ => Field::Absent,
        })
    }

    fn property(&self, _: &[&str]) -> Result<Option<Cow<'_, [u8]>>, Infallible> {
        Ok(None)
    }
}

fn policy(json: &str) -> Policy {
    config::parse(json.as_bytes()).unwrap_or_else(|errors| panic!("{json}: {errors}"))
}

fn enforces(policy: &Policy, value: &[u8], times: usize) -> bool {
    let request = Request("x-user", value.to_vec(), times);
    let client_ip = ClientIp::default();
    policy.rollout.enforces(&RequestView::new(&request, &client_ip)).unwrap()
}

fn share(percent: &str) -> Policy {
    let share = format!(r#"{{"percent": "{percent}", "by": {{"header": "x-user"}}}}"#);
    policy(&format!(r#"{{"require": {{"basic": {{}}}}, "enforce_percent": {share}}}"#))
}

#[test]
fn a_policy_is_enforced_unless_it_says_otherwise() {
    for json in [r#"{"deny": "all"}"#, r#"{"require": {"basic": {}}}"#, r#"{"deny": "all", "enforce": true}"#] {
        assert!(enforces(&policy(json), b"", 0), "{json}");
    }
    assert!(!enforces(&policy(r#"{"deny": "all", "enforce": false}"#), b"", 0));
}

#[test]
fn who_leaves_the_value_out_or_sends_two_is_not_spared() {
    let nobody = share("0%");
    assert!(!enforces(&nobody, b"alice", 1));
    assert!(enforces(&nobody, b"alice", 0));
    assert!(enforces(&nobody, b"alice", 2));
    let by = r#"{"header": "x-user", "or": {"literal": "alice"}}"#;
    let json = format!(r#"{{"deny": "all", "enforce_percent": {{"percent": "0%", "by": {by}}}}}"#);
    assert!(!enforces(&policy(&json), b"alice", 0));
    assert!(enforces(&policy(&json), b"alice", 2), "two values are no reason to take another one");
}

#[test]
fn a_share_has_about_its_part_of_all_values() {
    let tenth = share("10%");
    let count = (0..10_000).filter(|number: &u32| enforces(&tenth, number.to_string().as_bytes(), 1)).count();
    // Four sigma.
    assert!((880..=1120).contains(&count), "{count}");
}

#[test]
fn the_share_of_a_value_is_the_same_in_every_release() {
    let half = share("50%");
    let seen: Vec<_> =
        ["alice", "bob", "carol", "dave"].iter().map(|name| enforces(&half, name.as_bytes(), 1)).collect();
    // The first digits of their SHA-256: 2b, 81, 4c, 61.
    assert_eq!(seen, [true, false, true, true]);
}

#[test]
fn policies_that_contradict_are_refused() {
    for json in [
        "{}",
        r#"{"allow": "everybody"}"#,
        r#"{"allow": true}"#,
        r#"{"deny": "none"}"#,
        r#"{"allow": "anonymous", "deny": "all"}"#,
        r#"{"allow": "anonymous", "enforce": false}"#,
        r#"{"allow": "anonymous", "enforce_percent": {"percent": "1%", "by": {"client_ip": {}}}}"#,
        r#"{"deny": "all", "enforce": "no"}"#,
        r#"{"deny": "all", "enforce": true, "enforce_percent": {"percent": "1%", "by": {"client_ip": {}}}}"#,
        r#"{"deny": "all", "enforce_percent": "10%"}"#,
        r#"{"deny": "all", "enforce_percent": {"percent": "10%"}}"#,
        r#"{"deny": "all", "enforce_percent": {"percent": 10, "by": {"client_ip": {}}}}"#,
    ] {
        assert!(config::parse::<Policy>(json.as_bytes()).is_err(), "{json}");
    }
}

proptest! {
    #[test]
    fn a_larger_share_has_all_of_a_smaller_one(value: Vec<u8>, smaller in 0_u32..=100, larger in 0_u32..=100) {
        let (smaller, larger) = (smaller.min(larger), smaller.max(larger));
        let (smaller, larger) = (share(&format!("{smaller}%")), share(&format!("{larger}%")));
        prop_assert!(!enforces(&smaller, &value, 1) || enforces(&larger, &value, 1));
        prop_assert!(enforces(&share("100%"), &value, 1) && !enforces(&share("0%"), &value, 1));
    }
}
