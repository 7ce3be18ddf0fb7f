//! Local: the configs that load their modules from files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use palisade::pin::MODULE_DIRECTORY;
use palisade_testbed::envoy::Builder;
use palisade_testbed::{Envoy, checkout};
use palisade_tests::group::{Group, Suite};

const END: &str = ".local.yaml";

/// What is there for Docker Compose, and no config of Envoy.
const CONTAINERS: &str = "compose";

/// A group for each template of `envoy/`: that of the suites which has its config as it is, or else one with a file that sees
/// the filter work.
pub(crate) fn groups(suites: &[Group]) -> Result<Vec<Group>> {
    let folder = checkout::root()?.join("envoy");
    let mut stems = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        stems.extend(name.strip_suffix(".yaml").filter(|stem| *stem != CONTAINERS).map(str::to_owned));
    }
    stems.sort();
    stems.iter().map(|stem| group(stem, suites)).collect()
}

fn group(stem: &str, suites: &[Group]) -> Result<Group> {
    let remote = PathBuf::from(format!("{stem}.yaml"));
    let shipped = suites.iter().find(|group| group.suite.config == remote && group.configuration.is_none());
    let mut group = match shipped {
        Some(shipped) => shipped.clone(),
        None => unsuited(stem)?,
    };
    group.suite.config = PathBuf::from(format!("{stem}{END}"));
    group.name = stem.to_owned();
    Ok(group)
}

fn unsuited(stem: &str) -> Result<Group> {
    let filter = stem.split('.').next().unwrap_or_default().to_owned();
    let file = checkout::root()?.join("tests/tests/suites/local").join(format!("{filter}.hurl"));
    let plugin = filter.replace('-', "_");
    let suite = Suite { config: PathBuf::new(), plugin, environment: BTreeMap::new(), idp: None };
    Ok(Group { filter, name: String::new(), files: vec![file], suite, configuration: None, hidden: Vec::new() })
}

/// An Envoy with such a config, which finds the modules in `dist/`.
pub(crate) fn pinned(config: &Path) -> Result<Builder> {
    let path = checkout::pinned_configs()?.join(config);
    let text =
        fs::read_to_string(&path).with_context(|| format!("reading {}: run `cargo palisade pin`", path.display()))?;
    let modules = checkout::root()?.join("dist/modules").display().to_string();
    Ok(Envoy::from_yaml(&text.replace(MODULE_DIRECTORY, &modules))?.concurrency(1))
}

pub(crate) fn is_local(config: &Path) -> bool {
    config.to_string_lossy().ends_with(END)
}
