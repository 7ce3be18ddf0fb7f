//! The budget, `budget.toml`: how large each module may be, what it may import, and which callbacks it may have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::file;
use crate::lock::{Lock, Module};

/// What a module is granted beyond what it needs when its budget is written: the bytes up to the next whole step.
const STEP: usize = 2048;

/// The budgets of all modules, by name.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Budget(BTreeMap<String, Grant>);

/// What one module may have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    bytes: usize,
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
            match self.0.get(&module.name) {
                Some(grant) => faults.extend(grant.faults(module)),
                None => faults.push(format!("{}: no budget; give it one", module.name)),
            }
        }
        for name in self.0.keys().filter(|name| lock.module(name).is_none()) {
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

    fn line(&self, module: &Module) -> String {
        let granted = self.0.get(&module.name).map_or(0, |grant| grant.bytes);
        format!(
            "{}: {} of {granted} bytes, {} imports, {} callbacks",
            module.name,
            module.size,
            module.imports.len(),
            module.callbacks().count()
        )
    }
}

// === impl Grant ===

impl Grant {
    fn faults(&self, module: &Module) -> Vec<String> {
        let name = &module.name;
        let mut faults = Vec::new();
        if module.size > self.bytes {
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

/// The budget that the modules of a lock need.
#[must_use]
pub fn needed(lock: &Lock) -> String {
    let mut text =
        "# What each module may have: `cargo palisade size` refuses more, and `--write` writes this file.\n".to_owned();
    for module in lock.modules() {
        let bytes = module.size.next_multiple_of(STEP);
        let _ = write!(text, "\n[{}]\nbytes = {bytes}\n", module.name);
        push_list(&mut text, "imports", module.host_functions());
        push_list(&mut text, "callbacks", module.callbacks());
    }
    text
}

fn push_list<'a>(text: &mut String, name: &str, items: impl Iterator<Item = &'a str>) {
    let _ = writeln!(text, "{name} = [");
    for item in items.collect::<BTreeSet<_>>() {
        let _ = writeln!(text, "    \"{item}\",");
    }
    text.push_str("]\n");
}
