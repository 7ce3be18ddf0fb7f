//! Envoy with the shipped config, its upstream and its module server.

use std::net::SocketAddr;

use anyhow::Result;
use palisade_testbed::envoy::Builder;
use palisade_testbed::http1::Connection;
use palisade_testbed::{Envoy, ModuleServer, Upstream, checkout};

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
            .cluster("upstream", upstream.addr())?;
        Ok(Self { envoy: change(builder)?.start()?, upstream, _modules: modules })
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
