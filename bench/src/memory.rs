//! Memory: whether Envoy has more of it the more requests there were.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::group::{Group, Workload};
use crate::mesh::{Mesh, Modules, requests};
use crate::process::resident_kib;

/// The memory of an Envoy with one worker thread.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Memory {
    /// The requests between two looks.
    pub step: usize,
    /// What it has in KiB after each step.
    pub resident_kib: Vec<u64>,
}

/// Looks at the memory.
const STEPS: usize = 20;
/// Steps until all that is hot is compiled, and all tables are full.
const WARM_UP: usize = 2;
/// Connections that send the requests.
const CONNECTIONS: usize = 16;

/// Measures each chain of a workload by itself, by name.
pub fn measure(
    modules: &Modules,
    group: &Group,
    workload: &Workload,
    count: usize,
) -> Result<BTreeMap<String, Memory>> {
    let mut measured = BTreeMap::new();
    for chain in &workload.chains {
        let memory = over(modules, group, workload, &chain.name, count.div_ceil(STEPS));
        measured.insert(chain.name.clone(), memory.with_context(|| format!("the chain {:?}", chain.name))?);
    }
    Ok(measured)
}

fn over(modules: &Modules, group: &Group, workload: &Workload, chain: &str, step: usize) -> Result<Memory> {
    let mesh = Mesh::alone(modules, workload, chain)?;
    let requests = requests(group, workload);
    let mut client = mesh.client(workload, chain, CONNECTIONS)?;
    let mut resident = Vec::new();
    for _ in 0..STEPS {
        client.send(&requests.take(step))?;
        resident.push(resident_kib(mesh.envoy().pid())?);
    }
    Ok(Memory { step, resident_kib: resident })
}

impl Memory {
    /// What came after the first tenth of a million requests, in KiB; fewer say little about a leak.
    pub fn growth_over_a_million_kib(&self) -> Option<f64> {
        self.growth_kib().filter(|_| self.requests() >= 1_000_000)
    }

    /// What it had after the warm-up, what it had in the end, and all requests.
    pub fn ends(&self) -> Option<(u64, u64, usize)> {
        let warm = self.resident_kib.get(WARM_UP - 1)?;
        Some((*warm, *self.resident_kib.last()?, self.requests()))
    }

    fn requests(&self) -> usize {
        self.step * self.resident_kib.len()
    }

    /// What came between them, in KiB.
    pub fn growth_kib(&self) -> Option<f64> {
        let (warm, end, _) = self.ends()?;
        Some(end as f64 - warm as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_the_first_tenth_of_the_requests_is_no_growth() {
        let resident_kib = [9000, 10_000].into_iter().chain([10_020; 18]).collect();
        let memory = Memory { step: 50_000, resident_kib };
        assert_eq!((memory.ends(), memory.growth_kib()), (Some((10_000, 10_020, 1_000_000)), Some(20.0)));
        assert_eq!(memory.growth_over_a_million_kib(), Some(20.0));
        assert_eq!(Memory { step: 5000, ..memory }.growth_over_a_million_kib(), None);
    }
}
