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
use crate::statistics::Spread;

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
    /// What it may cost.
    pub goal: Goal,
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
        Self { chain: chain.to_owned(), goal, instructions: None, cpu_time: None, host_calls: None }
    }

    fn cells(&self) -> [String; COLUMNS.len()] {
        let mut cells = COLUMNS.map(|_| String::new());
        self.chain.clone_into(&mut cells[0]);
        if let Some(counted) = self.instructions {
            let half = (counted.added.high - counted.added.low) / 2.0;
            cells[1] = format!("{:.1}k ±{:.1}", counted.added.median / 1e3, half / 1e3);
            cells[3] = format!("{:.1}k", counted.compiled / 1e3);
        }
        let added = self.instructions.map(|counted| counted.added);
        cells[2] = verdict(self.goal.instructions, added, |goal| format!("{:.1}k", goal / 1e3));
        if let Some(taken) = self.cpu_time {
            cells[4] = format!("{:.1}", taken.added.median);
            cells[5] = format!("{:.1}", taken.total.median);
            cells[6] = self.goal.added_ratio.map_or_else(String::new, |_| ratio(taken.added_ratio));
            cells[8] = ratio(taken.ratio);
        }
        let plain = |goal| format!("{goal:.2}");
        cells[7] = verdict(self.goal.added_ratio, self.cpu_time.and_then(|taken| taken.added_ratio), plain);
        cells[9] = verdict(self.goal.cpu_ratio, self.cpu_time.and_then(|taken| taken.ratio), plain);
        cells
    }
}

const COLUMNS: [&str; 10] = [
    "chain",
    "instr. added",
    "goal",
    "compiled",
    "CPU added us",
    "CPU us",
    "added to native",
    "goal",
    "all to native",
    "goal",
];

fn ratio(spread: Option<Spread>) -> String {
    spread.map_or_else(String::new, |ratio| format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.low, ratio.high))
}

/// The goal, and whether it is missed.
fn verdict(goal: Option<f64>, measured: Option<Spread>, show: impl Fn(f64) -> String) -> String {
    let Some(goal) = goal else { return String::new() };
    let missed = measured.is_some_and(|measured| measured.median > goal);
    show(goal) + if missed { " missed" } else { "" }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.group, self.workload)?;
        let rows: Vec<_> =
            [COLUMNS.map(str::to_owned)].into_iter().chain(self.chains.iter().map(Figures::cells)).collect();
        for row in &rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
                match column {
                    0 => line += &format!("  {cell:<width$}"),
                    _ if rows.iter().skip(1).all(|row| row[column].is_empty()) => {}
                    _ => line += &format!("  {cell:>width$}"),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
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

    fn spread(median: f64) -> Spread {
        Spread { median, low: median - 100.0, high: median + 100.0 }
    }

    #[test]
    fn a_goal_that_is_missed_is_called_so() {
        let goal = Goal { instructions: Some(9000.0), cpu_ratio: Some(1.1), added_ratio: None };
        let figures = |added| Figures {
            instructions: Some(Instructions { added: spread(added), total: 0.0, compiled: 1000.0 }),
            ..Figures::new("ours", goal)
        };
        assert_eq!(figures(9000.0).cells(), ["ours", "9.0k ±0.1", "9.0k", "1.0k", "", "", "", "", "", "1.10"]);
        assert_eq!(figures(9100.0).cells()[2], "9.0k missed");
    }

    #[test]
    fn what_was_not_measured_has_no_column() {
        let chains = vec![Figures::new("ours", Goal { instructions: Some(9000.0), ..Goal::default() })];
        let measured = Measured { group: "g".to_owned(), workload: "w".to_owned(), native: None, chains };
        assert_eq!(measured.to_string(), "g: w\n  chain  goal\n  ours   9.0k\n");
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
