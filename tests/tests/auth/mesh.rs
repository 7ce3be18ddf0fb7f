//! Envoy with the shipped config, its upstream and its module server.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use palisade_testbed::envoy::Builder;
use palisade_testbed::envoy::config::plugin_mut;
use palisade_testbed::http1::{self, Connection};
use palisade_testbed::{Envoy, ModuleServer, Request, Response, Upstream, checkout};
use serde_json::{Value, json};

/// The name of the plugin in the shipped config.
pub(crate) const PLUGIN: &str = "auth";

/// A running Envoy and what it needs.
pub(crate) struct Mesh {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    _modules: ModuleServer,
}

impl Mesh {
    /// Starts `auth.yaml` with these changes.
    pub(crate) fn start(change: impl FnOnce(Builder) -> Result<Builder>) -> Result<Self> {
        let upstream = Upstream::start()?;
        let modules = ModuleServer::start(checkout::root()?.join("dist/modules"))?;
        let builder = Envoy::pinned("auth.yaml")?
            .cluster("palisade_modules", modules.addr())?
            .cluster("upstream", upstream.addr())?
            // Nobody listens there: who needs an identity provider names another address.
            .cluster("idp", SocketAddr::from(([127, 0, 0, 1], 1)))?;
        Ok(Self { envoy: change(builder)?.start()?, upstream, _modules: modules })
    }

    /// Starts it with another configuration of the filter.
    pub(crate) fn with(configuration: &Value) -> Self {
        Self::start(|builder| builder.plugin_configuration(PLUGIN, configuration)).unwrap()
    }

    /// The answer to one request on a connection of its own.
    pub(crate) fn get(&self, request: &Request) -> Response {
        http1::exchange(self.addr(), request).unwrap()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.envoy.addr("ingress").unwrap()
    }

    /// A new HTTP/1.1 connection, which one worker serves.
    pub(crate) fn connection(&self) -> Connection {
        Connection::open(self.addr()).unwrap()
    }

    /// The filter's counter of this name and these labels.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.envoy.stat(&format!("wasmcustom.palisade.auth.{name}")).unwrap()
    }
}

/// Lets the cluster `idp` be at this address, which need not be resolved first.
pub(crate) fn with_idp(builder: Builder, idp: SocketAddr) -> Result<Builder> {
    let builder = builder.edit(|bootstrap| {
        let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().context("no clusters")?;
        let cluster = clusters.iter_mut().find(|cluster| cluster["name"] == "idp").context("no cluster idp")?;
        cluster["type"] = "STATIC".into();
        Ok(())
    })?;
    builder.cluster("idp", idp)
}

/// A section with the one client `mobile`, whose key is `hello`.
pub(crate) fn api_key() -> Value {
    json!({
        "from": [{"header": "x-api-key"}],
        "clients": [{"id": "mobile", "key_sha256": palisade_testbed::sha256(b"hello")}],
    })
}

/// Edits the plugin in a listener or a whole bootstrap.
pub(crate) fn edit_plugin(config: &mut Value, edit: impl FnOnce(&mut Value)) -> Result<()> {
    edit(plugin_mut(config, PLUGIN).context("the config has no plugin of this name")?);
    Ok(())
}

/// Lets a plugin have its module from a file, as in the `.local` configs.
pub(crate) fn load_from_file(plugin: &mut Value) {
    let file = checkout::root().unwrap().join("dist/modules/auth.wasm");
    plugin["vm_config"]["code"] = json!({"local": {"filename": file}});
}

/// Edits the HTTP connection manager of the first listener of a bootstrap.
pub(crate) fn edit_manager(bootstrap: &mut Value, edit: impl FnOnce(&mut Value)) -> Result<()> {
    let manager = bootstrap.pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config");
    edit(manager.context("the bootstrap has no HTTP connection manager")?);
    Ok(())
}
