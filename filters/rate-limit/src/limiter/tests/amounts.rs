//! How much a request takes, and of how much.

use super::*;

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
    limiter.charge(&process.memory, process.memory.now.get(), &due, cost).unwrap();
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
