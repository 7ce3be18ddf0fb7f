//! `palisade serve`: the proxy is a program of its own, so that nothing else waits for the compiler that it brings.
//!
//! Who must have signed the modules is asked here; the proxy is told their hashes, and so refuses another file that takes the
//! place of one later.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::file;
use crate::hash::sha256;
use crate::refusal::Rule;
use crate::verify::{self, Refused};
use crate::workspace::Workspace;

/// Compiles the proxy if need be, and runs it here.
pub(crate) fn run(workspace: &Workspace, options: &[OsString], hashes: &[String]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = workspace.root().join("Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["run", "--locked", "--quiet", "--package", "palisade-serve", "--manifest-path"]).arg(manifest);
    command.arg("--").args(options).args(hashes.iter().flat_map(|hash| ["--sha256", hash]));
    let status = command.status().context("cannot run cargo")?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => bail!("the proxy ended with code {code}: see above"),
        None => bail!("the proxy was killed"),
    }
}

/// The hashes of the modules that the options of the proxy name, each of which is one of the dist directory that one of these keys
/// has signed.
///
/// # Errors
///
/// [`Refused`], a key or a module that cannot be read, or hashes that the options have already.
pub(crate) fn signed_hashes(options: &[OsString], dist: &Path, keys: &[PathBuf]) -> Result<Vec<String>> {
    verify::ensure_signed(dist, keys)?;
    let lock = verify::verified_lock(dist)?;
    ensure!(values(options, "--sha256").is_empty(), "leave --sha256 out: with --key the hashes are those of the lock");
    let modules = values(options, "--module").into_iter().map(|path| {
        let hash = sha256(&file::read(Path::new(path))?);
        if lock.module_by_sha256(&hash).is_none() {
            let what = format!("no module of {}, which is what was signed", dist.display());
            return Err(Refused::of_file(path.into(), Rule::Lock, what).into());
        }
        Ok(hash)
    });
    modules.collect()
}

/// The values of an option, which stand behind it or behind its `=`.
fn values<'o>(options: &'o [OsString], name: &str) -> Vec<&'o OsStr> {
    let mut values = Vec::new();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match option.as_bytes().strip_prefix(name.as_bytes()) {
            Some([]) => values.extend(options.next().map(OsString::as_os_str)),
            Some([b'=', value @ ..]) => values.push(OsStr::from_bytes(value)),
            _ => {}
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_an_option_are_found_in_both_of_its_forms() {
        let options = ["--module", "a.wasm", "--module=b.wasm", "--modules", "c.wasm", "--name", "d", "--module"];
        let options: Vec<OsString> = options.map(Into::into).into();
        assert_eq!(values(&options, "--module"), ["a.wasm", "b.wasm"]);
    }
}
