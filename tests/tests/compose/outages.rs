//! One container killed at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use palisade_testbed::http1::Connection;
use palisade_testbed::{Request, Response, http1};

use crate::chain;
use crate::mesh::{COLLECTOR, ENVOY, ENVOY_DECISION, ENVOYS, MODULES, Mesh, UPSTREAM, within};

pub(crate) type Scenario = fn(&Mesh) -> Result<()>;

pub(crate) const SCENARIOS: &[(&str, Scenario)] = &[
    ("a_dead_upstream_is_503_until_it_is_back", a_dead_upstream_is_503_until_it_is_back),
    ("a_dead_collector_is_felt_by_no_request", a_dead_collector_is_felt_by_no_request),
    ("a_dead_module_server_is_felt_by_no_request", a_dead_module_server_is_felt_by_no_request),
    ("a_killed_envoy_fetches_its_module_anew", a_killed_envoy_fetches_its_module_anew),
    (
        "an_envoy_that_cannot_fetch_its_module_lets_no_request_pass",
        an_envoy_that_cannot_fetch_its_module_lets_no_request_pass,
    ),
];

/// Longer than Envoy's ten retries take, which wait at most 1, 2, 4, 8 and then 10 seconds each.
const RETRIES: Duration = Duration::from_secs(100);
/// Longer than the wait before one retry, and than Envoy takes to look a name up again, on a busy machine.
pub(crate) const ONE_RETRY: Duration = Duration::from_secs(60);
/// Many more than an outage would let through whose every request waited for what is dead, a second at least.
const UNDISTURBED: usize = 100;

fn a_dead_upstream_is_503_until_it_is_back(mesh: &Mesh) -> Result<()> {
    mesh.kill(UPSTREAM)?;
    for _ in 0..3 {
        let response = mesh.exchange(ENVOY, &vip())?;
        ensure!(response.status == 503, "without its upstream, Envoy answers {response:?}");
    }
    mesh.revive(UPSTREAM)?;
    // Each of them looks the name up again in its own time.
    ENVOYS.into_iter().try_for_each(|envoy| within(ONE_RETRY, || served(mesh, envoy)))
}

fn a_dead_collector_is_felt_by_no_request(mesh: &Mesh) -> Result<()> {
    under_load(mesh, ENVOY_DECISION, || {
        mesh.kill(COLLECTOR)?;
        // Longer than Envoy keeps spans before it sends them, and than a sending may take.
        thread::sleep(Duration::from_secs(7));
        mesh.revive(COLLECTOR)?;
        within(ONE_RETRY, || {
            ensure!(mesh.spans()? > 0, "no span comes since the collector is back");
            Ok(())
        })
    })
}

fn a_dead_module_server_is_felt_by_no_request(mesh: &Mesh) -> Result<()> {
    under_load(mesh, ENVOY, || {
        mesh.kill(MODULES)?;
        thread::sleep(Duration::from_secs(2));
        mesh.revive(MODULES)
    })
}

fn a_killed_envoy_fetches_its_module_anew(mesh: &Mesh) -> Result<()> {
    let addr = mesh.addr(ENVOY)?;
    mesh.kill(ENVOY)?;
    ensure!(http1::exchange(addr, &vip()).is_err(), "somebody answers for a dead Envoy");
    mesh.revive(ENVOY)?;
    served(mesh, ENVOY)?;
    let fetches = mesh.stat(ENVOY, "wasm.remote_load_fetch_successes")?;
    ensure!(fetches == 1, "{fetches} fetches");
    Ok(())
}

/// It does not listen while it tries, and answers 503 from when it has given up until it is started again.
fn an_envoy_that_cannot_fetch_its_module_lets_no_request_pass(mesh: &Mesh) -> Result<()> {
    mesh.kill(MODULES)?;
    mesh.restart(ENVOY)?;
    let given_up = within(RETRIES, || mesh.exchange(ENVOY, &vip()))?;
    ensure!(given_up.status == 503, "without its module, Envoy answers {given_up:?}");
    ensure!(mesh.stat(ENVOY, "wasm.remote_load_fetch_successes")? == 0, "where did Envoy fetch its module?");

    mesh.restart(ENVOY_DECISION)?;
    ensure!(mesh.exchange(ENVOY_DECISION, &vip()).is_err(), "Envoy answers before it has its module");
    mesh.revive(MODULES)?;
    within(ONE_RETRY, || served(mesh, ENVOY_DECISION))?;

    let still = mesh.exchange(ENVOY, &vip())?;
    ensure!(still.status == 503, "Envoy had given its module up, and answers {still:?}");
    mesh.revive(ENVOY)?;
    mesh.revive(ENVOY_DECISION)?;
    served(mesh, ENVOY)
}

/// A VIP's, which is sampled always.
fn vip() -> Request {
    Request::get("/orders").header("x-user-tier", "vip").header("authorization", format!("Bearer {}", chain::VIP))
}

pub(crate) fn served(mesh: &Mesh, service: &str) -> Result<()> {
    sampled(&mesh.exchange(service, &vip())?)
}

/// Whether the request went through the filter to the upstream.
fn sampled(response: &Response) -> Result<()> {
    ensure!(response.status == 200, "{response:?}");
    let traceparent = response.echo()?.header("traceparent").concat();
    ensure!(traceparent.ends_with("-01") || traceparent.ends_with("-03"), "a VIP's traceparent is {traceparent:?}");
    Ok(())
}

/// Requests one after another while `outage` happens: all of them are served, and none waits for what is dead.
pub(crate) fn under_load(mesh: &Mesh, service: &str, outage: impl FnOnce() -> Result<()>) -> Result<()> {
    let addr = mesh.addr(service)?;
    let over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(move || -> Result<()> {
            let mut connection = Connection::open(addr)?;
            let mut served = 0;
            while !over.load(Ordering::Relaxed) {
                sampled(&connection.exchange(&vip())?)?;
                served += 1;
                thread::sleep(Duration::from_millis(5));
            }
            ensure!(served >= UNDISTURBED, "only {served} requests were served");
            Ok(())
        });
        let outage = outage();
        over.store(true, Ordering::Relaxed);
        let load = load.join().map_err(|_| anyhow!("the load panicked"))?;
        outage.and(load.map_err(|error| error.context(format!("{service} did not serve every request"))))
    })
}
