//! The start: what the whole of Envoy takes from its execution to the first answer of a chain.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::group::{Group, REFERENCE, Workload};
use crate::mesh::{Mesh, Modules, requests};
use crate::process::{Threads, resident_kib};
use crate::statistics::Spread;

/// What a start takes.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Start {
    /// With how many worker threads.
    pub workers: usize,
    /// CPU time of all threads in milliseconds.
    pub cpu_ms: Taken,
    /// What a clock shows in milliseconds.
    pub wall_ms: Taken,
    /// The memory that Envoy has at the first answer, in KiB.
    pub memory_kib: Taken,
}

/// A quantity, over the rounds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Taken {
    /// More than the reference takes.
    pub added: Spread,
    /// In all.
    pub total: Spread,
}

const WORKERS: [usize; 2] = [1, 2];

/// Measures the chains of a workload, by name. Each round starts an Envoy for each chain; the first does not count, since it
/// reads files from disk.
pub fn measure(
    modules: &Modules,
    group: &Group,
    workload: &Workload,
    rounds: usize,
) -> Result<BTreeMap<String, Vec<Start>>> {
    let mut measured: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for workers in WORKERS {
        let workload = Workload { workers, ..workload.clone() };
        let mut seen: BTreeMap<&str, Vec<Seen>> = BTreeMap::new();
        for round in 0..=rounds {
            for chain in workload.chain_names() {
                let start = Seen::of(modules, group, &workload, chain);
                let start = start.with_context(|| format!("the chain {chain:?}"))?;
                if round > 0 {
                    seen.entry(chain).or_default().push(start);
                }
            }
        }
        for chain in workload.chain_names() {
            let start = Start {
                workers,
                cpu_ms: Taken::of(&seen, chain, |seen| seen.cpu_ms)?,
                wall_ms: Taken::of(&seen, chain, |seen| seen.wall_ms)?,
                memory_kib: Taken::of(&seen, chain, |seen| seen.memory_kib)?,
            };
            measured.entry(chain.to_owned()).or_default().push(start);
        }
    }
    Ok(measured)
}

/// One start.
struct Seen {
    cpu_ms: f64,
    wall_ms: f64,
    memory_kib: f64,
}

// === impl Seen ===

impl Seen {
    fn of(modules: &Modules, group: &Group, workload: &Workload, chain: &str) -> Result<Self> {
        let begin = Instant::now();
        let mesh = Mesh::alone(modules, workload, chain)?;
        mesh.client(workload, chain, 1)?.send(&requests(group, workload).take(1))?;
        let wall_ms = begin.elapsed().as_secs_f64() * 1e3;
        let process = mesh.envoy().pid();
        Ok(Self {
            cpu_ms: Threads::all(process)?.cpu_time()? as f64 / 1e6,
            wall_ms,
            memory_kib: resident_kib(process)? as f64,
        })
    }
}

// === impl Taken ===

impl Taken {
    fn of(seen: &BTreeMap<&str, Vec<Seen>>, chain: &str, quantity: impl Fn(&Seen) -> f64) -> Result<Self> {
        let of = |chain: &str| seen.get(chain).into_iter().flatten().map(&quantity).collect::<Vec<_>>();
        let added = Spread::of_pairs(&of(chain), &of(REFERENCE), |chain, reference| chain - reference);
        let (added, total) = added.zip(Spread::of(of(chain))).context("there has to be a round")?;
        Ok(Self { added, total })
    }
}
