//! The command line.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use palisade_testbed::checkout;

use crate::group::{Goal, Group, Method, Workload};
use crate::mesh::Modules;
use crate::report::{Figures, Machine, Measured, Module, Report};
use crate::{cpu_time, host_calls, instructions};

/// Measures what a request costs in Envoy's worker thread: with our filters, with Envoy's own, and with none.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench")]
pub struct Command {
    /// The groups to measure, all of bench/workloads/ otherwise.
    #[arg(value_name = "GROUP")]
    groups: Vec<String>,

    /// Measure only workloads with this in their names.
    #[arg(long, value_name = "TEXT", default_value = "")]
    workload: String,

    /// Fewer rounds: to see whether something changed, not to tell others.
    #[arg(long)]
    quick: bool,

    /// Requests to each chain before its instructions are counted.
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    warm_up: usize,

    /// Measure in this way only. May be repeated.
    #[arg(long = "only", value_name = "METHOD")]
    only: Vec<Way>,

    /// Write all figures to this file, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Keep a callgrind profile of each chain here, for callgrind_annotate.
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,

    /// Take the modules of this dist folder, with its lock ($PALISADE_MODULES), instead of building them to dist/.
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Way {
    /// Instructions, by callgrind.
    Instructions,
    /// CPU time, by the kernel.
    CpuTime,
    /// Calls between Envoy and a module, by Envoy's trace log.
    HostCalls,
}

impl Command {
    /// Measures, and prints each workload as soon as it is measured.
    ///
    /// # Errors
    ///
    /// If something is missing, or a chain answers otherwise than it should.
    pub fn run(self) -> Result<()> {
        let names = if self.groups.is_empty() { Group::names()? } else { self.groups.clone() };
        let groups = names.iter().map(|name| Group::read(name)).collect::<Result<Vec<_>>>()?;
        let selected: Vec<_> = groups
            .iter()
            .flat_map(|group| group.workloads.iter().map(move |workload| (group, workload)))
            .filter(|(_, workload)| workload.name.contains(&self.workload))
            .collect();
        let folder = match &self.modules {
            Some(folder) => folder.clone(),
            None => checkout::root()?.join("dist"),
        };
        let modules = Modules::find(&folder, selected.iter().map(|(_, workload)| *workload))?;
        let valgrind = self.takes(Way::Instructions).then(instructions::version).transpose()?;
        let mut report = Report {
            machine: Machine::here(valgrind)?,
            modules: modules.iter().map(Module::of).collect(),
            workloads: Vec::new(),
        };
        for (group, workload) in selected {
            let measured = self.measure(&modules, group, workload);
            let measured = measured.with_context(|| format!("{}: {}", group.name, workload.name))?;
            println!("{measured}");
            report.workloads.push(measured);
        }
        if let Some(file) = &self.json {
            let json = serde_json::to_string_pretty(&report)? + "\n";
            fs::write(file, json).with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(())
    }

    fn takes(&self, way: Way) -> bool {
        self.only.is_empty() || self.only.contains(&way)
    }

    fn measure(&self, modules: &Modules, group: &Group, workload: &Workload) -> Result<Measured> {
        let mut instructions = Default::default();
        let mut cpu_times = Default::default();
        let mut host_calls = Default::default();
        if self.takes(Way::Instructions) && workload.is_measured_by(Method::Instructions) {
            let profiles = self.profiles.as_deref();
            instructions = instructions::measure(modules, group, workload, self.instructions(), profiles)?;
        }
        if self.takes(Way::CpuTime) && workload.is_measured_by(Method::CpuTime) {
            cpu_times = cpu_time::measure(modules, group, workload, self.cpu_time())?;
        }
        if self.takes(Way::HostCalls) {
            host_calls = host_calls::count(modules, group, workload)?;
        }
        let goals = [Goal::default()].into_iter().chain(workload.chains.iter().map(|chain| chain.goal));
        let chains = workload.chain_names().zip(goals).map(|(chain, goal)| Figures {
            instructions: instructions.remove(chain),
            cpu_time: cpu_times.remove(chain),
            host_calls: host_calls.remove(chain),
            ..Figures::new(chain, goal)
        });
        Ok(Measured {
            group: group.name.clone(),
            workload: workload.name.clone(),
            native: workload.native.clone(),
            chains: chains.collect(),
        })
    }

    fn instructions(&self) -> instructions::Effort {
        let rounds = if self.quick { 3 } else { 7 };
        instructions::Effort { rounds, requests: 100, warm_up: self.warm_up }
    }

    fn cpu_time(&self) -> cpu_time::Effort {
        let rounds = if self.quick { 5 } else { 21 };
        cpu_time::Effort { rounds, turns: 8, requests: 128, connections: 16 }
    }
}
