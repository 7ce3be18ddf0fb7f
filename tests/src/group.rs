//! A folder of Hurl files that share one Envoy.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use palisade_testbed::checkout;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A group of `tests/suites/`.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its filter, for example `trace-sampler`.
    pub filter: String,
    /// Its filter and its own name, for example `trace-sampler::shipped`.
    pub name: String,
    /// Its Hurl files, by name.
    pub files: Vec<PathBuf>,
    /// What Envoy is started with.
    pub suite: Suite,
    /// The filter's configuration instead of the one in the suite's config.
    pub configuration: Option<Value>,
    /// What must not come to a client in any response.
    pub hidden: Vec<String>,
}

/// What `suite.yaml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The pinned config, by its file name.
    pub config: PathBuf,
    /// The name of the plugin in it that a group's `config.yaml` configures.
    pub plugin: String,
    /// The environment of the plugin's VM, instead of variables of Envoy's own.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The key set that an identity provider serves at the config's cluster `idp`, if it has one.
    pub idp: Option<Value>,
}

/// The groups of `tests/suites/`, by name.
///
/// # Errors
///
/// A folder that holds no group, a group without files or suite, or a file that is not what it should be.
pub fn all() -> Result<Vec<Group>> {
    let suites = checkout::root()?.join("tests/suites");
    let mut groups = Vec::new();
    for filter in folders(&suites)? {
        for group in folders(&suites.join(&filter))? {
            let folder = suites.join(&filter).join(&group);
            groups.push(Group::read(&filter, &group, folder)?);
        }
    }
    ensure!(!groups.is_empty(), "there is no group in {}", suites.display());
    Ok(groups)
}

// === impl Group ===

impl Group {
    fn read(filter: &str, group: &str, folder: PathBuf) -> Result<Self> {
        let files = entries(&folder)?.into_iter().filter(|file| file.ends_with(".hurl"));
        let files: Vec<_> = files.map(|file| folder.join(file)).collect();
        ensure!(!files.is_empty(), "there is no .hurl file in {}", folder.display());
        let above = folder.parent().unwrap_or(&folder);
        let suite = match read_yaml(&folder.join("suite.yaml"))? {
            Some(suite) => Some(suite),
            None => read_yaml(&above.join("suite.yaml"))?,
        };
        let suite =
            suite.with_context(|| format!("neither {} nor the folder above has a suite.yaml", folder.display()))?;
        let configuration = read_yaml(&folder.join("config.yaml"))?;
        let hidden = read_yaml(&folder.join("hidden.yaml"))?.unwrap_or_default();
        let (filter, name) = (filter.to_owned(), format!("{filter}::{group}"));
        Ok(Self { filter, name, files, suite, configuration, hidden })
    }
}

fn folders(folder: &Path) -> Result<Vec<String>> {
    Ok(entries(folder)?.into_iter().filter(|entry| folder.join(entry).is_dir()).collect())
}

fn entries(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn read_yaml<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(Some(serde_saphyr::from_str(&text).with_context(|| format!("in {}", path.display()))?))
}
