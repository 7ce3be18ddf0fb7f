//! The bootstrap of a workload: a listener for each chain, all of which lead to one upstream.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use palisade::lock::Lock;
use palisade_testbed::checkout;
use palisade_testbed::envoy::config::capabilities_mut;
use serde_json::{Map, Value, json};

use crate::group::{Chain, Filter, Module, REFERENCE, Workload};

/// The cluster of the upstream, whose address is still to be set.
pub(crate) const UPSTREAM: &str = "upstream";

/// Where the modules are, verified against their lock.
#[derive(Debug)]
pub struct Modules<'a> {
    folder: &'a Path,
    lock: Lock,
}

impl<'a> Modules<'a> {
    /// Those of a folder that `cargo palisade build` has written.
    pub fn read(folder: &'a Path) -> Result<Self> {
        let lock = Lock::read_verified(folder).with_context(|| format!("the modules in {}", folder.display()))?;
        Ok(Self { folder, lock })
    }

    /// The modules of these workloads, as the lock describes them.
    pub fn of<'w>(&self, workloads: impl IntoIterator<Item = &'w Workload>) -> Result<Vec<&palisade::lock::Module>> {
        let chains = workloads.into_iter().flat_map(|workload| &workload.chains);
        let names: BTreeSet<_> = chains.flat_map(Chain::modules).map(|module| module.module.as_str()).collect();
        names.into_iter().map(|name| self.find(name)).collect()
    }

    fn find(&self, name: &str) -> Result<&palisade::lock::Module> {
        let known = || self.lock.modules().iter().map(|module| module.name.as_str()).collect::<Vec<_>>().join(", ");
        let module = self.lock.module(name);
        module.with_context(|| format!("{} has no module {name:?}, only {}", self.folder.display(), known()))
    }

    /// The filter as the shipped configs have it, in a VM of its own.
    fn filter(&self, vm_id: &str, module: &Module) -> Result<Value> {
        let built = self.find(&module.module)?;
        let path = self.folder.join(&built.file);
        let path = path.canonicalize().with_context(|| format!("finding {}", path.display()))?;
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

    /// The bootstrap of a workload.
    pub(crate) fn bootstrap(&self, workload: &Workload) -> Result<Value> {
        let mut listeners = vec![listener(REFERENCE, Vec::new())];
        for chain in &workload.chains {
            listeners.push(listener(&chain.name, self.chain(chain)?));
        }
        Ok(json!({"static_resources": {"listeners": listeners, "clusters": [cluster()]}}))
    }
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
