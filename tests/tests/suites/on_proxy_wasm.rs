//! On proxy-wasm: a filter in a module of the `proxy-wasm` crate, in the place of the module that ships.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use palisade::build::{Source, Workspace, build};
use palisade::lock::Module;
use palisade_testbed::checkout;
use palisade_testbed::envoy::config::{capabilities_mut, plugin_mut};
use serde_json::{Map, Value, json};

/// The crate of such a module, built for the first of its tests.
pub(crate) struct OnProxyWasm {
    source: PathBuf,
    built: OnceLock<Result<Built, String>>,
}

/// The module.
pub(crate) struct Built {
    /// The folder of its file.
    pub(crate) folder: PathBuf,
    module: Module,
}

// === impl OnProxyWasm ===

impl OnProxyWasm {
    /// The filter's, if it has one.
    pub(crate) fn find(filter: &str) -> Result<Option<Self>> {
        let source = checkout::root()?.join("tests/guests").join(filter).join("proxy-wasm");
        Ok(source.is_dir().then(|| Self { source, built: OnceLock::new() }))
    }

    pub(crate) fn built(&self) -> Result<&Built> {
        let built = self.built.get_or_init(|| self.build().map_err(|error| format!("{error:#}")));
        built.as_ref().map_err(|error| anyhow!("building {}: {error}", self.source.display()))
    }

    fn build(&self) -> Result<Built> {
        let out = checkout::root()?.join("target/guests/proxy-wasm");
        let modules = build(&Workspace::find()?, &Source::Guest(self.source.clone()), &out)?;
        let module = modules.into_iter().next().context("the build gave no module")?;
        Ok(Built { folder: out.join("modules"), module })
    }
}

// === impl Built ===

impl Built {
    /// The module's file.
    pub(crate) fn file(&self) -> String {
        format!("{}.wasm", self.module.name)
    }

    /// Pins a plugin to this module and restricts it to what this module needs.
    pub(crate) fn load(&self, bootstrap: &mut Value, plugin: &str) -> Result<()> {
        let plugin = plugin_mut(bootstrap, plugin).with_context(|| format!("no plugin is named {plugin:?}"))?;
        let code = &mut plugin["vm_config"]["code"]["remote"];
        code["http_uri"]["uri"] = json!(format!("http://palisade-modules/modules/{}", self.file()));
        code["sha256"] = json!(self.module.sha256);
        let allowed: Map<_, _> = self.module.capabilities().into_iter().map(|name| (name.into(), json!({}))).collect();
        *capabilities_mut(plugin, checkout::envoy_release()?) = allowed.into();
        Ok(())
    }
}
