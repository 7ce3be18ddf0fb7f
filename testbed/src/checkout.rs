//! The checkout that the testbed was started from: its scripts, its configs, its `dist/`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// The root of the checkout: the nearest folder with `scripts/envoy`, from the running package (Cargo's
/// `CARGO_MANIFEST_DIR`) or else from the working directory upwards.
pub fn root() -> Result<PathBuf> {
    let start = match env::var_os("CARGO_MANIFEST_DIR") {
        Some(package) => PathBuf::from(package),
        None => env::current_dir().context("the working directory is gone")?,
    };
    let found = start.ancestors().find(|folder| folder.join("scripts/envoy").is_file());
    let found = found.with_context(|| {
        format!("no checkout of Palisade: no folder above {} has scripts/envoy; run within one", start.display())
    })?;
    Ok(found.to_path_buf())
}

/// The Envoy binary that `scripts/envoy` of the checkout finds: `$ENVOY` first.
pub fn envoy() -> Result<PathBuf> {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found.clone());
    }
    let found = ask_script(&root()?.join("scripts/envoy"))?;
    Ok(FOUND.get_or_init(|| found).clone())
}

fn ask_script(script: &Path) -> Result<PathBuf> {
    let output = Command::new(script).output().with_context(|| format!("running {}", script.display()))?;
    ensure!(
        output.status.success(),
        "{} found no Envoy: {}",
        script.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let printed = String::from_utf8_lossy(&output.stdout);
    Ok(PathBuf::from(printed.trim()))
}
