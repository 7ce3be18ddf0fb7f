//! Real Envoy, started from a config as an operator would start it, with the ports of this machine.
//!
//! Envoy binds port 0 for its admin interface and for each listener, and says through the admin interface which ports
//! it got, so any number of Envoys run side by side. Static clusters are pointed at the testbed's servers by name.
//! Envoy is stopped when its owner is dropped, after a panic too; where the process of its owner is killed, the kernel
//! stops it (through `setpriv --pdeathsig`, where that exists).

mod admin;
pub mod bootstrap;
mod builder;
pub mod config;
mod listeners;
pub mod trace;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

pub use builder::Builder;
pub use listeners::Update;

use crate::process::Process;
use admin::Admin;
use listeners::Listeners;

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    // Dropped in this order: the process first, its files last.
    process: Process,
    admin: Admin,
    addresses: BTreeMap<String, SocketAddr>,
    listeners: Option<Listeners>,
    concurrency: usize,
    files: Files,
}

/// The folder with Envoy's bootstrap, listeners and log; kept after a panic or with `PALISADE_KEEP=1`.
#[derive(Debug)]
struct Files(TempDir);

impl Envoy {
    /// Prepares an Envoy from a config that `cargo palisade pin` has written for its release, such as
    /// `trace-sampler.propagate.yaml`.
    pub fn pinned(config: impl AsRef<Path>) -> Result<Builder> {
        Self::from_file(crate::checkout::pinned_configs()?.join(config))
            .context("the config is missing or broken: run `cargo palisade pin`")
    }

    /// Prepares an Envoy from a bootstrap file, YAML or JSON; a relative path starts at the root of the checkout.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Builder> {
        let path = path.as_ref();
        let path = if path.is_relative() { crate::checkout::root()?.join(path) } else { path.to_path_buf() };
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Self::from_yaml(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Prepares an Envoy from the text of a bootstrap, YAML or JSON.
    pub fn from_yaml(text: &str) -> Result<Builder> {
        Ok(Self::from_value(serde_saphyr::from_str(text).context("the bootstrap is no YAML")?))
    }

    /// Prepares an Envoy from a bootstrap.
    pub fn from_value(bootstrap: Value) -> Builder {
        Builder::new(bootstrap)
    }

    /// The address of the listener of this name.
    pub fn addr(&self, listener: &str) -> Result<SocketAddr> {
        let found = self.addresses.get(listener).copied();
        found.with_context(|| format!("Envoy has no listener {listener:?}, only {:?}", self.addresses.keys()))
    }

    /// The address of the admin interface.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.addr()
    }

    /// What the admin interface answers to a GET of this path, for example `/clusters`.
    pub fn admin(&self, path: &str) -> Result<String> {
        self.admin.get(path)
    }

    /// The counters and gauges whose names begin so.
    pub fn stats(&self, prefix: &str) -> Result<BTreeMap<String, u64>> {
        let mut stats = self.admin.stats()?;
        stats.retain(|name, _| name.starts_with(prefix));
        Ok(stats)
    }

    /// The counter or gauge of this name, 0 where it does not exist yet.
    pub fn stat(&self, name: &str) -> Result<u64> {
        self.admin.stat(name)
    }

    /// Waits until the counter or gauge of this name satisfies `holds`, and gives it.
    pub fn wait_for_stat(&self, name: &str, holds: impl Fn(u64) -> bool, timeout: Duration) -> Result<u64> {
        let deadline = Instant::now() + timeout;
        loop {
            let value = self.stat(name)?;
            if holds(value) {
                return Ok(value);
            }
            ensure!(Instant::now() < deadline, "{name} is still {value} after {timeout:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The configuration in force, as `/config_dump` shows it.
    pub fn config_dump(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.admin("/config_dump")?)?)
    }

    /// Envoy's log so far, the modules' lines included.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until the log holds this text, and gives the log.
    pub fn wait_for_log(&self, text: &str, timeout: Duration) -> Result<String> {
        let deadline = Instant::now() + timeout;
        loop {
            let log = self.log();
            if log.contains(text) {
                return Ok(log);
            }
            ensure!(Instant::now() < deadline, "Envoy's log does not hold {text:?} after {timeout:?}:\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Changes a dynamic listener (see [`Builder::dynamic_listeners`]) and waits for Envoy's verdict; an accepted change
    /// is in force on all workers.
    pub fn update_listener(&mut self, name: &str, edit: impl FnOnce(&mut Value) -> Result<()>) -> Result<Update> {
        let listeners = self.listeners.as_mut();
        let listeners = listeners.context("Envoy's listeners are static: start it with `dynamic_listeners()`")?;
        listeners.update(&self.admin, &self.process, name, edit)
    }

    /// Changes the list of capabilities of a Wasm filter in a dynamic listener, as [`Self::update_listener`] does.
    pub fn update_capabilities(
        &mut self,
        listener: &str,
        plugin: &str,
        edit: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<Update> {
        static CHANGES: AtomicUsize = AtomicUsize::new(0);
        let release = crate::checkout::envoy_release()?;
        self.update_listener(listener, |config| {
            let plugin = config::plugin_mut(config, plugin).context("the listener has no such plugin")?;
            // Before 1.40 a VM that lives keeps the list that it began with.
            plugin["vm_config"]["vm_id"] = json!(format!("change-{}", CHANGES.fetch_add(1, Ordering::Relaxed)));
            let list = config::capabilities_mut(plugin, release).as_object_mut();
            edit(list.context("the plugin has no list of capabilities")?);
            Ok(())
        })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The number of worker threads.
    pub fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// The folder with its bootstrap, listeners and log, for as long as it runs.
    pub fn folder(&self) -> &Path {
        self.files.path()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.exit_status().is_none()
    }
}

// === impl Files ===

impl Files {
    fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("palisade-envoy-").tempdir();
        Ok(Self(folder.context("making a temporary folder for Envoy")?))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, value: &Value) -> Result<PathBuf> {
        let path = self.path().join(name);
        fs::write(&path, serde_json::to_vec_pretty(value)?).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if thread::panicking() || env::var_os("PALISADE_KEEP").is_some_and(|keep| keep == "1") {
            self.0.disable_cleanup(true);
            eprintln!("Envoy's bootstrap and log are kept in {}", self.path().display());
        }
    }
}
