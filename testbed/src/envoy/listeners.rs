//! Listeners that Envoy reads from a watched file, so that a test can change them while it serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::admin::Admin;
use crate::process::Process;

/// Envoy's verdict on a changed listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// The change is in force.
    Accepted,
    /// Envoy goes on as before; what it and its modules logged meanwhile, from warnings upwards.
    Rejected(String),
}

/// The listeners in force and the file that holds them.
#[derive(Debug)]
pub(super) struct Listeners {
    listeners: Vec<Value>,
    file: PathBuf,
    version: u64,
    workers: u64,
}

const VERDICT_WITHIN: Duration = Duration::from_secs(30);

impl Listeners {
    /// Moves a bootstrap's listeners to a file in `folder` and makes the bootstrap watch it.
    pub(super) fn split_off(bootstrap: &mut Value, folder: &Path, workers: usize) -> Result<Self> {
        let listeners = bootstrap["static_resources"]["listeners"].take();
        let listeners = listeners.as_array().context("the bootstrap has no listeners")?.clone();
        if let Some(resources) = bootstrap["static_resources"].as_object_mut() {
            resources.remove("listeners");
        }
        let watched = folder.join("listeners");
        fs::create_dir(&watched).with_context(|| format!("making {}", watched.display()))?;
        let file = watched.join("lds.json");
        bootstrap["dynamic_resources"]["lds_config"] = json!({
            "resource_api_version": "V3",
            "path_config_source": {"path": file},
        });
        for (field, value) in [("id", "testbed"), ("cluster", "testbed")] {
            if bootstrap["node"][field].is_null() {
                bootstrap["node"][field] = json!(value);
            }
        }
        let this = Self { listeners, file, version: 0, workers: workers as u64 };
        this.write(&this.listeners)?;
        Ok(this)
    }

    pub(super) fn update(
        &mut self,
        admin: &Admin,
        process: &Process,
        name: &str,
        edit: impl FnOnce(&mut Value) -> Result<()>,
    ) -> Result<Update> {
        let mut listeners = self.listeners.clone();
        let found = listeners.iter_mut().find(|listener| listener["name"] == name);
        edit(found.with_context(|| format!("no dynamic listener is named {name:?}"))?)?;
        let before = Verdicts::read(admin)?;
        let created = before.created + if listeners == self.listeners { 0 } else { self.workers };
        let logged = process.log().len();
        self.version += 1;
        self.write(&listeners)?;
        let deadline = Instant::now() + VERDICT_WITHIN;
        loop {
            let now = Verdicts::read(admin)?;
            if now.rejected > before.rejected {
                return Ok(Update::Rejected(complaints(&process.log(), logged)));
            }
            if now.version == self.version.to_string() && now.created >= created {
                self.listeners = listeners;
                return Ok(Update::Accepted);
            }
            ensure!(Instant::now() < deadline, "no verdict of Envoy on the changed listener within {VERDICT_WITHIN:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Envoy acts when another file is moved to the place of this one, so it never reads half of one.
    fn write(&self, listeners: &[Value]) -> Result<()> {
        let resources: Vec<_> = listeners
            .iter()
            .map(|listener| {
                let mut resource = listener.clone();
                resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
                resource
            })
            .collect();
        let content = json!({"version_info": self.version.to_string(), "resources": resources});
        let next = self.file.with_extension("next");
        fs::write(&next, serde_json::to_vec_pretty(&content)?)
            .with_context(|| format!("writing {}", next.display()))?;
        fs::rename(&next, &self.file).with_context(|| format!("replacing {}", self.file.display()))
    }
}

#[derive(Clone, Debug)]
struct Verdicts {
    /// The version of the listeners in force.
    version: String,
    rejected: u64,
    /// How often a worker has taken a listener.
    created: u64,
}

impl Verdicts {
    fn read(admin: &Admin) -> Result<Self> {
        let stats = admin.stat_texts()?;
        let number = |name: &str| stats.get(name).and_then(|value| value.parse().ok()).unwrap_or(0);
        let version = stats.get("listener_manager.lds.version_text").map(|text| text.trim_matches('"').to_owned());
        Ok(Self {
            version: version.unwrap_or_default(),
            // A file that does not parse fails; one that Envoy cannot use is rejected.
            rejected: number("listener_manager.lds.update_rejected") + number("listener_manager.lds.update_failure"),
            created: number("listener_manager.listener_create_success"),
        })
    }
}

/// The lines of a log after its first `from` bytes, without those of information only.
fn complaints(log: &str, from: usize) -> String {
    let new = log.get(from..).unwrap_or_default().lines();
    let serious = new.filter(|line| !["[trace]", "[debug]", "[info]"].iter().any(|level| line.contains(level)));
    serious.collect::<Vec<_>>().join("\n")
}
