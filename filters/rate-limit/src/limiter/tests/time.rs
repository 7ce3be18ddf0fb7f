//! What time gives, and what outlasts it.

use super::*;

#[test]
fn keys_regain_their_tokens_after_a_clock_is_set_back_and_other_limits_lose_none() {
    let process = Process::new(
        r#"{"name": "few", "rate": "1/1s", "burst": 5}, {"name": "many", "match": {"methods": ["PUT"]}, "rate": "3/1h"}"#,
    );
    process.memory.now.set(START + 3_600 * SECOND);
    assert!((0..5).all(|_| process.admits(&get("/"))));
    process.memory.now.set(START);
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
    process.memory.now.set(START + 3_600 * SECOND);
    assert!((0..5).all(|_| process.admits(&get("/"))) && !process.admits(&get("/")));
    process.memory.now.set(START);
    assert!(!process.admits(&get("/")));
    process.wait(1);
    assert!(process.admits(&get("/")) && !process.admits(&get("/")));
}

#[test]
fn a_worker_that_waits_for_the_clock_frees_nothing_of_what_others_hold_against_a_key() {
    let process = Process::of(
        r#"{"storage": {"shards": 1}, "limits": [
        {"name": "a", "key": [{"header": "x-user"}], "rate": "1/1s", "burst": 5}]}"#,
        2,
    );
    process.wait(30);
    assert!(process.admits(&user("bob")));
    process.memory.now.set(START);
    let mut admitted = 0;
    for _ in 0..20 {
        admitted += (0..10).filter(|_| !process.rule(1, &user("alice")).is_refused()).count();
        process.rule(0, &user("bob"));
    }
    assert_eq!(admitted, 5);
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
            prop_assert!(admitted * SECOND <= 10 * SECOND + (process.memory.now.get() - START));
        }
    }
}
