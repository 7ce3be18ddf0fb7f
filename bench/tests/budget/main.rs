//! Every chain of our modules in the embedded host: what it costs there is exact, and has to be what `bench/budget.toml`
//! grants. Where that is meant to change:
//!
//! ```sh
//! PALISADE_RECORD=1 cargo test --package palisade-bench --test budget
//! ```

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod cost;
mod grants;

use std::{env, fs};

use palisade_bench::group::Group;
use palisade_bench::mesh::Modules;
use palisade_testbed::checkout;

use cost::Cost;
use grants::Budget;

#[test]
fn every_chain_costs_what_its_budget_grants() {
    let root = checkout::root().unwrap();
    let groups: Vec<_> = Group::names().unwrap().iter().map(|name| Group::read(name).unwrap()).collect();
    let modules = Modules::find(&root.join("dist"), groups.iter().flat_map(|group| &group.workloads)).unwrap();
    let mut seen = Budget::of(&modules);
    for group in &groups {
        // The others are chains of these with more of something, or about Envoy's start and memory.
        for workload in group.workloads.iter().filter(|workload| workload.is_of_requests() && workload.scale.is_none())
        {
            for chain in workload.chains.iter().filter(|chain| chain.modules().count() == chain.filters.len()) {
                let name = format!("{}: {}: {}", group.name, workload.name, chain.name);
                let cost = Cost::of(&modules, group, workload, chain);
                seen.insert(name.clone(), cost.unwrap_or_else(|error| panic!("{name}: {error:#}")));
            }
        }
    }
    let path = root.join("bench/budget.toml");
    if env::var_os("PALISADE_RECORD").is_some_and(|record| record == "1") {
        fs::write(&path, seen.to_string()).unwrap();
    }
    let granted = Budget::read(&fs::read_to_string(&path).unwrap()).unwrap();
    let differences = granted.differences(&seen);
    assert!(
        differences.is_empty(),
        "the modules cost something else than bench/budget.toml grants; where that is meant, \
         PALISADE_RECORD=1 cargo test --package palisade-bench --test budget\n{differences}"
    );
}
