//! The checkout that the command works in.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A checkout of the project.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout around the current directory.
    pub fn find() -> Result<Self> {
        let here = env::current_dir().context("cannot tell the current directory")?;
        let root = here.ancestors().find(|directory| toolchain_of(directory).is_file()).with_context(|| {
            format!("{} is in no checkout of Palisade (no scripts/toolchain above it): change into one", here.display())
        })?;
        Ok(Self { root: root.to_path_buf() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The script that knows how wasm32 is compiled here.
    pub(crate) fn toolchain(&self) -> PathBuf {
        toolchain_of(&self.root)
    }

    pub(crate) fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    pub(crate) fn templates(&self) -> PathBuf {
        self.root.join("envoy")
    }
}

fn toolchain_of(root: &Path) -> PathBuf {
    root.join("scripts/toolchain")
}
