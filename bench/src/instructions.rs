//! Instructions per request of Envoy's worker thread, one request at a time.
//!
//! Callgrind counts what the thread executes outside of the kernel, whatever else the machine does. It overstates large
//! copies, and its CPU has no instructions for SHA and AVX-512, so hashing and encryption cost less than it says.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::callgrind::{Callgrind, keep};
use crate::group::{Group, REFERENCE, Workload};
use crate::mesh::{Mesh, Modules, requests};
use crate::statistics::Spread;

pub(crate) use crate::callgrind::version;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often.
    pub rounds: usize,
    /// Requests in each round.
    pub requests: usize,
    /// Requests before them, until V8 has compiled all that is hot.
    pub warm_up: usize,
}

/// What a chain executes for a request.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Instructions {
    /// More than the reference does, over the rounds.
    pub added: Spread,
    /// In all.
    pub total: f64,
    /// Of them, in code that V8 has compiled.
    pub compiled: f64,
}

/// The worker goes on a little after its last response.
const SETTLE: Duration = Duration::from_millis(50);

/// Measures the chains of a workload, by name; `profiles` is where one profile of each is to be kept.
pub fn measure(
    modules: &Modules,
    group: &Group,
    workload: &Workload,
    effort: Effort,
    profiles: Option<&Path>,
) -> Result<BTreeMap<String, Instructions>> {
    let callgrind = Callgrind::new()?;
    let mesh = Mesh::start(modules, workload, |envoy| callgrind.run(envoy))?;
    mesh.check(group, workload)?;
    let process = mesh.envoy().pid();
    let requests = requests(group, workload);
    let first = requests.take(effort.warm_up.max(workload.distinct));
    let mut clients = Vec::new();
    for chain in workload.chain_names() {
        let mut client = mesh.client(workload, chain, 1)?;
        client.send(&first).with_context(|| format!("the chain {chain:?}"))?;
        clients.push((chain, client));
    }
    callgrind.start(process)?;
    let mut counted: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for round in 0..effort.rounds {
        let requests = requests.take(effort.requests);
        for (chain, client) in &mut clients {
            thread::sleep(SETTLE);
            callgrind.zero(process)?;
            client.send(&requests).with_context(|| format!("the chain {chain:?}"))?;
            thread::sleep(SETTLE);
            let (profile, file) = callgrind.busiest_thread(process)?;
            if let (0, Some(folder)) = (round, profiles) {
                keep(&file, folder, &format!("{} {} {chain}", group.name, workload.name))?;
            }
            counted.entry(chain).or_default().push(profile);
        }
    }
    let per_request = |count: u64| count as f64 / effort.requests as f64;
    let totals =
        |chain: &str| counted[chain].iter().map(|profile| per_request(profile.instructions)).collect::<Vec<_>>();
    let reference = totals(REFERENCE);
    let mut measured = BTreeMap::new();
    for chain in workload.chain_names() {
        let compiled = counted[chain].iter().map(|profile| per_request(profile.compiled));
        let added = Spread::of_pairs(&totals(chain), &reference, |chain, reference| chain - reference);
        let figures = added.zip(Spread::of(totals(chain))).zip(Spread::of(compiled));
        let ((added, total), compiled) = figures.context("nothing was measured: there has to be a round")?;
        let figures = Instructions { added, total: total.median, compiled: compiled.median };
        measured.insert(chain.to_owned(), figures);
    }
    Ok(measured)
}
