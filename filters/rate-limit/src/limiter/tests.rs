#![allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]

use std::cell::Cell;

use palisade_sdk::config;
use proptest::prelude::*;

use super::*;
use crate::fake::{Memory, Request};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_700_000_000 * SECOND;

/// Workers of one process, with one clock.
struct Process {
    workers: Vec<Limiter>,
    memory: Memory,
    now: Cell<u64>,
}

impl Process {
    fn new(limits: &str) -> Self {
        Self::of(&format!(r#"{{"limits": [{limits}]}}"#), 1)
    }

    fn of(json: &str, workers: usize) -> Self {
        let worker = |_| {
            let config = config::parse(json.as_bytes()).unwrap_or_else(|errors| panic!("{json}\n{errors}"));
            Limiter::new(config, Seed::from_bytes(&[7; 16]).unwrap())
        };
        Self { workers: (0..workers).map(worker).collect(), memory: Memory::default(), now: Cell::new(START) }
    }

    fn rule<'s>(&'s self, worker: usize, request: &Request) -> Ruling<'s> {
        let limiter = &self.workers[worker];
        let view = RequestView::new(request, &limiter.config().client_ip);
        limiter.decide(&view, &self.memory, || Ok(self.now.get())).unwrap()
    }

    fn admits(&self, request: &Request) -> bool {
        !self.rule(0, request).is_refused()
    }

    fn wait(&self, seconds: u64) {
        self.now.set(self.now.get() + seconds * SECOND);
    }
}

fn get(path: &str) -> Request {
    Request::default().header(":method", "GET").header(":path", path).header(":authority", "shop.example")
}

fn user(name: &str) -> Request {
    get("/").header("x-user", name)
}

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
fn keys_regain_their_tokens_after_a_clock_is_set_back_and_other_limits_lose_none() {
    let process = Process::new(
        r#"{"name": "few", "rate": "1/1s", "burst": 5}, {"name": "many", "match": {"methods": ["PUT"]}, "rate": "3/1h"}"#,
    );
    process.now.set(START + 3_600 * SECOND);
    assert!(process.admits(&get("/")));
    process.now.set(START);
    let put = Request::default().header(":method", "PUT").header(":path", "/");
    for _ in 0..3 {
        assert!(!process.admits(&put) && !process.admits(&put));
        process.wait(1);
        assert!(process.admits(&put));
    }
    process.wait(1);
    assert_eq!(process.rule(0, &put).telling().unwrap().limit.name, "many");
}

#[test]
fn a_worker_forgets_a_refusal_when_the_clock_is_set_back() {
    let process = Process::new(r#"{"name": "a", "rate": "1/1s", "burst": 5, "accuracy": "lease", "batch": 2}"#);
    process.now.set(START + 3_600 * SECOND);
    assert!((0..5).all(|_| process.admits(&get("/"))) && !process.admits(&get("/")));
    process.now.set(START);
    assert!(!process.admits(&get("/")));
    process.wait(1);
    assert!(process.admits(&get("/")) && !process.admits(&get("/")));
}

/// Shards whose host refuses the next so many reads.
struct Refusing<'m>(&'m Memory, Cell<u32>);

impl Shards for Refusing<'_> {
    type Version = u32;
    type Error = &'static str;

    fn read(&self, shard: u32) -> Result<(Vec<u8>, u32), Self::Error> {
        match self.1.get().checked_sub(1) {
            Some(rest) => {
                self.1.set(rest);
                Err("refused")
            }
            None => Ok(self.0.read(shard).unwrap()),
        }
    }

    fn replace(&self, shard: u32, version: u32, value: &[u8]) -> Result<bool, Self::Error> {
        Ok(self.0.replace(shard, version, value).unwrap())
    }
}

#[test]
fn what_the_host_refuses_keeps_nothing_else_from_being_given_back_and_charged() {
    let process = Process::new(
        r#"{"name": "a", "concurrency": 1, "max_duration": "30s"}, {"name": "b", "concurrency": 1, "max_duration": "30s"},
           {"name": "c", "rate": "5/1h", "cost": {"response_bytes": "1KiB"}},
           {"name": "d", "rate": "5/1h", "cost": {"response_bytes": "1KiB"}}"#,
    );
    let ruling = process.rule(0, &get("/"));
    let held = ruling.reports.iter().map(|report| report.held);
    let owed = ruling.due.iter().map(|due| (*due, 5));
    let errors = Cell::new(0);
    let shards = Refusing(&process.memory, Cell::new(1));
    process.workers[0].settle(&shards, START, held, owed, |_| errors.set(errors.get() + 1));
    assert_eq!(errors.get(), 1);
    let next = process.rule(0, &get("/"));
    let admitted: Vec<_> = next.reports.iter().map(|report| report.decision.admitted).collect();
    assert_eq!(admitted, [false, true, false, false], "the first place alone is still held");
}

#[test]
fn no_key_is_in_no_part_and_every_key_in_all() {
    for hash in [0, u64::MAX] {
        assert!(!is_within(Percent::ZERO, hash));
        assert!(is_within(Percent::ALL, hash));
    }
}

