//! Every workload on real Envoy, with the modules in `dist/`: what is measured has to work.

use std::thread;

use anyhow::{Context, Result};
use palisade_bench::group::{Group, Workload};
use palisade_bench::mesh::{Mesh, Modules};
use palisade_testbed::checkout;

fn check(modules: &Modules, group: &Group, workload: &Workload) -> Result<()> {
    let checked = Mesh::start(modules, workload, |envoy| envoy).and_then(|mesh| mesh.check(group, workload));
    checked.with_context(|| format!("{}: {}", group.name, workload.name))
}

#[test]
fn envoy_takes_every_chain_which_answers_as_it_should() {
    let names = Group::names().unwrap();
    let groups: Vec<_> = names.iter().map(|name| Group::read(name).unwrap()).collect();
    let dist = checkout::root().unwrap().join("dist");
    let modules = Modules::find(&dist, groups.iter().flat_map(|group| &group.workloads)).unwrap();
    thread::scope(|scope| {
        for group in &groups {
            let modules = &modules;
            scope.spawn(move || {
                for workload in &group.workloads {
                    check(modules, group, workload).unwrap();
                }
            });
        }
    });
}
