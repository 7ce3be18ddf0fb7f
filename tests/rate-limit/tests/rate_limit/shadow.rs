//! Limits that are enforced for a part of their keys, or for none.

use std::collections::BTreeSet;

use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitResponse;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use palisade_testbed::{Upstream, grpc, http2};
use prost::Message;
use serde_json::{Value, json};

use crate::mesh::{Mesh, Setup, by};
use crate::scripted::{METHOD, limit};

const USERS: usize = 2000;
const STREAMS: usize = 50;

/// The users who are refused, each of whom comes once.
fn refused(mesh: &Mesh) -> BTreeSet<usize> {
    let mut connection = http2::Connection::open(mesh.addr()).unwrap();
    let users: Vec<_> = (0..USERS).collect();
    let mut refused = BTreeSet::new();
    for users in users.chunks(STREAMS) {
        let open = |user: &usize| connection.open_stream(&by(&format!("user-{user}")), true).unwrap();
        let streams: Vec<_> = users.iter().map(open).collect();
        for (user, stream) in users.iter().zip(streams) {
            match stream.response().unwrap().status {
                200 => {}
                429 => assert!(refused.insert(*user)),
                other => panic!("status {other}"),
            }
        }
    }
    refused
}

fn nobody_passes(enforce_percent: &str) -> Value {
    json!({"limits": [
        {"name": "none", "key": [{"header": "x-user"}], "rate": "0/1s", "enforce_percent": enforce_percent},
    ]})
}

/// Catches a share of the requests instead of the keys, and one that is not as large as it says.
#[test]
fn a_percentage_is_that_share_of_the_keys_and_always_the_same() {
    for (percent, share) in [("1%", 0.01), ("25%", 0.25), ("90%", 0.9)] {
        let mut mesh = Mesh::with(&nobody_passes(percent));
        // Each time by another connection, so that other workers answer.
        let refused = refused(&mesh);
        for _ in 0..3 {
            assert_eq!(self::refused(&mesh), refused, "{percent}");
        }
        let users = USERS as f64;
        let four_sigma = 4.0 * (users * share * (1.0 - share)).sqrt();
        let difference = refused.len() as f64 - users * share;
        assert!(difference.abs() <= four_sigma, "{} of {USERS} at {percent}", refused.len());
        let verdicts = |verdict: &str| mesh.counter(&format!("decisions;limit=none;verdict={verdict}"));
        assert_eq!(verdicts("refused"), 4 * refused.len() as u64, "{percent}");
        assert_eq!(verdicts("shadow_refused"), 4 * (USERS - refused.len()) as u64, "{percent}");
        mesh.assert_unharmed();
    }
}

/// Who is refused at a small percentage still is at a larger one: a roll-out frees nobody.
#[test]
fn more_percent_are_the_same_keys_and_others() {
    let mut mesh = Mesh::with(&nobody_passes("10%"));
    let before = refused(&mesh);
    mesh.update(&nobody_passes("30%"));
    let after = refused(&mesh);
    assert!(before.len() < after.len() && before.is_subset(&after), "{} and {}", before.len(), after.len());
    mesh.assert_unharmed();
}

/// Catches a service whose refusal counts although the limit is only tried out.
#[test]
fn what_a_service_refuses_in_shadow_passes_and_is_counted() {
    let service = Upstream::start().unwrap();
    let over = RateLimitResponse { overall_code: Code::OverLimit.into(), ..Default::default() };
    service.on(METHOD, grpc::ok(over.encode_to_vec()));
    let mut configuration = limit(&json!({"enforce": false}), &json!({}));
    configuration["headers"] = json!({"shadow": true});
    let mut mesh = Setup::new(&configuration).rls(service.addr()).start();
    let response = mesh.get(&by("alice"));
    assert_eq!(response.status, 200);
    assert_eq!(response.headers.all("x-ratelimit-shadow"), [b"deny"]);
    assert_eq!(mesh.counter("decisions;limit=global;verdict=shadow_refused"), 1);
    assert_eq!(mesh.counter("rls;limit=global;outcome=refused"), 1);
    mesh.assert_unharmed();
}

#[test]
fn a_service_is_obeyed_for_the_share_of_the_keys_for_which_it_is_enforced() {
    let service = Upstream::start().unwrap();
    let over = RateLimitResponse { overall_code: Code::OverLimit.into(), ..Default::default() };
    service.on(METHOD, grpc::ok(over.encode_to_vec()));
    service.keep(STREAMS);
    let fields = json!({"key": [{"header": "x-user"}], "enforce_percent": "25%"});
    let mut mesh = Setup::new(&limit(&fields, &json!({}))).rls(service.addr()).start();
    let refused = refused(&mesh);
    assert_eq!(self::refused(&mesh), refused);
    let four_sigma = 4.0 * (USERS as f64 * 0.25 * 0.75).sqrt();
    assert!((refused.len() as f64 - USERS as f64 * 0.25).abs() <= four_sigma, "{} of {USERS}", refused.len());
    mesh.assert_unharmed();
}