#[test]
fn tiers_have_budgets_of_their_own_although_their_rates_are_equal() {
    let process = Process::new(
        r#"{"name": "a", "rate": "1/1h", "tiers": {"by": {"header": "x-tier"}, "rates": {"pro": "1/1h", "vip": "1/1h"}}}"#,
    );
    for tier in ["none", "pro", "vip"] {
        let request = get("/").header("x-tier", tier);
        assert!(process.admits(&request) && !process.admits(&request), "{tier}");
    }
}

#[test]
fn a_tier_has_its_own_rate() {
    let process = Process::new(
        r#"{"name": "a", "key": [{"header": "x-user"}], "rate": "1/1h", "tiers": {"by": {"header": "x-tier"},
            "rates": {"pro": "3/1h", "vip": {"unlimited": true}}}}"#,
    );
    let count = |tier: &str| (0..9).filter(|_| process.admits(&user("alice").header("x-tier", tier))).count();
    assert_eq!((count("pro"), count("vip"), count("unknown"), count("free")), (3, 9, 1, 0));
}

#[test]
fn a_request_costs_what_it_says_within_bounds() {
    let process =
        Process::new(r#"{"name": "a", "rate": "10/1h", "cost": {"header": "x-cost", "default": 2, "max": 5}}"#);
    let left = |cost: &str| process.rule(0, &get("/").header("x-cost", cost)).reports[0].decision.remaining;
    assert_eq!(left("1"), 9);
    assert_eq!(left("0"), 8, "nothing is free");
    assert_eq!(left("-7"), 6, "the default");
    assert_eq!(process.rule(0, &get("/")).reports[0].decision.remaining, 4);
    let ruling = process.rule(0, &get("/").header("x-cost", "99999999999999999999999"));
    assert!(ruling.is_refused(), "5 at most, and 4 are left");
    assert!(process.rule(0, &get("/").header("x-cost", "1e3")).seen.invalid_cost);
}

#[test]
fn a_cost_that_is_known_after_the_response_is_charged_then() {
    let process = Process::new(r#"{"name": "a", "rate": "10/1h", "cost": {"response_header": "x-cost"}}"#);
    let limiter = &process.workers[0];
    let mut ruling = process.rule(0, &get("/"));
    assert_eq!((ruling.reports[0].decision.remaining, ruling.due.len()), (10, 1));
    let due = ruling.due.remove(0);
    assert_eq!((due.header(), due.cost(None, None, &mut Seen::default())), (Some("x-cost"), 1));
    let cost = due.cost(Some(b"25"), None, &mut Seen::default());
    limiter.charge(&process.memory, process.now.get(), &due, cost).unwrap();
    let ruling = process.rule(0, &get("/"));
    assert!(ruling.is_refused() && ruling.due.is_empty());
    process.wait(15 * 360);
    assert!(!process.admits(&get("/")), "in debt by 15");
    process.wait(360);
    assert!(process.admits(&get("/")));
}

#[test]
fn bytes_are_counted_in_units_that_the_config_chooses() {
    let process = Process::new(r#"{"name": "a", "rate": "10/1h", "cost": {"response_bytes": "1KiB", "max": 8}}"#);
    let ruling = process.rule(0, &get("/"));
    let cost = |bytes| ruling.due[0].cost(None, bytes, &mut Seen::default());
    assert_eq!([None, Some(0), Some(1), Some(1024), Some(1025), Some(u64::MAX)].map(cost), [0, 0, 1, 1, 2, 8]);
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

#[test]
fn what_a_later_refusal_leaves_unused_comes_back() {
    let process =
        Process::new(r#"{"name": "a", "rate": "1/1h"}, {"name": "b", "concurrency": 1, "max_duration": "1m"}"#);
    let ruling = process.rule(0, &get("/"));
    assert!(!process.admits(&get("/")));
    for report in &ruling.reports {
        process.workers[0].give_back(&process.memory, process.now.get(), report.held).unwrap();
    }
    assert!(process.admits(&get("/")) && !process.admits(&get("/")));
}

#[test]
fn an_update_that_leaves_a_limit_as_it_is_keeps_its_state() {
    let mut process = Process::new(r#"{"name": "a", "rate": "2/1h"}"#);
    assert!(process.admits(&get("/")));
    let update = |process: &mut Process, limits: &str| {
        process.workers = Process::new(limits).workers;
    };
    update(&mut process, r#"{"name": "new", "rate": "9/1h"}, {"name": "a", "rate": "2/1h"}"#);
    assert!(process.admits(&get("/")) && !process.admits(&get("/")));
    update(&mut process, r#"{"name": "a", "rate": "3/1h"}"#);
    assert!(process.admits(&get("/")), "another limit begins anew");
}

#[test]
fn keys_of_a_mebibyte_are_keys_like_others() {
    let process = Process::new(r#"{"name": "a", "key": [{"header": "x-user"}], "rate": "1/1h"}"#);
    let mebibyte = "x".repeat(1 << 20);
    assert!(process.admits(&user(&mebibyte)) && !process.admits(&user(&mebibyte)));
    assert!(process.admits(&user(&format!("{mebibyte}y"))));
    assert!(process.memory.bytes() < 100);
}

const LEASED: &str = r#"{"limits": [
    {"name": "a", "key": [{"header": "x-user"}], "rate": "3600/1h", "burst": 100, "accuracy": "lease", "batch": 10}]}"#;

#[test]
fn leased_tokens_are_spent_without_asking_the_others() {
    let process = Process::of(LEASED, 1);
    for _ in 0..10 {
        assert!(process.admits(&user("alice")));
    }
    assert_eq!(process.memory.reads.get(), 1);
    assert!(process.admits(&user("alice")));
    assert_eq!(process.memory.reads.get(), 2);
}

#[test]
fn a_flood_of_other_keys_costs_nobody_his_tokens() {
    let process = Process::of(LEASED, 1);
    let mut admitted = 0;
    for round in 0..100 {
        admitted += u32::from(process.admits(&user("alice")));
        for other in 0..100 {
            process.admits(&user(&format!("{round}-{other}")));
        }
    }
    assert_eq!(admitted, 100);
}

#[test]
fn a_refusal_is_remembered_until_it_ends() {
    let process = Process::of(LEASED, 1);
    while process.admits(&user("alice")) {}
    let reads = process.memory.reads.get();
    for _ in 0..100 {
        assert!(!process.admits(&user("alice")));
    }
    assert_eq!(process.memory.reads.get(), reads);
    process.wait(1);
    assert!(process.admits(&user("alice")));
}

#[test]
fn what_comes_back_of_a_lease_stays_with_the_worker() {
    let process = Process::of(LEASED, 1);
    for _ in 0..200 {
        let ruling = process.rule(0, &user("alice"));
        process.workers[0].give_back(&process.memory, process.now.get(), ruling.reports[0].held).unwrap();
    }
    assert_eq!(process.memory.reads.get(), 1);
    assert_eq!((0..200).filter(|_| process.admits(&user("alice"))).count(), 100);
}

#[test]
fn where_another_limit_refuses_leased_tokens_are_not_spent() {
    let process = Process::new(
        r#"{"name": "a", "rate": "20/1h", "accuracy": "lease"},
           {"name": "b", "match": {"path": {"exact": "/b"}}, "rate": "1/1h"}"#,
    );
    assert_eq!((0..50).filter(|_| process.admits(&get("/b"))).count(), 1);
    assert_eq!((0..50).filter(|_| process.admits(&get("/"))).count(), 19);
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

proptest! {
    #[test]
    fn exact_workers_together_admit_no_more_than_the_burst_and_the_rate(
        steps in prop::collection::vec((0_usize..4, 0_u64..2), 1..300),
    ) {
        let json = r#"{"limits": [{"name": "a", "rate": "1/1s", "burst": 10}]}"#;
        let process = Process::of(json, 4);
        let mut admitted = 0;
        for (worker, wait) in steps {
            process.wait(wait);
            admitted += u64::from(!process.rule(worker, &get("/")).is_refused());
            prop_assert!(admitted * SECOND <= 10 * SECOND + (process.now.get() - START));
        }
    }

    #[test]
    fn leasing_workers_admit_at_most_their_batches_more_in_any_stretch_of_time(
        steps in prop::collection::vec((0_usize..4, prop_oneof![4 => Just(0_u64), 1 => 0_u64..30]), 1..300),
    ) {
        let json = r#"{"limits": [{"name": "a", "rate": "1/1s", "burst": 20, "accuracy": "lease", "batch": 8}]}"#;
        let process = Process::of(json, 4);
        let mut admitted = Vec::new();
        for (worker, wait) in steps {
            process.wait(wait);
            if !process.rule(worker, &get("/")).is_refused() {
                admitted.push(process.now.get());
            }
        }
        for (first, from) in admitted.iter().enumerate() {
            for (last, until) in admitted.iter().enumerate().skip(first) {
                let bound = 20 + (until - from) / SECOND + 4 * 7;
                prop_assert!(((last - first) as u64) < bound);
            }
        }
        let since_start = admitted.last().map_or(0, |last| (last - START) / SECOND);
        prop_assert!(admitted.len() as u64 <= 20 + since_start, "nothing was held at the start");
    }

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
        process.now.set(now);
        let request = get("/?q=%").header("x-user", &user).header("x-cost", &cost).header("cookie", &user);
        process.rule(0, &request);
    }
}

#[test]
fn the_default_client_address_needs_no_trust() {
    let process = Process::new(r#"{"name": "a", "key": [{"client_ip": {}}], "rate": "1/1h"}"#);
    let from = |address: &str| get("/").property("source.address", address).header("x-forwarded-for", "10.0.0.1");
    assert!(process.admits(&from("192.0.2.1:1")) && !process.admits(&from("192.0.2.1:2")));
    assert!(process.admits(&from("[2001:db8::1]:1")) && !process.admits(&from("[2001:db8::2]:1")), "one /64");
}
