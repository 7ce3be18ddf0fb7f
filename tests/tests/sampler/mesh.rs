//! Envoy with a shipped config, its upstream and its module server.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use palisade_testbed::envoy::Builder;
use palisade_testbed::envoy::config::plugin_mut;
use palisade_testbed::{Envoy, ModuleServer, Request, Response, Upstream, checkout, http1, http2};
use serde_json::{Value, json};

/// The name of the plugin in the shipped configs.
pub(crate) const PLUGIN: &str = "trace_sampler";
/// The file of its module.
pub(crate) const MODULE: &str = "trace_sampler.wasm";

/// The SHA-256 of the token `open sesame`.
pub(crate) const TOKEN_SHA256: &str = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";
/// The gauge of all VMs in the process: a base, the main thread's, and one of each worker.
pub(crate) const VMS: &str = "wasm.envoy.wasm.runtime.v8.active";

/// Sends one request on a connection of its own.
pub(crate) type Exchange = fn(SocketAddr, &Request) -> Result<Response>;

/// Both versions of HTTP that Envoy's listener speaks in clear text.
pub(crate) const VERSIONS: [(&str, Exchange); 2] = [("HTTP/1.1", http1::exchange), ("HTTP/2", http2::exchange)];

/// A running Envoy and what it needs.
pub(crate) struct Mesh {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    _modules: ModuleServer,
}

/// The forms in which a configuration comes to Envoy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Struct,
    Text,
}

impl Mesh {
    /// Starts `trace-sampler.propagate.yaml` as it ships.
    pub(crate) fn shipped() -> Self {
        Self::start(Ok).unwrap()
    }

    /// Starts it with another configuration of the filter.
    pub(crate) fn with(configuration: &Value) -> Self {
        Self::start(|builder| builder.plugin_configuration(PLUGIN, configuration)).unwrap()
    }

    /// Starts it with these changes.
    pub(crate) fn start(change: impl FnOnce(Builder) -> Result<Builder>) -> Result<Self> {
        let (upstream, modules) = (Upstream::start()?, module_server()?);
        let builder = shipped("propagate", &modules)?.cluster("upstream", upstream.addr())?;
        Ok(Self { envoy: change(builder)?.start()?, upstream, _modules: modules })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.envoy.addr("ingress").unwrap()
    }

    pub(crate) fn get(&self, request: &Request) -> Response {
        http1::exchange(self.addr(), request).unwrap()
    }

    /// The filter's counter of this name and these labels, such as `restarts` or `decisions;tier=vip;...`.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.envoy.stat(&format!("wasmcustom.palisade.trace_sampler.{name}")).unwrap()
    }
}

/// The server of the modules that were built.
pub(crate) fn module_server() -> Result<ModuleServer> {
    ModuleServer::start(checkout::root()?.join("dist/modules"))
}

/// The module that was built.
pub(crate) fn module_file() -> PathBuf {
    checkout::root().unwrap().join("dist/modules").join(MODULE)
}

/// A pinned config whose other clusters are still to be set.
pub(crate) fn shipped(name: &str, modules: &ModuleServer) -> Result<Builder> {
    Envoy::pinned(format!("trace-sampler.{name}.yaml"))?.cluster("palisade_modules", modules.addr())
}

/// Edits the plugin in a listener or a whole bootstrap.
pub(crate) fn edit_plugin(config: &mut Value, edit: impl FnOnce(&mut Value)) -> Result<()> {
    edit(plugin_mut(config, PLUGIN).context("the config has no plugin of the trace sampler")?);
    Ok(())
}

/// Lets a plugin have its module from a file, as in the `.local` configs.
pub(crate) fn load_from_file(plugin: &mut Value) {
    plugin["vm_config"]["code"] = json!({"local": {"filename": module_file()}});
}

/// Edits the HTTP connection manager of the first listener of a bootstrap.
pub(crate) fn edit_manager(bootstrap: &mut Value, edit: impl FnOnce(&mut Value)) -> Result<()> {
    let manager = bootstrap.pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config");
    edit(manager.context("the bootstrap has no HTTP connection manager")?);
    Ok(())
}

// === impl Form ===

impl Form {
    pub(crate) const ALL: [Self; 2] = [Self::Struct, Self::Text];

    /// The field `configuration` of the plugin.
    pub(crate) fn of(self, configuration: &Value) -> Value {
        match self {
            Self::Struct => json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": configuration}),
            Self::Text => text(&configuration.to_string()),
        }
    }
}

/// The field `configuration` of the plugin with this text, which may be no JSON.
pub(crate) fn text(text: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text})
}
