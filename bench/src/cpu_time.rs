//! CPU time per request of Envoy's worker threads, under load, as the kernel accounts it.
//!
//! The chains take short turns in one Envoy, so that what disturbs one of them disturbs the one that it is compared with.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::group::{Group, REFERENCE, Workload};
use crate::mesh::{Mesh, Modules, requests};
use crate::process::Threads;
use crate::statistics::Spread;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often the chains are compared.
    pub rounds: usize,
    /// In how many turns of each chain a round is cut.
    pub turns: usize,
    /// Requests in each turn.
    pub requests: usize,
    /// Connections that send them.
    pub connections: usize,
}

/// What a chain takes for a request.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct CpuTime {
    /// More than the reference, in microseconds.
    pub added: Spread,
    /// In all, in microseconds.
    pub total: Spread,
    /// In all, as a multiple of what the native chain takes.
    pub ratio: Option<Spread>,
    /// More than the reference, as a multiple of what the native chain takes more.
    pub added_ratio: Option<Spread>,
}

/// The rounds before the first that counts: V8 has compiled all that is hot, and the caches are full.
const WARM_UP: usize = 2;
/// The worker goes on a little after its last response.
const SETTLE: Duration = Duration::from_millis(5);

/// Measures the chains of a workload, by name.
pub fn measure(
    modules: &Modules,
    group: &Group,
    workload: &Workload,
    effort: Effort,
) -> Result<BTreeMap<String, CpuTime>> {
    let mesh = Mesh::start(modules, workload, |envoy| envoy)?;
    mesh.check(group, workload)?;
    let workers = Threads::workers(mesh.envoy().pid())?;
    let requests = requests(group, workload);
    let chains: Vec<_> = workload.chain_names().collect();
    let clients = chains.iter().map(|chain| mesh.client(workload, chain, effort.connections));
    let mut clients = clients.collect::<Result<Vec<_>>>()?;
    // Each number, so that no request that counts is the first of its kind.
    let first = requests.take(if workload.distinct > 1 { workload.distinct } else { 0 });
    for (chain, client) in chains.iter().zip(&mut clients) {
        client.send(&first).with_context(|| format!("the chain {chain:?}"))?;
    }
    let mut taken = vec![Vec::new(); chains.len()];
    for round in 0..WARM_UP + effort.rounds {
        let mut nanoseconds = vec![0; chains.len()];
        for _ in 0..effort.turns {
            let requests = requests.take(effort.requests);
            for next in 0..chains.len() {
                // Another one begins each round, so that none always comes after the same other one.
                let place = (round + next) % chains.len();
                let before = workers.cpu_time()?;
                clients[place].send(&requests).with_context(|| format!("the chain {:?}", chains[place]))?;
                thread::sleep(SETTLE);
                nanoseconds[place] += workers.cpu_time()? - before;
            }
        }
        if round >= WARM_UP {
            let sent = (effort.turns * effort.requests) as f64;
            for (taken, nanoseconds) in taken.iter_mut().zip(nanoseconds) {
                taken.push(nanoseconds as f64 / 1000.0 / sent);
            }
        }
    }
    let of = |name: &str| chains.iter().position(|chain| *chain == name).map(|place| &taken[place]);
    let reference = of(REFERENCE).context("there is no reference")?;
    let native = workload.native.as_deref().and_then(of);
    let beyond_reference =
        |taken: &[f64]| taken.iter().zip(reference).map(|(taken, reference)| taken - reference).collect();
    let ratio = |taken: &[f64], native: &[f64]| Spread::of_pairs(taken, native, |chain, native| chain / native);
    let mut measured = BTreeMap::new();
    for (chain, taken) in chains.iter().zip(&taken) {
        let added: Vec<f64> = beyond_reference(taken);
        let total = Spread::of(taken.iter().copied()).zip(Spread::of(added.iter().copied()));
        let (total, added_time) = total.context("nothing was measured: there has to be a round")?;
        let ratios = native.filter(|_| *chain != REFERENCE);
        let figures = CpuTime {
            added: added_time,
            total,
            ratio: ratios.and_then(|native| ratio(taken, native)),
            added_ratio: ratios.and_then(|native| ratio(&added, &beyond_reference(native))),
        };
        measured.insert((*chain).to_owned(), figures);
    }
    Ok(measured)
}
