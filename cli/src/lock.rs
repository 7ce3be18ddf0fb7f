//! The lock, `dist/palisade.lock`: what each built module is, so that whatever loads one can be held against it.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::file;
use crate::hash::sha256;

const FORMAT: u32 = 1;

const FILE: &str = "palisade.lock";

/// The lock: every module of a dist directory, by name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The version of this format.
    format: u32,
    /// The modules, in the order of their names.
    modules: Vec<Module>,
}

/// One module.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// The name of its file without `.wasm`, for example `trace_sampler`.
    pub name: String,
    /// The version of the crate that it was built from.
    pub version: String,
    /// The file, relative to the lock's directory.
    pub file: String,
    /// The SHA-256 of the file, in lower-case hex.
    pub sha256: String,
    /// The length of the file in bytes.
    pub size: usize,
    /// Compiler, linker and optimiser.
    pub toolchain: String,
    /// The names of all exports, sorted.
    pub exports: Vec<String>,
    /// The host functions that it may call, sorted.
    pub imports: Vec<Import>,
    /// The names of the labels that its metrics may have, sorted.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// A host function that a module imports.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The namespace: `env` for Proxy-Wasm's own functions.
    pub module: String,
    /// The function.
    pub name: String,
    /// Which functions of the module call it, by their Rust paths, sorted.
    pub callers: Vec<String>,
}

impl Lock {
    /// A lock of `modules`.
    #[must_use]
    pub fn new(mut modules: Vec<Module>) -> Self {
        modules.sort_by(|a, b| a.name.cmp(&b.name));
        Self { format: FORMAT, modules }
    }

    /// The file of the lock in a dist directory.
    #[must_use]
    pub fn path(dist: &Path) -> PathBuf {
        dist.join(FILE)
    }

    /// Reads the lock of a dist directory.
    ///
    /// # Errors
    ///
    /// If there is none, or it is not one that this version can read.
    pub fn read(dist: &Path) -> Result<Self> {
        let path = Self::path(dist);
        Self::parse(&path, &file::read(&path).context("there is no lock: run `cargo palisade build`")?)
    }

    /// Reads the lock of a dist directory and compares each module with its entry.
    ///
    /// # Errors
    ///
    /// As [`Lock::read`], and if a module is missing or is not the one that the lock describes.
    pub fn read_verified(dist: &Path) -> Result<Self> {
        let lock = Self::read(dist)?;
        for module in &lock.modules {
            module.verify(dist)?;
        }
        Ok(lock)
    }

    /// Reads the lock of a dist directory, or an empty one if there is none yet.
    pub(crate) fn read_or_empty(dist: &Path) -> Result<Self> {
        let path = Self::path(dist);
        match std::fs::read(&path) {
            Ok(bytes) => Self::parse(&path, &bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::new(Vec::new())),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let remedy = || format!("{} is not a lock of this version: run `cargo palisade build`", path.display());
        let lock: Self = serde_json::from_slice(bytes).with_context(remedy)?;
        if lock.format != FORMAT {
            bail!("{}; its format is {}, not {FORMAT}", remedy(), lock.format);
        }
        Ok(lock)
    }

    /// The modules, in the order of their names.
    #[must_use]
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The module of that name.
    #[must_use]
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.name == name)
    }

    /// The module of that SHA-256.
    #[must_use]
    pub fn module_by_sha256(&self, sha256: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.sha256 == sha256)
    }

    /// This lock with `modules` in place of those of the same names.
    pub(crate) fn with(self, modules: Vec<Module>) -> Self {
        let kept = self.modules.into_iter().filter(|old| modules.iter().all(|new| new.name != old.name));
        Self::new(kept.chain(modules.iter().cloned()).collect())
    }

    pub(crate) fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The hashes of the modules, and of the lock itself, in the form that `sha256sum --check` reads.
    pub(crate) fn to_sha256sums(&self) -> Result<String> {
        let modules = self.modules.iter().map(|module| format!("{}  {}\n", module.sha256, module.file));
        let lock = format!("{}  {FILE}\n", sha256(self.to_json()?.as_bytes()));
        Ok(modules.chain([lock]).collect())
    }
}

impl Module {
    /// Everything that the module needs in `capability_restriction_config`: the host functions that it imports and
    /// the callbacks that it exports. A callback that is missing from Envoy's list is silently not called, so that
    /// requests pass unfiltered.
    #[must_use]
    pub fn capabilities(&self) -> BTreeSet<&str> {
        self.host_functions().chain(self.callbacks()).collect()
    }

    /// The names of the host functions that the module imports.
    pub fn host_functions(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().map(|import| import.name.as_str())
    }

    /// The exports that a host calls, the allocator and the ABI's marker aside.
    pub fn callbacks(&self) -> impl Iterator<Item = &str> {
        self.exports.iter().map(String::as_str).filter(|export| is_callback(export))
    }

    /// Compares the file with this entry.
    pub(crate) fn verify(&self, dist: &Path) -> Result<()> {
        let path = dist.join(&self.file);
        let found = sha256(
            &file::read(&path).context("the lock names a module that is not there: run `cargo palisade build`")?,
        );
        ensure!(
            found == self.sha256,
            "{} is not the module of the lock: its SHA-256 is {found}, not {}; find out who changed it, then run `cargo palisade build`",
            path.display(),
            self.sha256
        );
        Ok(())
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} bytes, sha256 {})", self.name, self.version, self.size, self.sha256)
    }
}

fn is_callback(export: &str) -> bool {
    match export {
        "proxy_on_memory_allocate" => false,
        "proxy_validate_configuration" => true,
        other => other.starts_with("proxy_on_") || other.starts_with("envoy_on_"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capabilities_are_the_imports_and_the_callbacks() {
        let module = module(
            "a",
            &[
                "memory",
                "malloc",
                "proxy_abi_version_0_2_1",
                "_initialize",
                "proxy_on_configure",
                "proxy_on_memory_allocate",
            ],
        );
        assert_eq!(module.capabilities(), BTreeSet::from(["proxy_log", "proxy_on_configure"]));
    }

    #[test]
    fn a_module_built_alone_replaces_its_own_entry_and_keeps_the_others() {
        let old = Lock::new(vec![module("b", &[]), module("a", &[])]);
        let new = Module { version: "2.0.0".into(), ..module("b", &[]) };
        let lock = old.with(vec![new]);
        let versions: Vec<_> = lock.modules().iter().map(|m| (m.name.as_str(), m.version.as_str())).collect();
        assert_eq!(versions, [("a", "1.0.0"), ("b", "2.0.0")]);
    }

    #[test]
    fn a_lock_reads_back_as_it_was_written() {
        let lock = Lock::new(vec![module("a", &["proxy_on_log"])]);
        assert_eq!(Lock::parse(Path::new("lock"), lock.to_json().unwrap().as_bytes()).unwrap(), lock);
    }

    #[test]
    fn a_lock_of_another_format_is_refused_with_the_remedy() {
        let error = Lock::parse(Path::new("lock"), br#"{"format": 2, "modules": []}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "lock is not a lock of this version: run `cargo palisade build`; its format is 2, not 1"
        );
    }

    fn module(name: &str, exports: &[&str]) -> Module {
        Module {
            name: name.into(),
            version: "1.0.0".into(),
            file: format!("modules/{name}.wasm"),
            sha256: sha256(name.as_bytes()),
            size: name.len(),
            toolchain: "rustc".into(),
            exports: exports.iter().map(ToString::to_string).collect(),
            imports: vec![Import { module: "env".into(), name: "proxy_log".into(), callers: vec!["log".into()] }],
            labels: vec!["tier".into()],
        }
    }
}
