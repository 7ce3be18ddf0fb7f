//! What is refused, and what the client is told.

use super::*;

#[test]
fn a_refused_request_takes_from_no_limit() {
    let process = Process::new(
        r#"{"name": "many", "rate": "3/1h"},
           {"name": "one", "match": {"path": {"exact": "/one"}}, "key": [{"path": {"segment": 1}}], "rate": "1/1h"}"#,
    );
    assert!(process.admits(&get("/one")));
    for _ in 0..5 {
        assert_eq!(process.rule(0, &get("/one")).telling().unwrap().limit.name, "one");
    }
    assert!(process.admits(&get("/")) && process.admits(&get("/")) && !process.admits(&get("/")));
}

#[test]
fn the_client_is_told_of_the_limit_that_is_nearest_to_its_end() {
    let process = Process::new(r#"{"name": "large", "rate": "100/1h"}, {"name": "small", "rate": "3/1h"}"#);
    assert_eq!(process.rule(0, &get("/")).telling().unwrap().limit.name, "small");
    assert_eq!(process.rule(0, &get("/")).told().count(), 2);
}

#[test]
fn of_two_refusals_the_one_that_lasts_longest_is_told() {
    let process = Process::new(r#"{"name": "long", "rate": "1/1h"}, {"name": "short", "rate": "1/1m"}"#);
    assert!(process.admits(&get("/")));
    let ruling = process.rule(0, &get("/"));
    let telling = ruling.telling().unwrap();
    assert_eq!((telling.limit.name.as_str(), telling.decision.retry), ("long", Some(3_600 * SECOND)));
}

#[test]
fn of_two_refusals_one_for_ever_is_told() {
    let process = Process::new(
        r#"{"name": "later", "match": {"path": {"exact": "/"}}, "rate": "1/1h"}, {"name": "never", "match": {"methods": ["PUT"]}, "rate": "0/1m"}"#,
    );
    assert!(process.admits(&get("/")));
    let put = Request::default().header(":method", "PUT").header(":path", "/");
    assert_eq!(process.rule(0, &put).telling().unwrap().limit.name, "never");
}

#[test]
fn a_limit_in_shadow_counts_and_refuses_nothing() {
    let process = Process::new(r#"{"name": "a", "rate": "1/1h", "enforce": false}, {"name": "b", "rate": "3/1h"}"#);
    assert!(process.admits(&get("/")));
    let ruling = process.rule(0, &get("/"));
    assert!(!ruling.is_refused());
    assert_eq!(ruling.reports[0].verdict, Verdict::Shadow(Reason::Exhausted));
    assert_eq!(ruling.telling().unwrap().limit.name, "b");
    assert!(process.admits(&get("/")) && !process.admits(&get("/")));
}

#[test]
fn a_part_of_the_keys_is_enforced_and_always_the_same() {
    let process =
        Process::new(r#"{"name": "a", "key": [{"header": "x-user"}], "rate": "0/1h", "enforce_percent": "25%"}"#);
    let refused = |number: usize| !process.admits(&user(&number.to_string()));
    let first: Vec<_> = (0..2_000).map(refused).collect();
    let count = first.iter().filter(|refused| **refused).count();
    assert!((420..580).contains(&count), "{count} of 2000");
    assert_eq!(first, (0..2_000).map(refused).collect::<Vec<_>>());
}

#[test]
fn no_key_is_in_no_part_and_every_key_in_all() {
    for hash in [0, u64::MAX] {
        assert!(!is_within(Percent::ZERO, hash));
        assert!(is_within(Percent::ALL, hash));
    }
}

#[test]
fn a_caller_is_in_the_same_part_in_every_tier_before_a_service_and_in_every_process() {
    let json = r#"{"limits": [{"name": "a", "key": [{"header": "x-user"}], "rate": "0/1h", "enforce_percent": "50%",
        "tiers": {"by": {"header": "x-tier"}, "rates": {"pro": "0/1m"}}}]}"#;
    let processes = [7, 8].map(|seed| Process::seeded(json, 1, seed));
    let mut refused = 0;
    for number in 0..100 {
        let own = user(&number.to_string());
        let pro = own.clone().header("x-tier", "pro");
        let view = RequestView::new(&own, &processes[0].workers[0].config().client_ip);
        let limiter = &processes[0].workers[0];
        let asked = limiter.enforces(&limiter.config().limits[0], &view).unwrap();
        let choices = [&own, &pro].map(|request| processes.each_ref().map(|process| !process.admits(request)));
        assert_eq!(choices, [[asked; 2]; 2], "{number}");
        refused += u32::from(asked);
    }
    assert!((30..70).contains(&refused), "{refused} of 100");
}

#[test]
fn who_leaves_his_key_out_or_names_two_tiers_is_in_one_part_like_any_other() {
    let twice = |request: Request| request.header("x-tier", "free").header("x-tier", "vip");
    let mut refused = 0;
    for name in 0..100 {
        let limit = |other: &str| {
            let key = r#""key": [{"header": "x-user"}], "enforce_percent": "50%""#;
            Process::new(&format!(r#"{{"name": "{name}", {key}, {other}}}"#))
        };
        let deny = limit(r#""rate": "0/1h", "on_missing": "deny""#);
        let is_enforced = !deny.admits(&user(""));
        assert_eq!(deny.admits(&get("/")), !is_enforced);
        let skip = limit(r#""rate": "0/1h", "on_missing": "skip""#);
        assert!(skip.admits(&get("/")));
        for process in [&deny, &skip] {
            let limiter = &process.workers[0];
            let request = get("/");
            let view = RequestView::new(&request, &limiter.config().client_ip);
            assert_eq!(limiter.enforces(&limiter.config().limits[0], &view).unwrap(), is_enforced, "by a service");
        }
        let tiers = limit(r#""unlimited": true, "tiers": {"by": {"header": "x-tier"}, "rates": {"free": "1/1h"}}"#);
        assert_eq!(tiers.admits(&twice(user(""))), !is_enforced);
        refused += u32::from(is_enforced);
    }
    assert!((30..70).contains(&refused), "{refused} of 100");
}

#[test]
fn what_contention_does_is_configured_for_leases() {
    for (accuracy, refused) in
        [("", true), (r#", "accuracy": "lease""#, true), (r#", "accuracy": "lease", "on_contention": "allow""#, false)]
    {
        let process = Process::new(&format!(r#"{{"name": "a", "rate": "5/1h"{accuracy}}}"#));
        process.memory.interrupted.set(16);
        let ruling = process.rule(0, &get("/"));
        assert_eq!((ruling.is_refused(), ruling.seen.contended), (refused, true));
    }
}
