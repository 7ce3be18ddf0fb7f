//! Races: two workers count together in shared data, with and without comparing what they swap.

use crate::support::guest;
use palisade_host::{Clock, Host, Job, Random, Shared, interleave};
use std::sync::Arc;

/// Reads the number at the key `0` and writes one more; the condition is the compare-and-swap number that it writes with.
fn counting(cas: &str) -> Vec<u8> {
    let count = format!(
        "(loop $again
          (drop (call $proxy_get_shared_data (i32.const 0) (i32.const 1) (i32.const 1024) (i32.const 1028) (i32.const 1032)))
          (i32.store8 (i32.const 1040) (i32.add (i32.const 1) (i32.load8_u (i32.load (i32.const 1024)))))
          (br_if $again (call $proxy_set_shared_data (i32.const 0) (i32.const 1) (i32.const 1040) (i32.const 1) {cas})))
        (i32.const 0)"
    );
    guest("", &[("on_request_headers", &count)])
}

const UNCONDITIONAL: &str = "(i32.const 0)";
const COMPARED: &str = "(i32.load (i32.const 1032))";

/// What two requests on two workers count to, and the order of their host calls.
fn count(module: &Arc<Vec<u8>>, seed: u64) -> (u8, Vec<usize>) {
    let shared = Arc::new(Shared::new(Clock::still(), Random::Seeded(seed), |_| {}));
    shared.data.set("", b"0", &[0], 0);
    let job = || {
        let (shared, module) = (Arc::clone(&shared), Arc::clone(module));
        Box::new(move || {
            let host = Host::builder().module(module.as_slice()).shared(shared).build().unwrap();
            host.request("GET /").send();
        }) as Job
    };
    let order = interleave(seed, vec![job(), job()]);
    (shared.data.get("", b"0").unwrap().0[0], order)
}

#[test]
fn a_filter_that_does_not_compare_is_caught_by_a_seed_that_shows_it_again_and_again() {
    let module = Arc::new(counting(UNCONDITIONAL));
    let (seed, caught) =
        (0..1000).map(|seed| (seed, count(&module, seed))).find(|(_, (sum, _))| *sum != 2).expect("a race");
    for _ in 0..20 {
        assert_eq!(count(&module, seed), caught);
    }
}

#[test]
fn a_filter_that_compares_counts_right_in_any_order() {
    let module = Arc::new(counting(COMPARED));
    for seed in 0..200 {
        assert_eq!(count(&module, seed).0, 2, "seed {seed}");
    }
}
