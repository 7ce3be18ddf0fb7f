//! Plugins from files, and from the same files once they have changed.

use crate::options::Options;
use anyhow::{Context, Result};
use palisade_host::{Module, Plugin};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// Reads the files that the command line names.
pub(crate) struct Loader {
    options: Options,
}

/// When the files were written.
pub(crate) type Stamp = Vec<(Option<SystemTime>, u64)>;

impl Loader {
    pub(crate) const fn new(options: Options) -> Self {
        Self { options }
    }

    /// The chain as the files have it now.
    pub(crate) fn load(&self) -> Result<Vec<Plugin>> {
        let modules = self.options.module.iter().enumerate();
        modules.map(|(index, path)| self.plugin(index, path)).collect()
    }

    fn plugin(&self, index: usize, path: &Path) -> Result<Plugin> {
        let options = &self.options;
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let module = Module::compiled(&bytes, &options.limits()).with_context(|| path.display().to_string())?;
        if let Some(expected) = options.sha256.get(index) {
            module.verify(expected).with_context(|| path.display().to_string())?;
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut plugin = Plugin::new(options.name.get(index).unwrap_or(&stem), module);
        if let Some(path) = options.config.get(index) {
            plugin.configuration = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        }
        plugin.failure_policy = options.policy();
        plugin.allow_on_headers_stop_iteration = options.allow_on_headers_stop_iteration;
        plugin.vm.environment = options.environment();
        Ok(plugin)
    }

    /// When the files were written last.
    pub(crate) fn stamp(&self) -> Stamp {
        let files = self.options.module.iter().chain(&self.options.config);
        let stamp = |path| fs::metadata(path).map_or((None, 0), |data| (data.modified().ok(), data.len()));
        files.map(stamp).collect()
    }
}
