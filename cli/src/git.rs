//! Git, as far as a build asks it what it builds from.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The commit that a checkout is, where it is one of git and has no changes beside it, but for those in a directory below it.
pub(crate) fn commit(checkout: &Path, but: Option<&Path>) -> Option<String> {
    let but = but.and_then(|directory| directory.strip_prefix(checkout).ok());
    let but = but.filter(|within| !within.as_os_str().is_empty());
    changes(checkout, but).ok().filter(String::is_empty)?;
    run(checkout, &["rev-parse", "HEAD"]).ok()
}

/// What a checkout has beside its last commit but for those in a directory, a line for each file, whatever the settings of git say
/// that `git status` shows.
pub(crate) fn changes(checkout: &Path, but: Option<&Path>) -> Result<String> {
    let but = but.map(|within| format!(":(exclude,literal){}", within.display()));
    let status = ["status", "--porcelain", "--untracked-files=normal", "--"];
    run(checkout, &status.into_iter().chain(but.as_deref()).collect::<Vec<_>>())
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
