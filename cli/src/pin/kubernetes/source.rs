//! The source of the objects: the Wasm filters of a finished Envoy config, and the clusters beside them.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Code;
use crate::lock::{Lock, Module};

/// What a config says to a mesh.
pub(super) struct Source<'a> {
    /// The name of the config.
    pub(super) stem: &'a str,
    /// The Wasm filters of its listener, the one next to the client first.
    pub(super) plugins: Vec<Plugin<'a>>,
    /// All clusters but the service's own, which a mesh knows.
    pub(super) clusters: Vec<&'a Value>,
    /// `HOST:PORT` of the server of the modules.
    modules: String,
}

/// A Wasm filter.
pub(super) struct Plugin<'a> {
    /// The entry of `http_filters`.
    pub(super) filter: &'a Value,
    /// Its name in metrics and logs.
    pub(super) name: &'a str,
    /// What it loads.
    pub(super) module: &'a Module,
    /// The filter's own config, if it has one.
    pub(super) configuration: Option<&'a Value>,
    /// The variables of Envoy's environment that it is handed.
    pub(super) variables: Vec<&'a str>,
}

/// The cluster of the server of the modules.
pub(super) const MODULES: &str = "palisade_modules";
/// The cluster of the service behind the filters.
const UPSTREAM: &str = "upstream";

impl<'a> Source<'a> {
    pub(super) fn of(stem: &'a str, config: &'a Value, lock: &'a Lock) -> Result<Option<Self>> {
        let listeners = list(config, "/static_resources/listeners");
        let filters = listeners.flat_map(|listener| list(listener, "/filter_chains/0/filters"));
        let managers: Vec<_> = filters.filter_map(|filter| filter.get("typed_config")).collect();
        if managers.iter().any(|manager| manager.get("tracing").is_some()) {
            return Ok(None);
        }
        let filters = managers.into_iter().flat_map(|manager| list(manager, "/http_filters"));
        let wasm = filters.filter(|filter| filter.pointer("/typed_config/config/vm_config").is_some());
        let plugins = wasm.map(|filter| Plugin::of(filter, lock)).collect::<Result<Vec<_>>>()?;
        if plugins.is_empty() {
            return Ok(None);
        }
        let clusters: Vec<_> =
            list(config, "/static_resources/clusters").filter(|cluster| text(cluster, "/name") != UPSTREAM).collect();
        let modules = clusters.iter().find(|cluster| text(cluster, "/name") == MODULES).copied();
        let modules = address(modules.with_context(|| format!("there is no cluster {MODULES}"))?)?;
        Ok(Some(Self { stem, plugins, clusters, modules }))
    }

    /// The clusters that filters call: where a control plane fetches the modules, theirs is none of Envoy's.
    pub(super) fn called_clusters(&self) -> impl Iterator<Item = &'a Value> {
        self.clusters.iter().copied().filter(|cluster| text(cluster, "/name") != MODULES)
    }

    /// The name of a plugin's object.
    pub(super) fn object_name(&self, plugin: &Plugin<'_>) -> String {
        let stem = self.object_name_of_all();
        if self.plugins.len() == 1 { stem } else { format!("{stem}-{}", plugin.name.replace('_', "-")) }
    }

    /// The name of an object for all plugins.
    pub(super) fn object_name_of_all(&self) -> String {
        format!("palisade-{}", self.stem.replace('.', "-"))
    }

    /// Where a control plane finds the module.
    pub(super) fn url(&self, plugin: &Plugin<'_>, code: Code<'_>) -> Result<String> {
        let Module { name, file, .. } = plugin.module;
        match code {
            Code::Http => Ok(format!("http://{}/{file}", self.modules)),
            Code::Oci(images) => images.get(name).cloned().with_context(|| format!("there is no image of {name}")),
        }
    }
}

impl<'a> Plugin<'a> {
    fn of(filter: &'a Value, lock: &'a Lock) -> Result<Self> {
        let name = text(filter, "/typed_config/config/name");
        let sha256 = text(filter, "/typed_config/config/vm_config/code/remote/sha256");
        let module = lock.module_by_sha256(sha256);
        let variables = list(filter, "/typed_config/config/vm_config/environment_variables/host_env_keys");
        let configuration = filter.pointer("/typed_config/config/configuration/value");
        Ok(Self {
            filter,
            name,
            module: module.with_context(|| format!("{name} loads no module of the lock"))?,
            configuration,
            variables: variables.filter_map(Value::as_str).collect(),
        })
    }

    /// The hash that a control plane compares: that of the module over HTTP. An image is named by its own digest.
    pub(super) fn sha256(&self, code: Code<'_>) -> Option<&'a str> {
        matches!(code, Code::Http).then_some(self.module.sha256.as_str())
    }
}

fn address(cluster: &Value) -> Result<String> {
    let socket = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    match cluster.pointer(socket).map(|socket| (text(socket, "/address"), socket.get("port_value"))) {
        Some((host, Some(port))) => Ok(format!("{host}:{port}")),
        _ => bail!("{MODULES} has no address"),
    }
}

fn list<'v>(value: &'v Value, path: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}
