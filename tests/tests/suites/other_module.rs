//! Other module: one that has a group's filter in it, in the place of the module that ships.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use palisade::build::{Source, Workspace, build};
use palisade::catalog;
use palisade::lock::Module;
use palisade_testbed::checkout;
use palisade_testbed::envoy::config::{capabilities_mut, plugin_mut};
use palisade_tests::group::Group;
use serde_json::{Map, Value, json};

use crate::idle;

/// The filters of the fused module, in the order in which requests meet them.
const FUSED: [&str; 4] = ["auth", "rate-limit", "trace-sampler", "data-masking"];

/// A module that is built for the first of its tests.
pub(crate) struct OtherModule {
    kind: Kind,
    built: OnceLock<Result<Built, String>>,
}

enum Kind {
    /// Of the `proxy-wasm` crate: this crate.
    ProxyWasm(PathBuf),
    /// The filter beside others, which have nothing to do.
    Fused,
}

/// The module.
pub(crate) struct Built {
    /// The folder of its file.
    pub(crate) folder: PathBuf,
    module: Module,
    pub(crate) is_fused: bool,
}

// === impl OtherModule ===

impl OtherModule {
    /// The filter's module of the `proxy-wasm` crate, if it has one.
    pub(crate) fn on_proxy_wasm(filter: &str) -> Result<Option<Self>> {
        let source = checkout::root()?.join("tests/guests").join(filter).join("proxy-wasm");
        Ok(source.is_dir().then(|| Self::of(Kind::ProxyWasm(source))))
    }

    /// The module of several filters.
    pub(crate) fn fused() -> Self {
        Self::of(Kind::Fused)
    }

    fn of(kind: Kind) -> Self {
        Self { kind, built: OnceLock::new() }
    }

    /// Whether it has the filter of this group, as the group configures it.
    pub(crate) fn has_filter_of(&self, group: &Group) -> bool {
        match self.kind {
            Kind::ProxyWasm(_) => true,
            // The filter that asks services is another one.
            Kind::Fused => {
                FUSED.contains(&group.filter.as_str()) && group.suite.config.as_os_str() != "rate-limit.global.yaml"
            }
        }
    }

    /// What the names of its tests begin with.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::ProxyWasm(_) => "on_proxy_wasm::",
            Kind::Fused => "on_fused::",
        }
    }

    pub(crate) fn built(&self) -> Result<&Built> {
        let built = self.built.get_or_init(|| self.build().map_err(|error| format!("{error:#}")));
        built.as_ref().map_err(|error| anyhow!("building the module of {}: {error}", self.name()))
    }

    fn build(&self) -> Result<Built> {
        let (source, out) = match &self.kind {
            Kind::ProxyWasm(source) => (Source::Guest(source.clone()), "target/guests/proxy-wasm"),
            Kind::Fused => {
                let filters = FUSED.map(|name| catalog::find(name).map_err(anyhow::Error::msg));
                (Source::Fused(filters.into_iter().collect::<Result<_>>()?), "target/guests/fused")
            }
        };
        let out = checkout::root()?.join(out);
        let module = build(&Workspace::find()?, &source, &out)?.into_iter().next();
        let is_fused = matches!(self.kind, Kind::Fused);
        Ok(Built { folder: out.join("modules"), module: module.context("the build gave no module")?, is_fused })
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
        let name = plugin;
        let plugin = plugin_mut(bootstrap, plugin).with_context(|| format!("no plugin is named {plugin:?}"))?;
        if self.is_fused {
            let configuration = &mut plugin["configuration"]["value"];
            *configuration = idle::beside(name, configuration.take());
        }
        let code = &mut plugin["vm_config"]["code"]["remote"];
        code["http_uri"]["uri"] = json!(format!("http://palisade-modules/modules/{}", self.file()));
        code["sha256"] = json!(self.module.sha256);
        let allowed: Map<_, _> = self.module.capabilities().into_iter().map(|name| (name.into(), json!({}))).collect();
        *capabilities_mut(plugin, checkout::envoy_release()?) = allowed.into();
        Ok(())
    }
}
