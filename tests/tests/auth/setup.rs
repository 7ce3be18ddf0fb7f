//! A mesh with a configuration of one's own, and how its Envoy is set up.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use palisade_testbed::envoy::Builder;
use palisade_testbed::envoy::config::plugin_mut;
use palisade_testbed::{Request, Response, http1, http2};
use serde_json::{Value, json};

use crate::mesh::{Mesh, PLUGIN, with_idp};

/// Sends one request on a connection of its own.
pub(crate) type Exchange = fn(SocketAddr, &Request) -> Result<Response>;

/// Both versions of HTTP that Envoy's listener speaks in clear text.
pub(crate) const VERSIONS: [(&str, Exchange); 2] = [("HTTP/1.1", http1::exchange), ("HTTP/2", http2::exchange)];

/// What is different from the shipped config.
pub(crate) struct Setup {
    configuration: Value,
    hold_headers: bool,
    workers: usize,
    upstream: Option<SocketAddr>,
    idp: Option<SocketAddr>,
}

impl Setup {
    /// With this configuration of the filter and one worker.
    pub(crate) fn new(configuration: &Value) -> Self {
        Self { configuration: configuration.clone(), hold_headers: true, workers: 1, upstream: None, idp: None }
    }

    /// Envoy's `allow_on_headers_stop_iteration`.
    pub(crate) fn hold_headers(mut self, hold_headers: bool) -> Self {
        self.hold_headers = hold_headers;
        self
    }

    /// With this many worker threads.
    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// With another upstream than the mesh's own.
    pub(crate) fn upstream(mut self, addr: SocketAddr) -> Self {
        self.upstream = Some(addr);
        self
    }

    /// With a cluster `idp`.
    pub(crate) fn idp(mut self, addr: SocketAddr) -> Self {
        self.idp = Some(addr);
        self
    }

    /// Starts all of it.
    pub(crate) fn start(&self) -> Result<Mesh> {
        Mesh::start(|builder| self.change(builder))
    }

    fn change(&self, builder: Builder) -> Result<Builder> {
        let builder = builder.plugin_configuration(PLUGIN, &self.configuration)?.concurrency(self.workers);
        let builder = builder.log_level("wasm", "trace").edit(|bootstrap| {
            let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().context("no clusters")?;
            for cluster in clusters.iter_mut().filter(|cluster| cluster["name"] == "upstream") {
                cluster["typed_extension_protocol_options"] = json!({
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                        "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}},
                    },
                });
            }
            let manager = bootstrap.pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config");
            manager.context("no connection manager")?["http_protocol_options"] = json!({"enable_trailers": true});
            let plugin = plugin_mut(bootstrap, PLUGIN).context("the config has no plugin of the filter")?;
            plugin["allow_on_headers_stop_iteration"] = self.hold_headers.into();
            Ok(())
        })?;
        let builder = match self.upstream {
            Some(addr) => builder.cluster("upstream", addr)?,
            None => builder,
        };
        match self.idp {
            Some(addr) => with_idp(builder, addr),
            None => Ok(builder),
        }
    }
}
