//! What workers take ahead.

use super::*;

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
        process.workers[0].give_back(&process.memory, process.memory.now.get(), ruling.reports[0].held).unwrap();
    }
    assert_eq!(process.memory.reads.get(), 2, "to lease, and to give back what the first request took beside");
    assert_eq!((0..200).filter(|_| process.admits(&user("alice"))).count(), 100);
}

#[test]
fn what_comes_back_of_many_leases_goes_back_to_all_workers() {
    let process = Process::of(LEASED, 1);
    let held: Vec<_> = (0..100).map(|_| process.rule(0, &user("alice")).reports[0].held).collect();
    assert!(!process.admits(&user("alice")));
    for held in held {
        process.workers[0].give_back(&process.memory, process.memory.now.get(), held).unwrap();
    }
    assert_eq!((0..200).filter(|_| process.admits(&user("alice"))).count(), 100);
    let held: Vec<_> = (0..100).map(|_| process.rule(0, &user("bob")).reports[0].held).collect();
    for held in held {
        process.workers[0].give_back(&process.memory, process.memory.now.get(), held).unwrap();
    }
    process.wait(3_600);
    assert!(
        (0..200).filter(|_| process.admits(&user("bob"))).count() <= 109,
        "the burst, and one token less than a batch"
    );
}

#[test]
fn two_limits_whose_keys_have_one_place_for_leases_lose_no_tokens() {
    let process = Process::new(
        r#"{"name": "a", "key": [{"header": "x-user"}], "rate": "20/1h", "accuracy": "lease"},
           {"name": "b", "key": [{"header": "x-user"}], "rate": "20/1h", "accuracy": "lease"}"#,
    );
    let limiter = &process.workers[0];
    let fingerprints = |name: &str| {
        [0, 1].map(|number| {
            let mut key = limiter.seed.key(&limiter.config.limits[number].grant.as_ref().unwrap().identity);
            key.part(name.as_bytes());
            key.hash().0
        })
    };
    let collides = |name: &String| {
        let [one, other] = fingerprints(name);
        crate::lease::Leases::collide(one, other)
    };
    let name = (0..).map(|number: u32| number.to_string()).find(collides).unwrap();
    assert_eq!((0..50).filter(|_| process.admits(&user(&name))).count(), 20);
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

proptest! {
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
                admitted.push(process.memory.now.get());
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
}
