//! How many of many are sampled.

use palisade_testbed::{Answer, Request, load};

use crate::mesh::Mesh;
use crate::trace::Trace;

const REQUESTS: u32 = 20_000;
const UNSAMPLED_PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// The bound of 4 standard deviations is left by one run of 16,000 per share that is neither 0 nor 1.
#[test]
fn each_tier_of_the_founding_example_is_sampled_at_its_rate() {
    let mesh = Mesh::shipped();
    for (tier, parent, probability) in [
        (Some("vip"), None, 1.0),
        (Some("vip"), Some(UNSAMPLED_PARENT), 1.0),
        (Some("pro"), None, 0.1),
        (None, None, 0.01),
    ] {
        let sampled = sampled_of(&mesh, tier, parent);
        let (n, k) = (f64::from(REQUESTS), f64::from(sampled));
        let bound = 4.0 * (probability * (1.0 - probability) / n).sqrt();
        let difference = (k / n - probability).abs();
        let holds = if probability < 1.0 { difference < bound } else { sampled == REQUESTS };
        assert!(holds, "{tier:?} below {parent:?}: {sampled} of {REQUESTS} is {difference} off, the bound is {bound}");
        let name = format!("decisions;tier={};reason=probability;sampled=true", tier.unwrap_or("default"));
        let counted_before = if parent.is_some() { u64::from(REQUESTS) } else { 0 };
        assert_eq!(mesh.counter(&name) - counted_before, u64::from(sampled), "{name}");
    }
    let connections = mesh.envoy.stats("listener.").unwrap();
    for worker in ["worker_0", "worker_1"] {
        let name = format!(".{worker}.downstream_cx_total");
        assert!(connections.iter().any(|(found, count)| found.ends_with(&name) && *count > 0), "{worker} was idle");
    }
}

/// Sends the requests of one tier, and counts at the upstream.
fn sampled_of(mesh: &Mesh, tier: Option<&str>, parent: Option<&str>) -> u32 {
    mesh.upstream.on("/", Answer::with_status(200).body(""));
    let mut request = Request::get("/");
    if let Some(tier) = tier {
        request = request.header("x-user-tier", tier);
    }
    if let Some(parent) = parent {
        request = request.header("traceparent", parent);
    }
    let responses = load::run(mesh.addr(), 8, REQUESTS as usize, |_| request.clone()).unwrap();
    assert!(responses.iter().all(|response| response.status == 200));
    let received = mesh.upstream.received();
    assert_eq!(received.len(), REQUESTS as usize);
    mesh.upstream.forget();
    let sampled = received.iter().filter(|request| Trace::read(&request.headers).sampled()).count();
    sampled.try_into().unwrap()
}
