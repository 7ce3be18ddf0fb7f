//! What runs in the containers is what was built and pinned.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use palisade_testbed::envoy::config::plugin_mut;
use palisade_testbed::http1::Connection;
use palisade_testbed::{Request, checkout, sha256};

use crate::chain;
use crate::mesh::{ENVOY, ENVOY_CHAIN, ENVOY_DECISION, Mesh, within};
use crate::outages::Scenario;

pub(crate) const SCENARIOS: &[(&str, Scenario)] = &[
    ("each_sampled_request_is_one_span_at_the_collector", each_sampled_request_is_one_span_at_the_collector),
    ("each_envoy_fetched_each_module_once_by_its_sha256", each_envoy_fetched_each_module_once_by_its_sha256),
];

fn each_envoy_fetched_each_module_once_by_its_sha256(mesh: &Mesh) -> Result<()> {
    let sampler: &[_] = &[("trace_sampler", "trace_sampler")];
    for (service, plugins) in [(ENVOY, sampler), (ENVOY_DECISION, sampler), (ENVOY_CHAIN, &chain::PLUGINS)] {
        let mut dump = serde_json::from_str(&mesh.admin(service, "/config_dump")?)?;
        for (name, module) in plugins {
            let built = sha256(&fs::read(checkout::root()?.join(format!("dist/modules/{module}.wasm")))?);
            let plugin = plugin_mut(&mut dump, name).with_context(|| format!("{service} runs no {name}"))?;
            let code = plugin.pointer("/vm_config/code/remote/sha256").and_then(|sha256| sha256.as_str());
            ensure!(code == Some(&built), "{service} holds {name} to {code:?}, and {built} was built");
        }
        let [fetched, failed] = ["successes", "failures"].map(|end| format!("wasm.remote_load_fetch_{end}"));
        let counts = (mesh.stat(service, &fetched)?, mesh.stat(service, &failed)?);
        let expected = (u64::try_from(plugins.len())?, 0);
        ensure!(counts == expected, "{service}: (successes, failures) of fetches are {counts:?}");
    }
    Ok(())
}

/// Over one connection, that is by one worker, so that spans come in the order of the requests.
fn each_sampled_request_is_one_span_at_the_collector(mesh: &Mesh) -> Result<()> {
    const EACH: usize = 20;
    let before = mesh.spans()?;
    let mut connection = Connection::open(mesh.addr(ENVOY_DECISION)?)?;
    for path in ["/healthz", "/orders"] {
        for _ in 0..EACH {
            let response = connection.exchange(&Request::get(path).header("x-user-tier", "vip"))?;
            ensure!(response.status == 200, "{response:?}");
        }
    }
    within(Duration::from_secs(15), || {
        let spans = mesh.spans()? - before;
        ensure!(spans >= EACH, "{spans} spans of {EACH} sampled requests have come");
        Ok(())
    })?;
    let spans = mesh.spans()? - before;
    ensure!(spans == EACH, "{spans} spans came of {EACH} requests that are to be sampled and {EACH} that are not");
    Ok(())
}
