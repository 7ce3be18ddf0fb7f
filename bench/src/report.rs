//! The report: what was measured, of what, and on what machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use palisade_testbed::checkout;
use serde::{Deserialize, Serialize};

use crate::cpu_time::CpuTime;
use crate::goal::Goal;
use crate::group::{Group, Kind, REFERENCE};
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
        self.workloads.extend(other.workloads);
        Ok(())
    }

    /// Gives each chain the goal that its workload has now.
    pub fn take_goals(&mut self) -> Result<()> {
        for measured in &mut self.workloads {
            let group = Group::read(&measured.group)?;
            for figures in measured.chains.iter_mut().filter(|figures| figures.chain != REFERENCE) {
                let chain = group.chain(&measured.workload, &figures.chain);
                let name = || format!("{}: {}: {}", measured.group, measured.workload, figures.chain);
                figures.goal = chain.with_context(|| format!("{} is in no workload any more", name()))?.goal.clone();
            }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_goes_by_the_model_of_its_first_processor() {
        assert_eq!(model_name("processor : 0\nmodel name\t: A 1\n\nmodel name\t: B"), Some("A 1"));
        assert_eq!(
            build("/opt/envoy  version: abc/1.40.0/Clean/RELEASE/BoringSSL\n"),
            "abc/1.40.0/Clean/RELEASE/BoringSSL"
        );
    }

    #[test]
    fn results_of_other_modules_or_machines_do_not_go_together() {
        let report = |kernel: &str, sha256: &str| Report {
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
        };
        assert!(report("6", "a").add(report("6", "a")).is_ok());
        assert!(report("6", "a").add(report("7", "a")).is_err());
        assert!(report("6", "a").add(report("6", "b")).is_err());
    }
}
