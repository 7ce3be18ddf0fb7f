//! One module crate, compiled as `scripts/toolchain` says.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::file;
use crate::hash::sha256;
use crate::workspace::Workspace;

/// A module as the compiler wrote it, with its names.
pub(crate) struct Compiled {
    /// The name of the crate's library, for example `trace_sampler`.
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) bytes: Vec<u8>,
}

/// A crate that becomes a module.
pub(crate) struct ModuleCrate {
    pub(crate) directory: PathBuf,
    pub(crate) features: Vec<&'static str>,
    /// What it finds in its environment.
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl ModuleCrate {
    /// The crate in a directory, as it is.
    pub(crate) fn at(directory: PathBuf) -> Self {
        Self { directory, features: Vec::new(), environment: Vec::new() }
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.directory.join("Cargo.toml")
    }

    /// The lock file of cargo that holds for it.
    pub(crate) fn lock(&self, workspace: &Workspace) -> Result<PathBuf> {
        let mut call = workspace.run_toolchain();
        call.args(["cargo", "locate-project", "--workspace", "--message-format", "plain", "--manifest-path"]);
        let failed = format!("cargo finds no workspace of {}", self.manifest().display());
        let manifest = workspace.toolchain_says(call.arg(self.manifest()), &failed)?;
        Ok(Path::new(manifest.trim_end()).with_file_name("Cargo.lock"))
    }

    /// What cargo is told to take this crate.
    pub(crate) fn selection(&self) -> [OsString; 4] {
        ["--manifest-path".into(), self.manifest().into(), "--features".into(), self.features.join(",").into()]
    }
}

/// Compiles a crate, which must be a `cdylib`.
pub(crate) fn compile(workspace: &Workspace, module: &ModuleCrate) -> Result<Compiled> {
    let mut artifact = run_cargo(workspace, module)?;
    let mut bytes = file::read(&artifact.file)?;
    // A file has the name of its library alone. Where something else has written it since, cargo does not see it.
    let made_of = artifact.file.with_extension("made-of");
    if artifact.fresh && fs::read(&made_of).ok() != Some(origin(module, &bytes).into_bytes()) {
        forget(workspace, &artifact)?;
        artifact = run_cargo(workspace, module)?;
        bytes = file::read(&artifact.file)?;
    }
    file::write(&made_of, origin(module, &bytes))?;
    Ok(Compiled { bytes, name: artifact.name, version: artifact.version })
}

/// What these bytes were made of.
fn origin(module: &ModuleCrate, bytes: &[u8]) -> String {
    format!("{:?}\n{}\n", module.selection(), sha256(bytes))
}

fn run_cargo(workspace: &Workspace, module: &ModuleCrate) -> Result<Artifact> {
    let manifest = module.manifest();
    let mut call = workspace.run_toolchain();
    call.args(["cargo", "build", "--locked", "--profile", "wasm", "--message-format", "json-render-diagnostics"])
        .args(module.selection())
        .envs(module.environment.iter().map(|(name, value)| (name, value)));
    let failed = format!("{} does not compile for wasm32", manifest.display());
    let messages = workspace.toolchain_says(&mut call, &failed)?;
    module_in(&messages, &manifest)
        .with_context(|| format!("{} makes no module: it needs `crate-type = [\"cdylib\"]`", manifest.display()))
}

/// Has cargo compile the artifact's crate anew.
fn forget(workspace: &Workspace, artifact: &Artifact) -> Result<()> {
    let mut call = workspace.run_toolchain();
    call.args(["cargo", "clean", "--quiet", "--locked", "--profile", "wasm", "--package", &artifact.package]);
    workspace.toolchain_says(&mut call, &format!("cargo cannot clean {}", artifact.package)).map(drop)
}

/// Makes a stripped module smaller.
pub(crate) fn optimise(workspace: &Workspace, module: &[u8]) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let [from, to] = ["stripped.wasm", "optimised.wasm"].map(|name| folder.path().join(name));
    file::write(&from, module)?;
    let failed = format!("{} optimise failed", workspace.toolchain().display());
    workspace.toolchain_says(workspace.run_toolchain().arg("optimise").args([&from, &to]), &failed)?;
    file::read(&to)
}

/// The compiler, linker and optimiser that [`compile`] and [`optimise`] use.
pub(crate) fn toolchain_version(workspace: &Workspace) -> Result<String> {
    let failed = format!("{} version failed", workspace.toolchain().display());
    let version = workspace.toolchain_says(workspace.run_toolchain().arg("version"), &failed)?;
    Ok(version.trim().to_owned())
}

#[derive(Debug, Eq, PartialEq)]
struct Artifact {
    package: String,
    name: String,
    version: String,
    file: PathBuf,
    /// Whether cargo found nothing to do.
    fresh: bool,
}

/// One line of cargo's JSON.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    manifest_path: PathBuf,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    #[serde(default)]
    fresh: bool,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

fn module_in(messages: &str, manifest: &Path) -> Option<Artifact> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let mut artifacts = messages.filter_map(|message| {
        let is_ours = message.reason == "compiler-artifact" && message.manifest_path == manifest;
        let file = message.filenames.into_iter().find(|file| file.extension().is_some_and(|it| it == "wasm"));
        let version = message.package_id.rsplit(['@', '#']).next().unwrap_or_default().to_string();
        let Message { package_id: package, fresh, .. } = message;
        is_ours.then_some(Artifact { package, name: message.target?.name, version, file: file?, fresh })
    });
    artifacts.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_the_wasm_file_of_the_crate_asked_for() {
        let messages = r#"
            {"reason":"compiler-artifact","package_id":"registry+https://x#dep@3.0.0","manifest_path":"/r/dep/Cargo.toml","target":{"name":"dep"},"filenames":["/t/libdep.rlib"]}
            {"reason":"compiler-artifact","package_id":"path+file:///w/probe#palisade-probe-module@0.1.0","manifest_path":"/w/probe/Cargo.toml","target":{"name":"probe"},"filenames":["/t/probe.wasm"],"fresh":true}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(
            module_in(messages, Path::new("/w/probe/Cargo.toml")),
            Some(Artifact {
                package: "path+file:///w/probe#palisade-probe-module@0.1.0".into(),
                name: "probe".into(),
                version: "0.1.0".into(),
                file: "/t/probe.wasm".into(),
                fresh: true
            })
        );
        assert_eq!(module_in(messages, Path::new("/r/dep/Cargo.toml")), None);
    }
}
