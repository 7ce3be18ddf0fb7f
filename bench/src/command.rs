//! The command line.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum as _};
use palisade_testbed::checkout;

use crate::group::{Chain, Group, Method, Workload};
use crate::mesh::Modules;
use crate::report::{Machine, Measured, Module, Report};
use crate::{cpu_time, host_calls, instructions, memory, page, start};

/// Measures what a request costs in Envoy's worker thread: with our filters, with Envoy's own, and with none.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench", args_conflicts_with_subcommands = true)]
pub struct Command {
    #[command(subcommand)]
    report: Option<Action>,

    #[command(flatten)]
    measure: Measure,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Makes the page and the pictures of bench/report/ of results, which become its figures.json.
    Report {
        /// What --json has written, bench/report/figures.json otherwise.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct Measure {
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
    /// What Envoy takes until the first answer.
    Start,
    /// Envoy's memory over a million requests.
    Memory,
}

impl Command {
    /// Measures, and prints each workload as soon as it is measured; or makes the report.
    ///
    /// # Errors
    ///
    /// If something is missing, or a chain answers otherwise than it should.
    pub fn run(self) -> Result<()> {
        match self.report {
            Some(Action::Report { files }) => report(&files),
            None => self.measure.run(),
        }
    }
}

fn report(files: &[PathBuf]) -> Result<()> {
    let folder = checkout::root()?.join("bench/report");
    let figures = folder.join("figures.json");
    let (first, others) = match files {
        [] => (&figures, &[][..]),
        [first, others @ ..] => (first, others),
    };
    let mut report = Report::read(first)?;
    for file in others {
        report.add(Report::read(file)?).with_context(|| format!("{} and {}", first.display(), file.display()))?;
    }
    report.write(&figures)?;
    report.complete()?;
    for (name, text) in page::files(&report)? {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

impl Measure {
    fn run(self) -> Result<()> {
        let names = if self.groups.is_empty() { Group::names()? } else { self.groups.clone() };
        let groups = names.iter().map(|name| Group::read(name)).collect::<Result<Vec<_>>>()?;
        let selected: Vec<_> = groups
            .iter()
            .flat_map(|group| group.workloads.iter().map(move |workload| (group, workload)))
            .filter(|(_, workload)| workload.name.contains(&self.workload) && self.measures(workload))
            .collect();
        let folder = match &self.modules {
            Some(folder) => folder.clone(),
            None => checkout::root()?.join("dist"),
        };
        let modules = Modules::find(&folder, selected.iter().map(|(_, workload)| *workload))?;
        let valgrind = self.takes(Way::Instructions).then(instructions::version).transpose()?;
        let mut report = Report {
            machine: Machine::here(valgrind)?,
            quick: self.quick,
            modules: modules.iter().map(Module::of).collect(),
            workloads: Vec::new(),
        };
        for (group, workload) in selected {
            for (point, workload) in workload.points(group)? {
                let mut measured = Measured::new(group, &workload, point);
                self.measure(&modules, group, &workload, &mut measured).with_context(|| measured.name())?;
                println!("{measured}");
                report.workloads.push(measured);
            }
        }
        self.json.as_ref().map_or(Ok(()), |file| report.write(file))
    }

    fn takes(&self, way: Way) -> bool {
        self.only.is_empty() || self.only.contains(&way)
    }

    /// Whether a workload is measured in this way, where it is asked for.
    fn is_asked(&self, way: Way, workload: &Workload) -> bool {
        let is_measured = match way {
            Way::Instructions => workload.is_measured_by(Method::Instructions),
            Way::CpuTime => workload.is_measured_by(Method::CpuTime),
            // Those of one request tell those of more of something.
            Way::HostCalls => workload.is_of_requests() && workload.scale.is_none(),
            Way::Start => workload.is_measured_by(Method::Start),
            Way::Memory => workload.is_measured_by(Method::Memory),
        };
        self.takes(way) && is_measured
    }

    fn measures(&self, workload: &Workload) -> bool {
        Way::value_variants().iter().any(|way| self.is_asked(*way, workload))
    }

    fn measure(&self, modules: &Modules, group: &Group, workload: &Workload, measured: &mut Measured) -> Result<()> {
        let is_asked = |way| self.is_asked(way, workload);
        let mut instructions = BTreeMap::new();
        let mut cpu_times = BTreeMap::new();
        let mut host_calls = BTreeMap::new();
        let mut starts = BTreeMap::new();
        let mut memories = BTreeMap::new();
        if is_asked(Way::Instructions) {
            let profiles = self.profiles.as_deref();
            instructions = instructions::measure(modules, group, workload, self.instructions(), profiles)?;
        }
        if is_asked(Way::CpuTime) {
            cpu_times = cpu_time::measure(modules, group, workload, self.cpu_time())?;
        }
        if is_asked(Way::HostCalls) {
            host_calls = host_calls::count(modules, group, workload)?;
        }
        if is_asked(Way::Start) {
            starts = start::measure(modules, group, workload, if self.quick { 3 } else { 7 })?;
        }
        if is_asked(Way::Memory) {
            memories = memory::measure(modules, group, workload, if self.quick { 100_000 } else { 1_000_000 })?;
        }
        for figures in &mut measured.chains {
            for module in workload.chains.iter().filter(|chain| chain.name == figures.chain).flat_map(Chain::modules) {
                figures.bytes += modules.get(&module.module)?.1.size;
            }
            figures.instructions = instructions.remove(&figures.chain);
            figures.cpu_time = cpu_times.remove(&figures.chain);
            figures.host_calls = host_calls.remove(&figures.chain);
            figures.start = starts.remove(&figures.chain).unwrap_or_default();
            figures.memory = memories.remove(&figures.chain);
        }
        Ok(())
    }

    fn instructions(&self) -> instructions::Effort {
        let rounds = if self.quick { 3 } else { 7 };
        instructions::Effort { rounds, requests: 100, warm_up: self.warm_up }
    }

    fn cpu_time(&self) -> cpu_time::Effort {
        let rounds = if self.quick { 5 } else { 13 };
        cpu_time::Effort { rounds, turns: 8, requests: 128, connections: 16 }
    }
}
