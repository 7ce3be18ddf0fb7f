//! Envoy with the shipped config, its upstream and its module server.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use palisade_testbed::{Answer, Envoy, ModuleServer, Request, Response, Upstream, checkout, http1, http2};
use serde_json::{Value, json};

/// A running Envoy and what it needs.
pub(crate) struct Mesh {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    _modules: ModuleServer,
}

/// The versions of HTTP on both sides of Envoy.
pub(crate) const VERSIONS: [(Version, Version); 3] =
    [(Version::Http1, Version::Http1), (Version::Http2, Version::Http1), (Version::Http2, Version::Http2)];

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

impl Mesh {
    /// Starts it with this configuration of the filter; `upstream` is the version that the upstream is spoken to in.
    pub(crate) fn start(configuration: &Value, version: Version) -> Self {
        Self::start_with(configuration, version, |_| {})
    }

    /// The same, with more said of the HTTP connection manager.
    pub(crate) fn start_with(configuration: &Value, version: Version, more: impl FnOnce(&mut Value)) -> Self {
        let upstream = Upstream::start().unwrap();
        let modules = ModuleServer::start(checkout::root().unwrap().join("dist/modules")).unwrap();
        let envoy =
            envoy(configuration, &modules, upstream.addr(), |bootstrap| edit(bootstrap, version, more)).unwrap();
        Self { envoy, upstream, _modules: modules }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.envoy.addr("ingress").unwrap()
    }

    /// The answer to `GET /x` when the upstream's is this one.
    pub(crate) fn get(&self, version: Version, answer: Answer) -> Result<Response> {
        self.upstream.on("/x", answer);
        version.exchange(self.addr(), &Request::get("/x"))
    }

    /// The filter's counter of this name and these labels.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.envoy.stat(&format!("wasmcustom.palisade.data_masking.{name}")).unwrap()
    }
}

impl Version {
    pub(crate) fn exchange(self, addr: SocketAddr, request: &Request) -> Result<Response> {
        match self {
            Self::Http1 => http1::exchange(addr, request),
            Self::Http2 => http2::exchange(addr, request),
        }
    }
}

/// Envoy alone, in front of this upstream.
pub(crate) fn envoy(
    configuration: &Value,
    modules: &ModuleServer,
    upstream: SocketAddr,
    edit: impl FnOnce(&mut Value) -> Result<()>,
) -> Result<Envoy> {
    let builder = Envoy::pinned("data-masking.yaml")?.cluster("palisade_modules", modules.addr())?;
    let builder = builder.cluster("upstream", upstream)?.plugin_configuration("data_masking", configuration)?;
    builder.edit(edit)?.concurrency(1).start()
}

/// Lets trailers pass on HTTP/1, and speaks this version to the upstream.
fn edit(bootstrap: &mut Value, version: Version, more: impl FnOnce(&mut Value)) -> Result<()> {
    let manager = bootstrap.pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config");
    let manager = manager.context("the bootstrap has no HTTP connection manager")?;
    manager["http_protocol_options"] = json!({"enable_trailers": true});
    more(manager);
    let clusters = bootstrap.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
    let upstream = clusters.into_iter().flatten().find(|cluster| cluster["name"] == "upstream");
    let protocol = match version {
        Version::Http1 => json!({"http_protocol_options": {"enable_trailers": true}}),
        Version::Http2 => json!({"http2_protocol_options": {}}),
    };
    upstream.context("the bootstrap has no cluster `upstream`")?["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": protocol,
        },
    });
    Ok(())
}
