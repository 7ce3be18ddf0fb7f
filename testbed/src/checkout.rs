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

/// The folder of `dist/` with the configs for the release of [`envoy`].
pub fn pinned_configs() -> Result<PathBuf> {
    let folder = if envoy_release()? < (1, 40) { "envoy-1.36" } else { "envoy" };
    Ok(root()?.join("dist").join(folder))
}

/// The release of [`envoy`], for example `(1, 40)`.
pub fn envoy_release() -> Result<(u32, u32)> {
    static RELEASE: OnceLock<(u32, u32)> = OnceLock::new();
    if let Some(release) = RELEASE.get() {
        return Ok(*release);
    }
    let binary = envoy()?;
    let output = Command::new(&binary).arg("--version").output();
    let output = output.with_context(|| format!("running {}", binary.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let release = release_in(&printed).with_context(|| format!("{} says no version: {printed}", binary.display()))?;
    Ok(*RELEASE.get_or_init(|| release))
}

/// From `/usr/bin/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
fn release_in(version: &str) -> Option<(u32, u32)> {
    let (_, build) = version.split_once("version: ")?;
    let mut numbers = build.split('/').nth(1)?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_stands_behind_the_commit() {
        let version = "/opt/envoy  version: bad8280de85c/1.36.4/Clean/RELEASE/BoringSSL";
        assert_eq!(release_in(version), Some((1, 36)));
        assert_eq!(release_in("envoy: command not found"), None);
    }
}
