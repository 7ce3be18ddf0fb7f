//! The coverage: which scenario has each host call in each callback.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, ensure};
use conformance_probe::{CONTEXTS, HOST_FUNCTIONS};
use palisade_testbed::checkout;

use crate::scenarios::Scenarios;
use crate::transcript::is_recording;

/// Cells without a scenario, each with the reason.
const GAPS: &[(&str, &str, &str)] = &[
    ("proxy_send_local_response", "done", FATAL),
    ("proxy_send_local_response", "log", FATAL),
    ("proxy_send_local_response", "delete", FATAL),
];

const FATAL: &str = "Envoy 1.40 ends with a segmentation fault";

/// The scenarios by host call and callback.
pub(crate) struct Coverage {
    /// The scenarios of a cell: file and case, with the calls that are made there.
    cells: BTreeMap<(String, String), Vec<(String, String)>>,
}

impl Coverage {
    pub(crate) fn of(files: &[Scenarios]) -> Self {
        let mut cells: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for file in files {
            for case in file.all_cases() {
                for (context, call) in &case.calls {
                    let Some(function) = function_of(call) else { continue };
                    let cell = (function.to_owned(), context.clone());
                    cells.entry(cell).or_default().push((format!("{}/{}", file.name, case.name), call.clone()));
                }
            }
        }
        Self { cells }
    }

    /// The number of scenarios: host call, callback and arguments, in a case.
    pub(crate) fn scenarios(&self) -> usize {
        let distinct = |scenarios: &Vec<_>| scenarios.iter().collect::<BTreeSet<_>>().len();
        self.cells.values().map(distinct).sum()
    }

    /// # Errors
    ///
    /// The cells without a scenario that are no known gaps, and the gaps that have one.
    pub(crate) fn ensure_complete(&self) -> Result<()> {
        let mut wrong = Vec::new();
        for function in HOST_FUNCTIONS {
            for context in CONTEXTS {
                let is_gap = GAPS.iter().any(|gap| (gap.0, gap.1) == (*function, *context));
                if is_gap == self.first(function, context).is_some() {
                    wrong.push(format!("{function} in {context}"));
                }
            }
        }
        ensure!(wrong.is_empty(), "neither a scenario nor a gap, or both:\n  {}", wrong.join("\n  "));
        Ok(())
    }

    /// Holds the table in the tree against this coverage, or writes it.
    ///
    /// # Errors
    ///
    /// A table that is not this one.
    pub(crate) fn ensure_table(&self) -> Result<()> {
        let path = checkout::root()?.join("tests/conformance/coverage.md");
        if is_recording() {
            fs::write(&path, self.table())?;
        }
        let table = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        ensure!(
            table == self.table(),
            "{} is not the table of the scenarios: PALISADE_RECORD=1 writes it",
            path.display()
        );
        Ok(())
    }

    fn table(&self) -> String {
        let mut table = format!(
            "# Host calls by callback\n\nEach cell names a scenario that makes the call there; {} scenarios in all. Written by the test `conformance`.\n\n",
            self.scenarios()
        );
        let _ = writeln!(table, "| | {} |\n|---|{}", CONTEXTS.join(" | "), "---|".repeat(CONTEXTS.len()));
        for function in HOST_FUNCTIONS {
            let cells = CONTEXTS.iter().map(|context| self.first(function, context).unwrap_or("-"));
            let _ = writeln!(table, "| `{function}` | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
        for (function, context, reason) in GAPS {
            let _ = writeln!(table, "\n`{function}` in {context}: {reason}.");
        }
        table
    }

    fn first(&self, function: &str, context: &str) -> Option<&str> {
        let cell = self.cells.get(&(function.to_owned(), context.to_owned()))?;
        cell.first().map(|(scenario, _)| scenario.as_str())
    }
}

fn function_of(call: &str) -> Option<&str> {
    let (head, _) = call.split_once('(')?;
    head.rsplit(' ').next()
}
