//! The budget, `budget.toml`: how large each module may be, what its start may cost, what it may import, and which callbacks it
//! may have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::file;
use crate::fuse;
use crate::lock::{Lock, Module};

/// What a module is granted beyond what it needs when its budget is written: the bytes up to the next whole step.
const STEP: usize = 2048;

/// By how much bytes and fuel may exceed their grant, in percent, where the modules were made with something else than those of
/// the budget.
const TOLERANCE: u8 = 10;

/// The budgets of all modules.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// What the modules were made with: with another compiler they have another size.
    toolchain: String,
    /// By name.
    modules: BTreeMap<String, Grant>,
}

/// What one module may have.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    bytes: usize,
    /// What one worker burns in the embedded host until it has taken up the config that ships.
    start_fuel: Option<u64>,
    imports: BTreeSet<String>,
    callbacks: BTreeSet<String>,
}

impl Budget {
    /// Reads a budget.
    ///
    /// # Errors
    ///
    /// A file that is not there or is no budget.
    pub fn read(path: &Path) -> Result<Self> {
        toml::from_str(&file::read_text(path)?).with_context(|| format!("{} is no budget", path.display()))
    }

    /// Holds the modules of a lock against it, and gives a line for each.
    ///
    /// # Errors
    ///
    /// Everything that exceeds it, and everything in it that no module uses.
    pub fn check(&self, lock: &Lock) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for module in lock.modules() {
            match self.modules.get(&module.name) {
                Some(grant) => faults.extend(grant.faults(module, self.tolerance(module))),
                None => faults.push(format!("{}: no budget; give it one", module.name)),
            }
        }
        // Those that are fused are built where somebody asks for them.
        for name in self.modules.keys().filter(|name| lock.module(name).is_none() && *name != fuse::MODULE) {
            faults.push(format!("{name}: a budget for a module that is not in the lock; remove it"));
        }
        if !faults.is_empty() {
            bail!(
                "the modules are not within their budget; where that is meant, `cargo palisade size --write`:\n  {}",
                faults.join("\n  ")
            );
        }
        Ok(lock.modules().iter().map(|module| self.line(module)).collect())
    }

    /// Holds what the start of a module burns against its grant.
    ///
    /// # Errors
    ///
    /// It is another than granted.
    pub fn check_start(&self, module: &Module, fuel: u64) -> Result<()> {
        let granted = self.modules.get(&module.name).and_then(|grant| grant.start_fuel).unwrap_or_default();
        let allowed = (granted / 100).saturating_mul(self.tolerance(module).into());
        if granted.abs_diff(fuel) > allowed {
            bail!("{}: its start burns {fuel} units of fuel, and {granted} are granted", module.name);
        }
        Ok(())
    }

    /// Refuses a lock whose modules another compiler has made than that of the grants which [`grant`](Self::grant) leaves as they are:
    /// they have no toolchain of their own, and would be held without tolerance.
    ///
    /// # Errors
    ///
    /// There are both such grants and such modules.
    pub fn ensure_grantable(&self, lock: &Lock) -> Result<()> {
        let is_another = lock.modules().iter().any(|module| module.toolchain != self.toolchain);
        let is_left = |name: &str, grant: &Grant| {
            name == fuse::MODULE || lock.module(name).is_some() && grant.start_fuel.is_some()
        };
        ensure!(
            !is_another || !self.modules.iter().any(|(name, grant)| is_left(name, grant)),
            "the modules are of another compiler than the budget, which also grants what `--write` does not measure: starts, or the \
             fused module; write it by `PALISADE_RECORD=1 cargo test --package palisade-tests --test fused -- budget`"
        );
        Ok(())
    }

    /// Grants the modules of a lock what they need, and nothing to modules that are neither there nor fused.
    pub fn grant(&mut self, lock: &Lock) {
        self.modules.retain(|name, _| lock.module(name).is_some() || name == fuse::MODULE);
        for module in lock.modules() {
            self.toolchain.clone_from(&module.toolchain);
            let grant = self.modules.entry(module.name.clone()).or_default();
            grant.bytes = module.size.next_multiple_of(STEP);
            grant.imports = module.host_functions().map(str::to_owned).collect();
            grant.callbacks = module.callbacks().map(str::to_owned).collect();
        }
    }

    /// Grants a module what its start burns.
    pub fn grant_start(&mut self, module: &Module, fuel: u64) {
        self.modules.entry(module.name.clone()).or_default().start_fuel = Some(fuel);
    }

    fn tolerance(&self, module: &Module) -> u8 {
        if module.toolchain == self.toolchain { 0 } else { TOLERANCE }
    }

    fn line(&self, module: &Module) -> String {
        let granted = self.modules.get(&module.name).map_or(0, |grant| grant.bytes);
        format!(
            "{}: {} of {granted} bytes, {} imports, {} callbacks",
            module.name,
            module.size,
            module.imports.len(),
            module.callbacks().count()
        )
    }
}

