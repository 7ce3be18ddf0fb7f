//! The build: module crates in, a dist directory out.
//!
//! ```text
//! dist/modules/<name>.wasm   what Envoy loads, without names and local paths
//! dist/schemas/<name>.json   the JSON Schema of a filter's config
//! dist/sboms/<name>.cdx.json the crates in a module, in CycloneDX 1.6
//! dist/provenance/<name>.intoto.json
//!                            what a module was built from, and how: an in-toto statement with SLSA's provenance
//! dist/SHA256SUMS            the hashes of all of these but the schemas, for `sha256sum --check`; what `palisade sign` signs
//! dist/palisade.lock         what each module is; written last
//! ```
//!
//! The same sources and toolchain give the same bytes, in any directory and with any `CARGO_HOME`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::catalog::Filter;
use crate::compile::{ModuleCrate, compile, optimise, toolchain_version};
use crate::file;
use crate::fuse;
use crate::git;
use crate::hash::sha256;
use crate::lock::{Lock, Module};
use crate::provenance;
use crate::sbom;
use crate::signature;
use crate::wasm::{self, Interface};
pub use crate::workspace::Workspace;

/// What to build.
#[derive(Debug)]
pub enum Source {
    /// Filters of this project, each with the schema of its config.
    Filters(Vec<&'static Filter>),
    /// Several filters of this project in one module, in the order in which requests meet them.
    Fused(Vec<&'static Filter>),
    /// The module crate in a directory.
    Guest(PathBuf),
}

/// Builds `source` into the directory `out`, and returns what was built. Modules that `out` holds already keep their
/// place in its lock.
///
/// # Errors
///
/// If a crate does not compile, or its module is one that must not be shipped: unloadable, with an import that nothing
/// calls, or with a path of this machine inside.
pub fn build(workspace: &Workspace, source: &Source, out: &Path) -> Result<Vec<Module>> {
    let lock = Lock::read_or_empty(out)?;
    let toolchain = toolchain_version(workspace)?;
    let commit = git::commit(workspace.root(), None);
    let crates = match source {
        Source::Filters(filters) => {
            filters.iter().map(|filter| ModuleCrate::at(workspace.root().join(filter.module_crate))).collect()
        }
        Source::Fused(filters) => vec![fuse::module_crate(workspace.root(), filters)?],
        Source::Guest(directory) => {
            let found = directory.canonicalize();
            vec![ModuleCrate::at(found.with_context(|| format!("there is no crate {}", directory.display()))?)]
        }
    };
    let modules = crates.iter().map(|source| {
        let cargo_lock = source.lock(workspace)?;
        let module = build_module(workspace, source, &cargo_lock, out, &toolchain)?;
        // What has changed while it was compiled may be in it, or not; nor is a crate that git does not know of any commit.
        let written = out.canonicalize()?;
        let commit_now = git::commit(workspace.root(), Some(&written));
        let is_of_commit = commit_now == commit && git::tracks(workspace.root(), &source.manifest());
        let commit = commit.as_ref().filter(|_| is_of_commit);
        let statement = provenance::statement(workspace, source, &cargo_lock, &module, commit, out)?;
        file::write(&out.join(provenance::file_of(&module.name)), statement)?;
        Ok(module)
    });
    let modules = modules.collect::<Result<Vec<_>>>()?;
    match source {
        Source::Filters(filters) => {
            for filter in filters {
                write_schema(&filter.module(), &(filter.schema)(), out)?;
            }
        }
        Source::Fused(filters) => {
            for module in &modules {
                write_schema(&module.name, &fuse::schema(filters), out)?;
            }
        }
        Source::Guest(_) => {}
    }
    let lock = lock.with(modules.clone());
    file::write(&out.join(signature::SUMS), sums(&lock, out)?)?;
    file::write(&Lock::path(out), lock.to_json()?)?;
    Ok(modules)
}

fn build_module(
    workspace: &Workspace,
    source: &ModuleCrate,
    cargo_lock: &Path,
    out: &Path,
    toolchain: &str,
) -> Result<Module> {
    let compiled = compile(workspace, source)?;
    let refused = || format!("the module {} must not be shipped", compiled.name);
    // The names that explain the imports, and those of the labels, are in the compiler's own module only.
    let interface = Interface::read(&compiled.bytes).with_context(refused)?;
    let labels = wasm::labels(&compiled.bytes).with_context(refused)?.into_iter().collect();
    let bytes = optimise(workspace, &wasm::strip(&compiled.bytes)?)?;
    let unchanged = Interface::read(&bytes).with_context(refused)?.has_names_of(&interface);
    ensure!(unchanged, "wasm-opt changed the imports or exports of {}", compiled.name);
    refuse_paths(&bytes, &workspace.local_paths()).with_context(refused)?;
    let module = Module {
        file: format!("modules/{}.wasm", compiled.name),
        name: compiled.name,
        version: compiled.version,
        sha256: sha256(&bytes),
        size: bytes.len(),
        toolchain: toolchain.to_string(),
        exports: interface.exports,
        imports: interface.imports,
        labels,
    };
    file::write(&out.join(&module.file), bytes)?;
    file::write(&out.join(sbom::file_of(&module.name)), sbom::bill(workspace, source, cargo_lock, &module)?)?;
    Ok(module)
}

/// The hashes of the modules, the lock, and what is said of the modules beside it.
fn sums(lock: &Lock, out: &Path) -> Result<String> {
    let mut sums = lock.to_sha256sums()?;
    let documents = [sbom::file_of, provenance::file_of];
    for name in documents.iter().flat_map(|file_of| lock.modules().iter().map(|module| file_of(&module.name))) {
        let document = out.join(&name);
        if document.exists() {
            sums += &format!("{}  {name}\n", sha256(&file::read(&document)?));
        }
    }
    Ok(sums)
}

fn write_schema(module: &str, schema: &Value, out: &Path) -> Result<()> {
    let path = out.join("schemas").join(module).with_extension("json");
    file::write(&path, serde_json::to_string_pretty(schema)? + "\n")
}

fn refuse_paths(module: &[u8], paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        let within = path.join("");
        let needle = within.as_os_str().as_encoded_bytes();
        if module.windows(needle.len()).any(|window| window == needle) {
            bail!("it names a path of this machine, {}: remap it in scripts/toolchain", path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_names_a_path_of_this_machine_is_refused() {
        let paths = [PathBuf::from("/home/ada")];
        let error = refuse_paths(b"panicked at /home/ada/src/lib.rs", &paths).unwrap_err();
        assert_eq!(error.to_string(), "it names a path of this machine, /home/ada: remap it in scripts/toolchain");
        assert!(refuse_paths(b"panicked at /registry/a.rs and /home/adam", &paths).is_ok());
    }
}
