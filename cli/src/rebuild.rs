//! The rebuild: the same sources in another directory and with another `CARGO_HOME` must give the same bytes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::build::{Source, build};
use crate::file;
use crate::git;
use crate::lock::Module;
use crate::provenance;
use crate::sbom;
use crate::workspace::Workspace;

/// Builds `source` again, from a clone of the last commit, and compares each module that was `built`, and what is said of it,
/// with what is in the directory `out`.
///
/// # Errors
///
/// Where the checkout has changes that are not committed, where the clone does not build, or the files whose bytes differ.
pub fn verify(workspace: &Workspace, source: &Source, built: &[Module], out: &Path) -> Result<()> {
    let changes = git::changes(workspace.root(), None)?;
    ensure!(
        changes.is_empty(),
        "what is rebuilt is the last commit, and this checkout has changes beside it:\n{changes}"
    );
    let elsewhere = tempfile::Builder::new().prefix("palisade-rebuild-").tempdir().context("cannot make a folder")?;
    // As cargo names it.
    let folder = elsewhere.path().canonicalize()?;
    let (clone, home) = (folder.join("a clone"), folder.join("cargo"));
    git::run(&folder, &["clone", "--quiet", &workspace.root().display().to_string(), &clone.display().to_string()])?;
    let settings = [("CARGO_HOME", home.clone()), ("CARGO_TARGET_DIR", clone.join("target"))];
    bring_settings(&home)?;
    let workspace_there = Workspace::at(&clone, settings.into());
    let again = clone.join("dist");
    build(&workspace_there, &there(source, workspace.root(), &clone)?, &again)?;
    let files = built.iter().flat_map(|it| [it.file.clone(), sbom::file_of(&it.name), provenance::file_of(&it.name)]);
    let mut differing = Vec::new();
    for name in files {
        if file::read(&out.join(&name))? != file::read(&again.join(&name))? {
            differing.push(name);
        }
    }
    ensure!(
        differing.is_empty(),
        "not reproducible: elsewhere the bytes of {} are others; `cmp` and `strings` on both say where",
        differing.join(", ")
    );
    Ok(())
}

/// The same crates in the clone.
fn there(source: &Source, root: &Path, clone: &Path) -> Result<Source> {
    Ok(match source {
        Source::Filters(filters) => Source::Filters(filters.clone()),
        Source::Fused(filters) => Source::Fused(filters.clone()),
        Source::Guest(directory) => {
            let directory = directory.canonicalize()?;
            let within = directory.strip_prefix(root.canonicalize()?).context("the crate is not in this checkout")?;
            Source::Guest(clone.join(within))
        }
    })
}

/// Where crates come from on this machine, which a new `CARGO_HOME` has to know too.
fn bring_settings(home: &Path) -> Result<()> {
    let own = env::var_os("CARGO_HOME").map(PathBuf::from);
    let own = own.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"))).unwrap_or_default();
    fs::create_dir_all(home)?;
    for name in ["config.toml", "config"] {
        if own.join(name).is_file() {
            fs::copy(own.join(name), home.join(name))?;
        }
    }
    Ok(())
}
