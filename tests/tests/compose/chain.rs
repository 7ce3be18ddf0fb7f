//! The chain of all filters: what its services are asked, and what stays when one of them is killed.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use palisade_testbed::Request;
use palisade_testbed::http1::Connection;

use crate::mesh::{ENVOY_CHAIN, IDP, Mesh, REDIS, RLS, within};
use crate::outages::{ONE_RETRY, Scenario, served, under_load};

pub(crate) const SCENARIOS: &[(&str, Scenario)] = &[
    ("the_service_refuses_what_envoy_alone_would_admit", the_service_refuses_what_envoy_alone_would_admit),
    ("a_dead_identity_provider_is_felt_by_no_known_caller", a_dead_identity_provider_is_felt_by_no_known_caller),
    ("without_the_rate_limit_service_each_envoy_counts", without_the_rate_limit_service_each_envoy_counts),
    ("without_redis_each_envoy_counts", without_redis_each_envoy_counts),
];

/// Each plugin of `chain.yaml`, with its module.
pub(crate) const PLUGINS: [(&str, &str); 4] = [
    ("auth", "auth"),
    ("rate_limit", "rate_limit_global"),
    ("trace_sampler", "trace_sampler"),
    ("data_masking", "data_masking"),
];

/// The token of a VIP: `palisade-issuer token EdDSA '{"kid": "a"}' '{"sub": "bob", "plan": {"tier": "vip"}}'`.
pub(crate) const VIP: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwiYXVkIjoic2hvcCIsInN1YiI6ImJvYiIsImV4cCI6NDEwMjQ0NDgwMCwicGxhbiI6eyJ0aWVyIjoidmlwIn19.VtYpyHMPptqziuwZ0uyhNaBGzF2_1-D8rxBnDLFhDbLR_LFXKnQbuWFJik6E5mknLQVt9I_4JH5GiSEjQ9UKAg";

/// What the service admits of a user in a minute, by `compose.yaml`; an Envoy alone admits twice as much.
const ADMITTED: usize = 50;

/// Two windows of the service hold less than it is sent here, as long as that takes less than a minute.
fn the_service_refuses_what_envoy_alone_would_admit(mesh: &Mesh) -> Result<()> {
    let refusals = outcomes(mesh, "refused")?;
    let mut connection = Connection::open(mesh.addr(ENVOY_CHAIN)?)?;
    let mut statuses = Vec::new();
    for _ in 0..=2 * ADMITTED {
        statuses.push(connection.exchange(&limited())?.status);
    }
    let refused = statuses.iter().filter(|status| **status == 429).count();
    ensure!(refused > 0 && statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    ensure!(outcomes(mesh, "refused")? > refusals, "it was not the service that refused");
    Ok(())
}

fn a_dead_identity_provider_is_felt_by_no_known_caller(mesh: &Mesh) -> Result<()> {
    served(mesh, ENVOY_CHAIN)?;
    under_load(mesh, ENVOY_CHAIN, || {
        mesh.kill(IDP)?;
        thread::sleep(Duration::from_secs(2));
        mesh.revive(IDP)
    })
}

fn without_the_rate_limit_service_each_envoy_counts(mesh: &Mesh) -> Result<()> {
    counts_without(mesh, RLS)
}

fn without_redis_each_envoy_counts(mesh: &Mesh) -> Result<()> {
    counts_without(mesh, REDIS)
}

/// Requests are answered as long as a part is away; from when it is back, the service decides again.
fn counts_without(mesh: &Mesh, part: &str) -> Result<()> {
    let answered = || -> Result<()> {
        let status = mesh.exchange(ENVOY_CHAIN, &limited())?.status;
        ensure!(matches!(status, 200 | 429), "without {part}, Envoy answers {status}");
        Ok(())
    };
    let asked = || -> Result<u64> { Ok(outcomes(mesh, "admitted")? + outcomes(mesh, "refused")?) };
    mesh.kill(part)?;
    let before = asked()?;
    for _ in 0..10 {
        answered()?;
    }
    ensure!(asked()? == before, "who decides without {part}?");
    mesh.revive(part)?;
    within(ONE_RETRY, || {
        answered()?;
        ensure!(asked()? > before, "{part} is back, and the service is not asked");
        Ok(())
    })
}

/// A request that the service is asked about.
fn limited() -> Request {
    Request::get("/api/orders").header("authorization", format!("Bearer {VIP}"))
}

/// How often the filter counted this outcome of asking the service.
fn outcomes(mesh: &Mesh, outcome: &str) -> Result<u64> {
    let stats = mesh.admin(ENVOY_CHAIN, "/stats?filter=rate_limit.rls")?;
    let end = format!("outcome={outcome}: ");
    let counts = stats.lines().filter_map(|line| Some(line.split_once(&end)?.1));
    counts.map(|count| count.parse::<u64>().with_context(|| format!("no number: {count}"))).sum()
}
