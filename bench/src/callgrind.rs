//! Callgrind: the tool of valgrind that counts instructions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use palisade_testbed::envoy::Builder;
use tempfile::TempDir;

use crate::profile::Profile;

/// A folder for the profiles of one process.
#[derive(Debug)]
pub(crate) struct Callgrind {
    folder: TempDir,
}

/// Envoy and all its modules start in some ten seconds; on a busy machine in a minute.
const START: Duration = Duration::from_secs(600);

/// The version of valgrind.
pub(crate) fn version() -> Result<String> {
    let output = Command::new("valgrind").arg("--version").output();
    let output = output.context("instructions are counted by valgrind: apt-get install -y valgrind")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Callgrind {
    pub(crate) fn new() -> Result<Self> {
        version()?;
        Ok(Self { folder: tempfile::Builder::new().prefix("palisade-bench-").tempdir()? })
    }

    /// Lets callgrind run an Envoy, without counting yet.
    pub(crate) fn run(&self, envoy: Builder) -> Builder {
        let profiles = self.folder.path().join("profile");
        let profiles = format!("--callgrind-out-file={}", profiles.display());
        let tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes"];
        // V8 writes code over code.
        let arguments = tool.into_iter().chain(["--smc-check=all-non-file", &profiles]);
        envoy.run_by(arguments).start_timeout(START)
    }

    /// Counts from now on.
    pub(crate) fn start(&self, process: u32) -> Result<()> {
        tell(process, &["instrumentation", "on"])
    }

    /// Forgets what was counted so far.
    pub(crate) fn zero(&self, process: u32) -> Result<()> {
        tell(process, &["zero"])
    }

    /// The busiest thread since the last time, and where its profile is.
    pub(crate) fn busiest_thread(&self, process: u32) -> Result<(Profile, PathBuf)> {
        for file in self.files()? {
            fs::remove_file(file)?;
        }
        tell(process, &["dump"])?;
        let mut profiles = Vec::new();
        for file in self.files()? {
            let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            // The file without a number is a claim on the name.
            if !text.is_empty() {
                let profile = Profile::parse(&text).with_context(|| format!("in {}", file.display()))?;
                profiles.push((profile, file));
            }
        }
        profiles.into_iter().max_by_key(|(profile, _)| profile.instructions).context("callgrind wrote no profile")
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(self.folder.path())?;
        entries.map(|entry| Ok(entry?.path())).collect()
    }
}

/// As `callgrind_control` does, which is a script around this.
fn tell(process: u32, command: &[&str]) -> Result<()> {
    let output = Command::new("vgdb").arg(format!("--pid={process}")).args(command).output();
    let output =
        output.context("callgrind is told what to do by vgdb, a part of valgrind: apt-get install -y valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind does not do what it is told ({}): {said}", command.join(" "));
    Ok(())
}

/// Keeps a profile for `callgrind_annotate`.
pub(crate) fn keep(profile: &Path, folder: &Path, name: &str) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let file = folder.join(format!("{}.callgrind", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")));
    fs::copy(profile, &file).with_context(|| format!("writing {}", file.display()))?;
    Ok(())
}
