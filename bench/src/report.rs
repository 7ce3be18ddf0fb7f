//! The report: what was measured, of what, and on what machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use palisade_testbed::checkout;
use serde::{Deserialize, Serialize};

use crate::cpu_time::CpuTime;
use crate::goal::Goal;
use crate::group::{Group, Kind, REFERENCE, Workload};
use crate::host_calls::HostCalls;
use crate::instructions::Instructions;
use crate::memory::Memory;
use crate::scale::Point;
use crate::start::Start;

/// Everything that a run has measured.
#[derive(Debug, Deserialize, Serialize)]
pub struct Report {
    /// On what.
    pub machine: Machine,
    /// Whether there were fewer rounds.
    pub quick: bool,
    /// The modules that were loaded.
    pub modules: Vec<Module>,
    /// What they cost.
    pub workloads: Vec<Measured>,
}

/// What figures depend on.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub struct Machine {
    /// The processor, as the kernel names it.
    pub cpu: String,
    /// How many of its threads there are.
    pub cores: usize,
    /// The kernel.
    pub kernel: String,
    /// What `envoy --version` says.
    pub envoy: String,
    /// What counts instructions, where it was asked.
    pub valgrind: Option<String>,
}

/// A module.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub struct Module {
    /// Its name in the lock.
    pub name: String,
    /// Its length in bytes.
    pub size: usize,
    /// Its SHA-256.
    pub sha256: String,
}

/// The figures of a workload.
#[derive(Debug, Deserialize, Serialize)]
pub struct Measured {
    /// The name of its group.
    pub group: String,
    /// Its name.
    pub workload: String,
    /// The point, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
    /// The chain with which CPU times are compared.
    pub native: Option<String>,
    /// Its chains, the reference first.
    pub chains: Vec<Figures>,
}

/// The figures of a chain.
#[derive(Debug, Deserialize, Serialize)]
pub struct Figures {
    /// Its name.
    pub chain: String,
    /// Whose filters it has.
    pub kind: Kind,
    /// What it may cost, as the workloads have it now.
    #[serde(skip)]
    pub goal: Goal,
    /// The length of its modules.
    pub bytes: usize,
    /// Where instructions were counted.
    pub instructions: Option<Instructions>,
    /// Where time was measured.
    pub cpu_time: Option<CpuTime>,
    /// Where calls were counted.
    pub host_calls: Option<HostCalls>,
    /// Where starts were measured, one for each number of workers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<Start>,
    /// Where memory was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
}

// === impl Report ===

impl Report {
    /// Reads what a run has written.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no result of scripts/bench", file.display()))
    }

    /// Writes it.
    pub fn write(&self, file: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, json).with_context(|| format!("writing {}", file.display()))
    }

    /// Adds what another run has measured, on the same machine with the same modules.
    pub fn add(&mut self, other: Self) -> Result<()> {
        // Where no instructions were asked for, nothing says what would have counted them.
        let valgrind = self.machine.valgrind.clone().or_else(|| other.machine.valgrind.clone());
        self.machine.valgrind.clone_from(&valgrind);
        let other_machine = Machine { valgrind, ..other.machine };
        ensure!(self.machine == other_machine, "one is of {:?}, the other of {other_machine:?}", self.machine);
        for module in other.modules {
            match self.modules.iter().find(|known| known.name == module.name) {
                Some(known) => ensure!(*known == module, "the module {} is another one in each", module.name),
                None => self.modules.push(module),
            }
        }
        self.quick |= other.quick;
        for measured in other.workloads {
            match self.workloads.iter_mut().find(|known| known.is_of(&measured)) {
                Some(known) => known.add(measured)?,
                None => self.workloads.push(measured),
            }
        }
        Ok(())
    }

    /// Puts the workloads in the order of the groups' files, those of which nothing was measured among them, and gives each chain
    /// its goal.
    pub fn complete(&mut self) -> Result<()> {
        let mut measured = std::mem::take(&mut self.workloads);
        for name in Group::names()? {
            let group = Group::read(&name)?;
            for workload in &group.workloads {
                for (point, workload) in workload.points(&group)? {
                    let mut complete = Measured::new(&group, &workload, point);
                    if let Some(place) = measured.iter().position(|measured| measured.is_of(&complete)) {
                        complete.add(measured.remove(place))?;
                    }
                    self.workloads.push(complete);
                }
            }
        }
        ensure!(measured.is_empty(), "{} is no workload any more", measured[0].name());
        Ok(())
    }
}

// === impl Measured ===

impl Measured {
    /// A workload of which nothing was measured yet.
    pub fn new(group: &Group, workload: &Workload, point: Option<Point>) -> Self {
        let reference = Figures::new(REFERENCE, Kind::None, Goal::default());
        let chains = workload.chains.iter().map(|chain| Figures::new(&chain.name, chain.kind(), chain.goal.clone()));
        Self {
            group: group.name.clone(),
            workload: workload.name.clone(),
            point,
            native: workload.native.clone(),
            chains: [reference].into_iter().chain(chains).collect(),
        }
    }

    /// Its group and its name.
    pub fn name(&self) -> String {
        format!("{}: {}", self.group, self.workload)
    }

