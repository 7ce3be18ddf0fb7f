//! Grants: what each chain may cost, and what is otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use anyhow::Result;
use palisade_bench::mesh::Modules;
use serde::Deserialize;

use crate::cost::Cost;

/// What the chains cost, by group, workload and chain.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    /// What the modules were made with: with another compiler they burn other fuel.
    toolchain: String,
    chains: BTreeMap<String, Cost>,
}

/// By how much fuel may differ, in percent, where the modules were made with something else than those of the budget.
const TOLERANCE: u64 = 10;

const HEAD: &str = "\
# What a hundred requests cost in the embedded host, chain by chain of bench/workloads/: instructions of the modules, host calls
# that returned data, and all host calls. The test that holds them to it writes this file, too:
# PALISADE_RECORD=1 cargo test --package palisade-bench --test budget
";

impl Budget {
    /// One for these modules, which is still empty.
    pub(crate) fn of(modules: &Modules) -> Self {
        let toolchains: BTreeSet<_> = modules.iter().map(|module| module.toolchain.as_str()).collect();
        Self { toolchain: toolchains.into_iter().collect::<Vec<_>>().join("; "), chains: BTreeMap::new() }
    }

    pub(crate) fn read(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    pub(crate) fn insert(&mut self, chain: String, cost: Cost) {
        self.chains.insert(chain, cost);
    }

    /// A table of what is otherwise than granted; empty where nothing is.
    pub(crate) fn differences(&self, seen: &Self) -> String {
        let tolerance = if self.toolchain == seen.toolchain { 0 } else { TOLERANCE };
        let none = Cost::default();
        let mut rows = Vec::new();
        for chain in self.chains.keys().chain(seen.chains.keys()).collect::<BTreeSet<_>>() {
            let of = |budget: &Self| -> BTreeMap<String, u64> {
                let cost = budget.chains.get(chain).unwrap_or(&none);
                let own = [("fuel", cost.fuel.unwrap_or_default()), ("returned data", cost.returned_data)];
                let own = own.into_iter().map(|(name, count)| (name.to_owned(), count));
                own.chain(cost.host_calls.iter().map(|(name, count)| (name.clone(), *count))).collect()
            };
            let (granted, seen) = (of(self), of(seen));
            for name in granted.keys().chain(seen.keys()).collect::<BTreeSet<_>>() {
                let count = |of: &BTreeMap<String, u64>| of.get(name).copied().unwrap_or_default();
                let (granted, seen) = (count(&granted), count(&seen));
                let allowed = if name == "fuel" { granted / 100 * tolerance } else { 0 };
                if granted.abs_diff(seen) > allowed {
                    rows.push((chain, name.clone(), granted, seen));
                }
            }
        }
        let chain_width = rows.iter().map(|(chain, ..)| chain.len()).max().unwrap_or_default();
        let name_width = rows.iter().map(|(_, name, ..)| name.len()).max().unwrap_or_default();
        let mut table = String::new();
        for (chain, name, granted, seen) in rows {
            let more = i128::from(seen) - i128::from(granted);
            let _ = write!(table, "{chain:<chain_width$}  {name:<name_width$}  ");
            let _ = writeln!(table, "granted {granted:>9}, now {seen:>9}: {more:+}");
        }
        table
    }
}

/// As it stands in the file.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}toolchain = {:?}", self.toolchain)?;
        for (name, cost) in &self.chains {
            writeln!(f, "\n[chains.{name:?}]")?;
            if let Some(fuel) = cost.fuel {
                writeln!(f, "fuel = {fuel}")?;
            }
            writeln!(f, "returned_data = {}\n[chains.{name:?}.host_calls]", cost.returned_data)?;
            for (name, count) in &cost.host_calls {
                writeln!(f, "{name} = {count}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(toolchain: &str, fuel: u64, calls: u64) -> Budget {
        let cost = Cost { fuel: Some(fuel), returned_data: 100, host_calls: [("proxy_log".to_owned(), calls)].into() };
        Budget { toolchain: toolchain.to_owned(), chains: [("a: b: \"c\"".to_owned(), cost)].into() }
    }

    #[test]
    fn a_budget_is_read_as_it_was_written() {
        let written = budget("rustc 1, wasm-opt 2", 1000, 3);
        let read = Budget::read(&written.to_string()).unwrap();
        assert_eq!((read.toolchain, read.chains), (written.toolchain, written.chains));
    }

    #[test]
    fn whatever_costs_more_or_less_than_granted_is_named() {
        let granted = budget("a", 1000, 3);
        assert_eq!(granted.differences(&budget("a", 1000, 3)), "");
        for (seen, name) in [(budget("a", 1001, 3), "fuel"), (budget("a", 1000, 2), "proxy_log")] {
            let table = granted.differences(&seen);
            assert!(table.lines().count() == 1 && table.contains(name), "{table}");
        }
        assert_eq!(granted.differences(&Budget::default()).lines().count(), 3);
        assert_eq!(Budget::default().differences(&granted).lines().count(), 3);
    }

    #[test]
    fn another_compiler_may_burn_other_fuel_but_makes_the_same_host_calls() {
        let granted = budget("a", 1000, 3);
        assert_eq!(granted.differences(&budget("b", 1099, 3)), "");
        assert!(granted.differences(&budget("b", 1101, 3)).contains("fuel"));
        assert!(granted.differences(&budget("b", 1000, 4)).contains("proxy_log"));
    }
}
