//! Git, as far as a build asks it what it builds from.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The commit that a checkout is, where it is one of git and has no changes beside it.
pub(crate) fn commit(checkout: &Path) -> Option<String> {
    changes(checkout).ok().filter(String::is_empty)?;
    run(checkout, &["rev-parse", "HEAD"]).ok()
}

/// What a checkout has beside its last commit, a line for each file, whatever the settings of git say that `git status` shows.
pub(crate) fn changes(checkout: &Path) -> Result<String> {
    run(checkout, &["status", "--porcelain", "--untracked-files=normal"])
}

/// Whether git knows a file below a checkout.
pub(crate) fn tracks(checkout: &Path, file: &Path) -> bool {
    let Ok(within) = file.strip_prefix(checkout) else { return false };
    run(checkout, &["ls-files", "--error-unmatch", "--", &format!(":(literal){}", within.display())]).is_ok()
}

/// What git prints in a directory.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").current_dir(directory).args(arguments).output().context("cannot run git")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {} failed: {}", arguments.join(" "), told.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
