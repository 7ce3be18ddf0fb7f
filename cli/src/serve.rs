//! `palisade serve`: the proxy is a program of its own, so that nothing else waits for the compiler that it brings.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// Compiles the proxy if need be, and runs it here.
pub(crate) fn run(workspace: &Workspace, options: &[OsString]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = workspace.root().join("Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["run", "--locked", "--quiet", "--package", "palisade-serve", "--manifest-path"]).arg(manifest);
    let status = command.arg("--").args(options).status().context("cannot run cargo")?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => bail!("the proxy ended with code {code}: see above"),
        None => bail!("the proxy was killed"),
    }
}