/// As it stands in the file.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# What each module may have: `cargo palisade size` refuses more, and `--write` writes this file; `start_fuel` is"
        )?;
        writeln!(
            f,
            "# held and written by a test: PALISADE_RECORD=1 cargo test --package palisade-tests --test fused -- budget"
        )?;
        writeln!(f, "toolchain = {:?}", self.toolchain)?;
        for (name, grant) in &self.modules {
            writeln!(f, "\n[modules.{name}]\nbytes = {}", grant.bytes)?;
            if let Some(fuel) = grant.start_fuel {
                writeln!(f, "start_fuel = {fuel}")?;
            }
            for (list, items) in [("imports", &grant.imports), ("callbacks", &grant.callbacks)] {
                writeln!(f, "{list} = [")?;
                items.iter().try_for_each(|item| writeln!(f, "    {item:?},"))?;
                writeln!(f, "]")?;
            }
        }
        Ok(())
    }
}

// === impl Grant ===

impl Grant {
    fn faults(&self, module: &Module, tolerance: u8) -> Vec<String> {
        let name = &module.name;
        let mut faults = Vec::new();
        let surplus_granted = (self.bytes / 100).saturating_mul(tolerance.into());
        if module.size > self.bytes.saturating_add(surplus_granted) {
            let surplus = module.size.saturating_sub(self.bytes);
            faults.push(format!("{name}: {} bytes, {surplus} more than the {} granted", module.size, self.bytes));
        }
        let imports = module.host_functions().collect();
        let callbacks = module.callbacks().collect();
        for (kind, granted, used) in [("import", &self.imports, &imports), ("callback", &self.callbacks, &callbacks)]
            as [(_, _, &BTreeSet<&str>); 2]
        {
            let granted: BTreeSet<_> = granted.iter().map(String::as_str).collect();
            faults.extend(used.difference(&granted).map(|new| format!("{name}: the {kind} {new} is not granted")));
            faults.extend(
                granted
                    .difference(used)
                    .map(|old| format!("{name}: the {kind} {old} is granted, and not used; remove it")),
            );
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_burns_other_fuel_than_is_granted_is_refused() {
        let budget = |start: &str| {
            let grant = format!("[modules.probe]\nbytes = 2048\n{start}imports = []\ncallbacks = []\n");
            toml::from_str::<Budget>(&format!("toolchain = \"rustc\"\n{grant}")).unwrap()
        };
        let granted = budget("start_fuel = 1000\n");
        for (toolchain, fuel, is_kept) in [
            ("rustc", 1000, true),
            ("rustc", 1001, false),
            ("rustc", 999, false),
            ("another", 1100, true),
            ("another", 900, true),
            ("another", 1110, false),
            ("another", 890, false),
        ] {
            let kept = granted.check_start(&probe(toolchain), fuel);
            assert_eq!(kept.is_ok(), is_kept, "{toolchain}: {fuel}");
        }
        for toolchain in ["rustc", "another"] {
            let error = budget("").check_start(&probe(toolchain), 1000).unwrap_err();
            assert_eq!(error.to_string(), "probe: its start burns 1000 units of fuel, and 0 are granted");
        }
    }

    fn probe(toolchain: &str) -> Module {
        Module {
            name: "probe".into(),
            version: "0.1.0".into(),
            file: "modules/probe.wasm".into(),
            sha256: "00".repeat(32),
            size: 8,
            toolchain: toolchain.into(),
            exports: Vec::new(),
            imports: Vec::new(),
            labels: Vec::new(),
        }
    }
}
