//! The report: what was measured, of what, and on what machine.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use palisade_testbed::checkout;
use serde::Serialize;

use crate::cpu_time::CpuTime;
use crate::group::Goal;
use crate::host_calls::HostCalls;
use crate::instructions::Instructions;

/// Everything that one run has measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// On what.
    pub machine: Machine,
    /// The modules that were loaded.
    pub modules: Vec<Module>,
    /// What they cost.
    pub workloads: Vec<Measured>,
}

/// What figures depend on.
#[derive(Debug, Serialize)]
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
#[derive(Debug, Serialize)]
pub struct Module {
    /// Its name in the lock.
    pub name: String,
    /// Its length in bytes.
    pub size: usize,
    /// Its SHA-256.
    pub sha256: String,
}

/// The figures of a workload.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// The name of its group.
    pub group: String,
    /// Its name.
    pub workload: String,
    /// The chain with which CPU times are compared.
    pub native: Option<String>,
    /// Its chains, the reference first.
    pub chains: Vec<Figures>,
}

/// The figures of a chain.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Its name.
    pub chain: String,
    /// What it may cost, in instructions.
    pub goal_instructions: Option<f64>,
    /// What it may cost, as a multiple of the native chain.
    pub goal_cpu_ratio: Option<f64>,
    /// Where instructions were counted.
    pub instructions: Option<Instructions>,
    /// Where time was measured.
    pub cpu_time: Option<CpuTime>,
    /// Where calls were counted.
    pub host_calls: Option<HostCalls>,
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
    pub fn new(chain: &str, goal: Goal) -> Self {
        Self {
            chain: chain.to_owned(),
            goal_instructions: goal.instructions,
            goal_cpu_ratio: goal.cpu_ratio,
            instructions: None,
            cpu_time: None,
            host_calls: None,
        }
    }

    fn cells(&self) -> [String; 8] {
        let (added, compiled) = self.instructions.map_or_else(Default::default, |counted| {
            let added = counted.added;
            let half = (added.high - added.low) / 2.0;
            (format!("{:.1}k ±{:.1}", added.median / 1e3, half / 1e3), format!("{:.1}k", counted.compiled / 1e3))
        });
        let (added_us, total, ratio) = self.cpu_time.map_or_else(Default::default, |taken| {
            let ratio = taken.ratio.map(|ratio| format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.low, ratio.high));
            (format!("{:.1}", taken.added.median), format!("{:.1}", taken.total.median), ratio.unwrap_or_default())
        });
        let instructions = self.goal_instructions.map(|goal| {
            let missed = self.instructions.is_some_and(|counted| counted.added.median > goal);
            format!("{:.1}k{}", goal / 1e3, if missed { " missed" } else { "" })
        });
        let cpu_ratio = self.goal_cpu_ratio.map(|goal| {
            let missed = self.cpu_time.and_then(|taken| taken.ratio).is_some_and(|ratio| ratio.median > goal);
            format!("{goal:.2}{}", if missed { " missed" } else { "" })
        });
        let goals = [instructions, cpu_ratio];
        let [instructions, cpu_ratio] = goals.map(Option::unwrap_or_default);
        [self.chain.clone(), added, instructions, compiled, added_us, total, ratio, cpu_ratio]
    }
}

const HEAD: [&str; 8] =
    ["chain", "instr. added", "goal", "compiled", "CPU added us", "CPU us", "ratio to native", "goal"];

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.group, self.workload)?;
        let rows: Vec<_> =
            [HEAD.map(str::to_owned)].into_iter().chain(self.chains.iter().map(Figures::cells)).collect();
        let widths: Vec<_> = (0..HEAD.len())
            .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
            .collect();
        for row in &rows {
            let (name, figures) = (&row[0], row.iter().zip(&widths).skip(1));
            let figures: Vec<_> = figures.map(|(cell, width)| format!("{cell:>width$}", width = *width)).collect();
            writeln!(f, "  {name:<width$}  {}", figures.join("  ").trim_end(), width = widths[0])?;
        }
        for figures in &self.chains {
            if let Some(calls) = figures.host_calls.as_ref().filter(|calls| !calls.by_name.is_empty()) {
                writeln!(f, "  {}: {calls}", figures.chain)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for HostCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<_> = self.by_name.iter().map(|(name, count)| format!("{name} {count}")).collect();
        write!(f, "{}; {} returned data", calls.join(", "), self.returned_data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Spread;

    fn spread(median: f64) -> Spread {
        Spread { median, low: median - 100.0, high: median + 100.0 }
    }

    #[test]
    fn a_goal_that_is_missed_is_called_so() {
        let goal = Goal { instructions: Some(9000.0), cpu_ratio: Some(1.1) };
        let figures = |added| Figures {
            instructions: Some(Instructions { added: spread(added), total: 0.0, compiled: 1000.0 }),
            ..Figures::new("ours", goal)
        };
        assert_eq!(figures(9000.0).cells(), ["ours", "9.0k ±0.1", "9.0k", "1.0k", "", "", "", "1.10"]);
        assert_eq!(figures(9100.0).cells()[2], "9.0k missed");
    }

    #[test]
    fn a_machine_goes_by_the_model_of_its_first_processor() {
        assert_eq!(model_name("processor : 0\nmodel name\t: A 1\n\nmodel name\t: B"), Some("A 1"));
        assert_eq!(
            build("/opt/envoy  version: abc/1.40.0/Clean/RELEASE/BoringSSL\n"),
            "abc/1.40.0/Clean/RELEASE/BoringSSL"
        );
    }
}
