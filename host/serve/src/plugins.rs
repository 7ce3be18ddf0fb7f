//! Plugins from files, and from the same files once they have changed.

use crate::options::Options;
use anyhow::{Context, Result};
use palisade_host::{Compiler, Module, Plugin};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Reads the files that the command line names.
pub(crate) struct Loader {
    options: Options,
    compiler: Compiler,
    /// The bytes of the modules that were loaded last, and what they were compiled to.
    modules: Vec<(Vec<u8>, Module)>,
    stamp: Stamp,
}

/// What tells one state of the files from another: of each, inode, time of change in seconds and nanoseconds, and size. The
/// time of modification is not enough, for a copy may keep it.
type Stamp = Vec<Option<(u64, i64, i64, u64)>>;

impl Loader {
    /// # Errors
    ///
    /// The machine is none that modules can be compiled for.
    pub(crate) fn new(options: Options) -> Result<Self> {
        let compiler = Compiler::new(&options.limits())?;
        Ok(Self { options, compiler, modules: Vec::new(), stamp: Stamp::new() })
    }

    /// The chain as the files have it now.
    pub(crate) fn load(&mut self) -> Result<Vec<Plugin>> {
        // What changes while they are read is read again.
        self.stamp = self.stamp();
        let mut plugins = Vec::new();
        let mut modules = Vec::new();
        for (index, path) in self.options.module.iter().enumerate() {
            let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            let module = self.compiled(&bytes).with_context(|| path.display().to_string())?;
            plugins.push(self.plugin(index, path, module.clone())?);
            modules.push((bytes, module));
        }
        self.modules = modules;
        Ok(plugins)
    }

    /// The chain as the files have it now, if that is another than before.
    pub(crate) fn load_if_changed(&mut self) -> Option<Result<Vec<Plugin>>> {
        (self.stamp() != self.stamp).then(|| self.load())
    }

    fn compiled(&self, bytes: &[u8]) -> Result<Module> {
        let known = self.modules.iter().find(|(own, _)| own == bytes);
        known.map_or_else(|| Ok(self.compiler.compile(bytes)?), |(_, module)| Ok(module.clone()))
    }

    fn plugin(&self, index: usize, path: &Path, module: Module) -> Result<Plugin> {
        let options = &self.options;
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

    fn stamp(&self) -> Stamp {
        let files = self.options.module.iter().chain(&self.options.config);
        let stamp = |path| {
            let data = fs::metadata(path).ok()?;
            Some((data.ino(), data.ctime(), data.ctime_nsec(), data.len()))
        };
        files.map(stamp).collect()
    }
}
