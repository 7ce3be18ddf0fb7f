//! The checkout that the command works in.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A checkout of the project.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    /// What its toolchain finds in its environment beside what is there.
    environment: Vec<(&'static str, PathBuf)>,
}

impl Workspace {
    /// The checkout around the current directory.
    pub fn find() -> Result<Self> {
        let here = env::current_dir().context("cannot tell the current directory")?;
        let root = here.ancestors().find(|directory| toolchain_of(directory).is_file()).with_context(|| {
            format!("{} is in no checkout of Palisade (no scripts/toolchain above it): change into one", here.display())
        })?;
        Ok(Self::at(root, Vec::new()))
    }

    /// The checkout in this directory, whose toolchain gets these variables.
    pub(crate) fn at(root: &Path, environment: Vec<(&'static str, PathBuf)>) -> Self {
        Self { root: root.to_path_buf(), environment }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The script that knows how wasm32 is compiled here.
    pub(crate) fn toolchain(&self) -> PathBuf {
        toolchain_of(&self.root)
    }

    /// A call of that script.
    pub(crate) fn run_toolchain(&self) -> Command {
        let mut command = Command::new(self.toolchain());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What a call of that script prints. What it says of its errors, it says itself; `failed` is what they mean.
    pub(crate) fn toolchain_says(&self, call: &mut Command, failed: &str) -> Result<String> {
        let output = call.stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot run {}", self.toolchain().display()))?;
        ensure!(output.status.success(), "{failed}: see above");
        String::from_utf8(output.stdout)
            .with_context(|| format!("{} wrote something other than text", self.toolchain().display()))
    }

    /// The directories that differ from machine to machine.
    pub(crate) fn local_paths(&self) -> Vec<PathBuf> {
        let variables = ["HOME", "CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR"];
        let named = variables.into_iter().filter_map(env::var_os).map(PathBuf::from);
        let given = self.environment.iter().map(|(_, path)| path.clone());
        named.filter(|path| path.parent().is_some()).chain(given).chain([self.root.clone()]).collect()
    }

    pub(crate) fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    pub(crate) fn budget(&self) -> PathBuf {
        self.root.join("budget.toml")
    }

    pub(crate) fn templates(&self) -> PathBuf {
        self.root.join("envoy")
    }
}

fn toolchain_of(root: &Path) -> PathBuf {
    root.join("scripts/toolchain")
}
