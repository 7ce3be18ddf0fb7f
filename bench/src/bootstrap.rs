//! The bootstrap of a workload: a listener for each chain, all of which lead to one upstream.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use palisade::build::{Source, Workspace, build};
use palisade::catalog;
use palisade::lock::Lock;
use palisade_testbed::checkout;
use palisade_testbed::envoy::config::capabilities_mut;
use serde_json::{Map, Value, json};

use crate::group::{self, Chain, Filter, Module};

/// The cluster of the upstream, whose address is still to be set.
pub(crate) const UPSTREAM: &str = "upstream";

/// The modules of workloads, by name: each file, and what the build says about it.
#[derive(Debug)]
pub struct Modules(BTreeMap<String, (PathBuf, palisade::lock::Module)>);

impl Modules {
    /// Finds the modules of these workloads in a folder that `cargo palisade build` has written; a guest of
    /// `tests/guests/` that is not there is built, and so is a module of several filters.
    pub fn find<'w>(folder: &Path, workloads: impl IntoIterator<Item = &'w group::Workload>) -> Result<Self> {
        let lock = Lock::read_verified(folder).with_context(|| format!("the modules in {}", folder.display()))?;
        let chains = workloads.into_iter().flat_map(|workload| &workload.chains);
        let mut found = BTreeMap::new();
        for Module { module: name, .. } in chains.flat_map(Chain::modules) {
            if found.contains_key(name) {
                continue;
            }
            let (folder, module) = match lock.module(name) {
                Some(module) => (folder.to_path_buf(), module.clone()),
                None => guest(name).with_context(|| format!("{} has no module {name:?}", folder.display()))?,
            };
            let path = folder.join(&module.file);
            let path = path.canonicalize().with_context(|| format!("finding {}", path.display()))?;
            found.insert(name.clone(), (path, module));
        }
        Ok(Self(found))
    }

    /// Where a module is, and what the build says about it.
    pub fn get(&self, name: &str) -> Result<(&Path, &palisade::lock::Module)> {
        let found = self.0.get(name).with_context(|| format!("the module {name:?} was not looked for"))?;
        Ok((&found.0, &found.1))
    }

    /// What the build says about them.
    pub fn iter(&self) -> impl Iterator<Item = &palisade::lock::Module> {
        self.0.values().map(|(_, module)| module)
    }

    /// The filter as the shipped configs have it, in a VM of its own.
    fn filter(&self, vm_id: &str, module: &Module) -> Result<Value> {
        let (path, built) = self.get(&module.module)?;
        let mut plugin = json!({
            "name": module.module,
            "failure_policy": "FAIL_CLOSED",
            "allow_on_headers_stop_iteration": true,
            "vm_config": {
                "vm_id": vm_id,
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": path}},
            },
            "configuration": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": module.configuration},
        });
        let allowed: Map<_, _> = built.capabilities().into_iter().map(|name| (name.to_owned(), json!({}))).collect();
        *capabilities_mut(&mut plugin, checkout::envoy_release()?) = allowed.into();
        Ok(json!({"name": module.module, "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": plugin,
        }}))
    }

    fn chain(&self, chain: &Chain) -> Result<Vec<Value>> {
        let filters = chain.filters.iter().enumerate();
        let filters = filters.map(|(place, filter)| match filter {
            Filter::Module(module) => self.filter(&format!("{} {place}", chain.name), module),
            Filter::Envoy(filter) => Ok(filter.clone()),
        });
        filters.collect()
    }

    /// The bootstrap of these chains of a workload.
    pub(crate) fn bootstrap<'c>(
        &self,
        workload: &group::Workload,
        chains: impl IntoIterator<Item = &'c str>,
    ) -> Result<Value> {
        let mut listeners = Vec::new();
        for name in chains {
            let chain = workload.chains.iter().find(|chain| chain.name == name);
            let filters = chain.map_or_else(|| Ok(Vec::new()), |chain| self.chain(chain))?;
            listeners.push(listener(name, filters));
        }
        Ok(json!({"static_resources": {"listeners": listeners, "clusters": [cluster()]}}))
    }
}

/// Builds the guest of this name, or the filters whose names stand in it with `+` between them in one module.
fn guest(name: &str) -> Result<(PathBuf, palisade::lock::Module)> {
    let root = checkout::root()?;
    let out = root.join("target/guests/bench");
    let source = match name.contains('+') {
        true => Source::Fused(name.split('+').map(catalog::find).collect::<Result<_, _>>().map_err(Error::msg)?),
        false => Source::Guest(root.join("tests/guests").join(name).join("module")),
    };
    let module = build(&Workspace::find()?, &source, &out)?.into_iter().next();
    Ok((out, module.context("the build gave no module")?))
}

fn listener(name: &str, mut filters: Vec<Value>) -> Value {
    filters.push(json!({"name": "envoy.filters.http.router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
    }}));
    json!({
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                // All have one, so that all have names of stats of one length.
                "stat_prefix": "ingress",
                "use_remote_address": true,
                "route_config": {"name": "ingress", "virtual_hosts": [{
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": UPSTREAM}}],
                }]},
                "http_filters": filters,
            },
        }]}],
    })
}

fn cluster() -> Value {
    json!({
        "name": UPSTREAM, "type": "STATIC", "connect_timeout": "10s",
        "load_assignment": {"cluster_name": UPSTREAM, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}}},
        ]}]},
    })
}
