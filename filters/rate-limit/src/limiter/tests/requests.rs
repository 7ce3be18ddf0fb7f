//! Which limits apply to a request, and whose budget it takes from.

use super::*;

#[test]
fn each_key_has_a_budget_of_its_own() {
    let process = Process::new(r#"{"name": "a", "key": [{"header": "x-user"}], "rate": "2/1m"}"#);
    for name in ["alice", "bob"] {
        assert!(process.admits(&user(name)) && process.admits(&user(name)) && !process.admits(&user(name)));
    }
    process.wait(30);
    assert!(process.admits(&user("alice")) && !process.admits(&user("alice")));
}

#[test]
fn a_limit_applies_to_the_requests_that_it_matches() {
    let process = Process::new(r#"{"name": "a", "match": {"path": {"prefix": "/api"}}, "rate": "1/1m"}"#);
    assert!(process.admits(&get("/api/x")) && !process.admits(&get("/api")));
    assert!(process.rule(0, &get("/other")).reports.is_empty());
}

#[test]
fn a_missing_part_of_a_key_is_shared_skipped_or_refused() {
    let process = |on_missing: &str| {
        Process::new(&format!(r#"{{"name": "a", "key": [{{"header": "x-user"}}], "rate": "1/1m"{on_missing}}}"#))
    };
    let shared = process("");
    assert!(shared.admits(&get("/")) && !shared.admits(&get("/")) && shared.admits(&user("alice")));
    let skip = process(r#", "on_missing": "skip""#);
    assert!((0..5).all(|_| skip.admits(&get("/"))));
    let deny = process(r#", "on_missing": "deny""#);
    let ruling = deny.rule(0, &get("/"));
    assert_eq!(ruling.telling().unwrap().verdict, Verdict::Refused(Reason::NoKey));
    assert!(ruling.seen.missing_key);
    let literal = process(r#", "on_missing": {"literal": "alice"}"#);
    assert!(literal.admits(&get("/")) && !literal.admits(&user("alice")));
}

#[test]
fn a_duplicated_header_counts_as_absent() {
    let process = Process::new(r#"{"name": "a", "key": [{"header": "x-user"}], "rate": "1/1m"}"#);
    let twice = |name: &str| user(name).header("x-user", "other");
    assert!(process.admits(&twice("alice")));
    let ruling = process.rule(0, &twice("bob"));
    assert!(ruling.is_refused() && ruling.seen.ambiguous && ruling.seen.missing_key);
}

#[test]
fn who_sends_twice_what_a_match_reads_does_not_get_out_of_the_limit() {
    let process = |test: &str| {
        let reads = format!(r#"{{"headers": [{{"name": "x-app", {test}}}]}}"#);
        Process::new(&format!(
            r#"{{"name": "a", "match": {reads}, "rate": "0/1h"}}, {{"name": "b", "match": {{"not": {reads}}}, "rate": "0/1h"}}"#
        ))
    };
    let twice = get("/").header("x-app", "web").header("x-app", "ios");
    for test in [r#""exact": "web""#, r#""exact": "none""#] {
        let process = process(test);
        let ruling = process.rule(0, &twice);
        assert_eq!(ruling.violated(), ["a", "b"]);
        assert!(ruling.seen.ambiguous);
    }
    assert_eq!(process(r#""exact": "web""#).rule(0, &get("/").header("x-app", "ios")).violated(), ["b"]);
}

#[test]
fn who_sends_twice_what_tells_his_key_is_not_skipped() {
    let process = Process::new(r#"{"name": "a", "key": [{"header": "x-user"}], "on_missing": "skip", "rate": "1/1h"}"#);
    let twice = |name: &str| user(name).header("x-user", "other");
    assert!(process.admits(&twice("alice")) && !process.admits(&twice("bob")));
    assert!((0..5).all(|_| process.admits(&get("/"))));
}

#[test]
fn who_sends_twice_what_names_his_tier_is_not_unlimited_for_it() {
    let process = |own: &str| {
        Process::new(&format!(
            r#"{{"name": "a", {own}, "tiers": {{"by": {{"header": "x-tier"}}, "rates": {{"free": "1/1h"}}}}}}"#
        ))
    };
    let twice = get("/").header("x-tier", "free").header("x-tier", "vip");
    let unlimited = process(r#""unlimited": true"#);
    let ruling = unlimited.rule(0, &twice);
    assert_eq!(ruling.telling().unwrap().verdict, Verdict::Refused(Reason::NoKey));
    assert!((0..5).all(|_| unlimited.admits(&get("/").header("x-tier", "vip"))));
    let limited = process(r#""rate": "2/1h""#);
    assert!(limited.admits(&twice) && limited.admits(&twice) && !limited.admits(&twice));
}

#[test]
fn the_default_client_address_needs_no_trust() {
    let process = Process::new(r#"{"name": "a", "key": [{"client_ip": {}}], "rate": "1/1h"}"#);
    let from = |address: &str| get("/").property("source.address", address).header("x-forwarded-for", "10.0.0.1");
    assert!(process.admits(&from("192.0.2.1:1")) && !process.admits(&from("192.0.2.1:2")));
    assert!(process.admits(&from("[2001:db8::1]:1")) && !process.admits(&from("[2001:db8::2]:1")), "one /64");
}

#[test]
fn keys_of_a_mebibyte_are_keys_like_others() {
    let process = Process::new(r#"{"name": "a", "key": [{"header": "x-user"}], "rate": "1/1h"}"#);
    let mebibyte = "x".repeat(1 << 20);
    assert!(process.admits(&user(&mebibyte)) && !process.admits(&user(&mebibyte)));
    assert!(process.admits(&user(&format!("{mebibyte}y"))));
    assert!(process.memory.bytes() < 100);
}

#[test]
fn who_is_exempt_has_no_limit() {
    let process = Process::of(
        r#"{"limits": [{"name": "a", "rate": "0/1h"}], "exempt": [{"cidr": "10.0.0.0/8"},
            {"match": {"headers": [{"name": "x-probe", "exact": "yes"}]}}]}"#,
        1,
    );
    assert!(process.admits(&get("/").property("source.address", "10.1.2.3:456")));
    assert!(process.admits(&get("/").header("x-probe", "yes")));
    assert!(process.rule(0, &get("/").header("x-probe", "yes")).seen.exempt);
    assert!(!process.admits(&get("/").property("source.address", "11.1.2.3:456")));
    assert!(!process.admits(&get("/").header("x-probe", "yes").header("x-probe", "yes")));
}

#[test]
fn a_route_names_its_limits() {
    let limits = r#"{"rule_by_route": true, "limits": [
        {"name": "all", "rate": "1/1h"}, {"name": "x", "match": {"path": {"exact": "/x"}}, "rate": "2/1h"}]}"#;
    let process = Process::of(limits, 1);
    let named = |names: &str| get("/").property("xds.route_metadata.filter_metadata.palisade.rate_limit", names);
    let names = |request: &Request| {
        let ruling = process.rule(0, request);
        (ruling.reports.iter().map(|report| report.limit.name.clone()).collect::<Vec<_>>(), ruling.seen.unknown_rule)
    };
    assert_eq!(names(&named("x")), (vec!["x".to_owned()], false));
    assert_eq!(names(&named("all, x")), (vec!["all".to_owned(), "x".to_owned()], false));
    assert_eq!(names(&named("x,gone")), (vec!["all".to_owned()], true));
    let by_host = get("/").property("xds.virtual_host_metadata.filter_metadata.palisade.rate_limit", "x");
    assert_eq!(names(&by_host).0, ["x"]);
}

proptest! {
    #[test]
    fn whatever_a_client_sends_is_decided(
        user in prop::collection::vec(any::<u8>(), 0..50), cost in prop::collection::vec(any::<u8>(), 0..20), now: u64,
    ) {
        let process = Process::new(
            r#"{"name": "a", "key": [{"header": "x-user"}, {"cookie": "s"}, {"query": "q"}], "rate": "5/1m",
                "cost": {"header": "x-cost"}},
               {"name": "b", "key": [{"header": "x-user"}], "quota": "5/month"},
               {"name": "c", "concurrency": 5, "max_duration": "1m"}"#,
        );
        process.memory.now.set(now);
        let request = get("/?q=%").header("x-user", &user).header("x-cost", &cost).header("cookie", &user);
        process.rule(0, &request);
    }
}