    fn is_of(&self, other: &Self) -> bool {
        (&self.group, &self.workload, self.point) == (&other.group, &other.workload, other.point)
    }

    /// Adds what was measured in another way.
    fn add(&mut self, other: Self) -> Result<()> {
        let name = self.name();
        for figures in other.chains {
            let own = self.chains.iter_mut().find(|own| own.chain == figures.chain);
            let own =
                own.with_context(|| format!("{name}: there is a chain {:?} in one of them only", figures.chain))?;
            own.add(figures).with_context(|| name.clone())?;
        }
        Ok(())
    }
}

// === impl Machine ===

impl Machine {
    /// This one.
    pub fn here(valgrind: Option<String>) -> Result<Self> {
        let info = fs::read_to_string("/proc/cpuinfo").context("reading /proc/cpuinfo")?;
        let envoy = Command::new(checkout::envoy()?).arg("--version").output().context("running Envoy")?;
        Ok(Self {
            cpu: model_name(&info).unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            envoy: build(&String::from_utf8_lossy(&envoy.stdout)).to_owned(),
            valgrind,
        })
    }
}

fn model_name(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

/// Without the path of the binary.
fn build(version: &str) -> &str {
    version.split_once("version:").map_or(version, |(_, build)| build).trim()
}

// === impl Module ===

impl Module {
    /// As the lock has it.
    pub fn of(module: &palisade::lock::Module) -> Self {
        Self { name: module.name.clone(), size: module.size, sha256: module.sha256.clone() }
    }
}

// === impl Figures ===

impl Figures {
    /// A chain of which nothing is known yet.
    pub fn new(chain: &str, kind: Kind, goal: Goal) -> Self {
        Self {
            chain: chain.to_owned(),
            kind,
            goal,
            bytes: 0,
            instructions: None,
            cpu_time: None,
            host_calls: None,
            start: Vec::new(),
            memory: None,
        }
    }

    /// Adds what was measured in another way.
    fn add(&mut self, other: Self) -> Result<()> {
        let is_in_both = [
            self.instructions.is_some() && other.instructions.is_some(),
            self.cpu_time.is_some() && other.cpu_time.is_some(),
            self.host_calls.is_some() && other.host_calls.is_some(),
            !self.start.is_empty() && !other.start.is_empty(),
            self.memory.is_some() && other.memory.is_some(),
        ];
        ensure!(!is_in_both.contains(&true), "the chain {:?} was measured in both in the same way", self.chain);
        self.bytes = self.bytes.max(other.bytes);
        self.instructions = self.instructions.or(other.instructions);
        self.cpu_time = self.cpu_time.or(other.cpu_time);
        self.host_calls = self.host_calls.take().or(other.host_calls);
        self.start.extend(other.start);
        self.memory = self.memory.take().or(other.memory);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_machine_goes_by_the_model_of_its_first_processor() {
        assert_eq!(model_name("processor : 0\nmodel name\t: A 1\n\nmodel name\t: B"), Some("A 1"));
        assert_eq!(
            build("/opt/envoy  version: abc/1.40.0/Clean/RELEASE/BoringSSL\n"),
            "abc/1.40.0/Clean/RELEASE/BoringSSL"
        );
    }

    fn report(kernel: &str, sha256: &str) -> Report {
        Report {
            machine: Machine {
                cpu: "A 1".to_owned(),
                cores: 2,
                kernel: kernel.to_owned(),
                envoy: "1.40".to_owned(),
                valgrind: None,
            },
            quick: false,
            modules: vec![Module { name: "auth".to_owned(), size: 1, sha256: sha256.to_owned() }],
            workloads: Vec::new(),
        }
    }

    #[test]
    fn results_of_other_modules_or_machines_do_not_go_together() {
        assert!(report("6", "a").add(report("6", "a")).is_ok());
        assert!(report("6", "a").add(report("7", "a")).is_err());
        assert!(report("6", "a").add(report("6", "b")).is_err());
    }

    #[test]
    fn what_was_measured_in_two_ways_is_one_workload_and_nothing_counts_twice() {
        let group = Group::parse("g", "workloads: [{name: w, chains: [{name: ours, filters: []}]}]").unwrap();
        let measured = |memory, calls| {
            let mut measured = Measured::new(&group, &group.workloads[0], None);
            measured.chains[1].memory = memory;
            measured.chains[1].host_calls = calls;
            Report { workloads: vec![measured], ..report("6", "a") }
        };
        let memory = || Some(Memory { step: 1, resident_kib: vec![1] });
        let calls = || Some(HostCalls { by_name: BTreeMap::new(), returned_data: 1.0 });
        let mut both = measured(memory(), None);
        both.add(measured(None, calls())).unwrap();
        let [workload] = both.workloads.as_slice() else { panic!("{both:?}") };
        assert!(workload.chains[1].memory.is_some() && workload.chains[1].host_calls.is_some());
        let error = format!("{:#}", both.add(measured(memory(), None)).unwrap_err());
        assert_eq!(error, "g: w: the chain \"ours\" was measured in both in the same way");
    }
}
