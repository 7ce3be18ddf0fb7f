//! The pin: every config that loads a module names it by SHA-256 and restricts it to what it needs.
//!
//! [`render`] fills the templates of `envoy/` from the lock, and makes objects of Istio and Envoy Gateway of them;
//! [`check`] holds finished configs against the lock. What `render` writes has passed the same check.

mod kubernetes;
mod stats_tags;
mod template;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};

use crate::file;
use crate::inspect::{Policy, inspect};
use crate::lock::Lock;
use template::{Releases, Variant};

/// A config whose modules are pinned.
#[derive(Debug)]
pub struct Pinned {
    /// The config.
    pub file: PathBuf,
    /// The names of the modules that it loads.
    pub modules: Vec<String>,
}

/// Writes each `<name>.yaml` of `templates` to `dist/envoy/` twice: as `<name>.yaml`, which fetches the modules from
/// the cluster `palisade_modules`, and as `<name>.local.yaml`, which loads them from [`MODULE_DIRECTORY`]. The same
/// for Envoy 1.36 to 1.39 is in `dist/envoy-1.36/`. For bootstraps of one's own, `dist/stats-tags.yaml` has the
/// labels of all modules. `dist/istio/` and `dist/envoy-gateway/` have the filters of each config as objects of
/// Kubernetes; those that load images are there where `images` names one for each module.
///
/// Nothing is written unless every module is the one of the lock and every config passes the check.
///
/// # Errors
///
/// A module that is not the lock's, an image of no module, a template that cannot be filled, or all the problems of
/// the configs.
pub fn render(templates: &Path, dist: &Path, images: &Images) -> Result<Vec<Pinned>> {
    let lock = Lock::read_verified(dist)?;
    for name in images.keys() {
        ensure!(lock.module(name).is_some(), "the image of `{name}`: the lock has no such module");
    }
    let mut rendered = Vec::new();
    for template in yaml_files(templates)? {
        let text = file::read_text(&template)?;
        for releases in Releases::ALL {
            for variant in [Variant::Remote, Variant::Local] {
                let config = template::render(&text, releases, variant, &lock)
                    .with_context(|| format!("cannot fill {}", template.display()))?;
                if variant == Variant::Remote {
                    let objects = kubernetes::render(&template, &config, releases, &lock, images)
                        .with_context(|| format!("cannot make objects of {}", template.display()))?;
                    rendered.extend(objects.into_iter().map(|(file, objects)| (dist.join(file), objects)));
                }
                rendered.push((dist.join(releases.directory()).join(variant.file_name(&template)), config));
            }
        }
    }
    ensure!(!rendered.is_empty(), "there is no template (*.yaml) in {}", templates.display());
    let pinned = inspect_all(&rendered, &lock)?;
    for (path, config) in &rendered {
        file::write(path, config)?;
    }
    file::write(&dist.join("stats-tags.yaml"), stats_config(&lock))?;
    Ok(pinned)
}

/// Holds finished configs against the lock of `dist`, whose modules are verified first.
///
/// # Errors
///
/// A module that is not the lock's, a file that loads no module, or all the problems of the configs.
pub fn check(files: &[PathBuf], dist: &Path) -> Result<Vec<Pinned>> {
    let lock = Lock::read_verified(dist)?;
    let configs = files.iter().map(|path| Ok((path.clone(), file::read_text(path)?))).collect::<Result<Vec<_>>>()?;
    let pinned = inspect_all(&configs, &lock)?;
    for Pinned { file, modules } in &pinned {
        ensure!(!modules.is_empty(), "{} loads no Wasm module: there is nothing to check", file.display());
    }
    Ok(pinned)
}

pub use kubernetes::Images;
pub use stats_tags::stats_config;
pub use template::MODULE_DIRECTORY;

/// What is shipped fails closed, whatever it does; the releases of Envoy that it is for want the list in either place.
const POLICY: Policy<'_> = Policy { may_fail_open: &|_| false, is_deprecated_beside: false };

/// Every YAML file but `compose.yaml`, which describes containers.
fn yaml_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.retain(|file| file.file_name().is_some_and(|name| name != "compose.yaml"));
    files.sort();
    Ok(files)
}

fn inspect_all(configs: &[(PathBuf, String)], lock: &Lock) -> Result<Vec<Pinned>> {
    let mut pinned = Vec::new();
    let mut refusals = Vec::new();
    for (path, config) in configs {
        let report = inspect(config, lock, &POLICY).with_context(|| format!("{} is no YAML", path.display()))?;
        if !report.refusals.is_empty() {
            let problems: Vec<_> = report.refusals.iter().map(ToString::to_string).collect();
            refusals.push(format!("{} must not be loaded:\n  {}", path.display(), problems.join("\n  ")));
        }
        pinned.push(Pinned { file: path.clone(), modules: report.modules });
    }
    if refusals.is_empty() { Ok(pinned) } else { Err(anyhow!(refusals.join("\n"))) }
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.modules.join(", "))
    }
}
