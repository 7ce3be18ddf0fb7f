//! Calls between Envoy and the modules of a chain for one request, as Envoy's own trace log shows them.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use palisade_testbed::envoy::trace;
use serde::{Deserialize, Serialize};

use crate::group::{Group, Workload};
use crate::mesh::{Mesh, Modules, requests};

/// How often each function is called for a request.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct HostCalls {
    /// Callbacks and host functions, by name.
    pub by_name: BTreeMap<String, f64>,
    /// Host functions that returned data, each of which asked the module for memory.
    pub returned_data: f64,
}

const WARM_UP: usize = 200;
/// What happens every so many requests only is counted in part.
const REQUESTS: usize = 100;
/// The worker goes on a little after its last response.
const SETTLE: Duration = Duration::from_millis(100);

/// Counts the calls of the chains of a workload, by name; chains without modules have none.
pub fn count(modules: &Modules, group: &Group, workload: &Workload) -> Result<BTreeMap<String, HostCalls>> {
    let mesh = Mesh::start(modules, workload, |envoy| envoy.log_level("wasm", "trace"))?;
    mesh.check(group, workload)?;
    let requests = requests(group, workload);
    let mut counted = BTreeMap::new();
    for chain in &workload.chains {
        let send = |count| {
            let mut client = mesh.client(workload, &chain.name, 1)?;
            client.send(&requests.take(count)).with_context(|| format!("the chain {:?}", chain.name))?;
            thread::sleep(SETTLE);
            anyhow::Ok(mesh.envoy().log().len())
        };
        let before = send(WARM_UP)?;
        send(REQUESTS)?;
        let log = mesh.envoy().log();
        counted.insert(chain.name.clone(), HostCalls::of(log.get(before..).unwrap_or_default(), REQUESTS));
    }
    Ok(counted)
}

// === impl HostCalls ===

impl HostCalls {
    fn of(log: &str, requests: usize) -> Self {
        let mut counts: BTreeMap<_, usize> = BTreeMap::new();
        for name in trace::calls(log) {
            *counts.entry(name).or_default() += 1;
        }
        let per_request = |count: usize| count as f64 / requests as f64;
        let returned_data = per_request(counts.remove(trace::ALLOCATION).unwrap_or_default());
        let by_name = counts.into_iter().map(|(name, count)| (name.to_owned(), per_request(count))).collect();
        Self { by_name, returned_data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_per_request_and_allocations_apart() {
        let log = "\
x [host->vm] proxy_on_request_headers(2, 1, 1)
x [vm->host] env.proxy_get_shared_data(1, 2, 3, 4, 5)
x [host->vm] proxy_on_memory_allocate(8)
x [host->vm] proxy_on_request_headers(3, 1, 1)
";
        let calls = HostCalls::of(log, 2);
        assert_eq!(calls.returned_data, 0.5);
        let expected = [("proxy_get_shared_data", 0.5), ("proxy_on_request_headers", 1.0)];
        assert_eq!(calls.by_name, expected.map(|(name, count)| (name.to_owned(), count)).into());
    }
}
