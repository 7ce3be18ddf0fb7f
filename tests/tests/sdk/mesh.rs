//! A mesh with the probe in it.

use anyhow::Result;
use palisade::build::{Source, Workspace, build};
use palisade_testbed::envoy::Builder;
use palisade_testbed::{Envoy, Upstream, checkout};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::OnceLock;

/// Real Envoy with the probe, its upstream, and the cluster that the probe calls.
pub(crate) struct Mesh {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    pub(crate) callouts: Upstream,
}

impl Mesh {
    /// Starts all of it; `hold_headers` is Envoy's `allow_on_headers_stop_iteration`.
    pub(crate) fn start(hold_headers: bool) -> Result<Self> {
        let upstream = Upstream::start()?;
        let callouts = Upstream::start()?;
        let envoy = envoy(hold_headers)?
            .cluster("upstream", upstream.addr())?
            .cluster("callouts", callouts.addr())?
            .start()?;
        Ok(Self { envoy, upstream, callouts })
    }

    pub(crate) fn addr(&self) -> std::net::SocketAddr {
        self.envoy.addr("ingress").expect("the bootstrap has this listener")
    }
}

/// An Envoy whose clusters are still to be set.
pub(crate) fn envoy(hold_headers: bool) -> Result<Builder> {
    let trailers = json!({"enable_trailers": true});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "http_protocol_options": trailers,
        "route_config": {"virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}],
        }]},
        "http_filters": [
            {"name": "probe", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": plugin(hold_headers)?,
            }},
            {"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}},
        ],
    });
    let cluster = |name: &str, options: Value| {
        json!({
            "name": name, "type": "STATIC", "connect_timeout": "1s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}}},
            ]}]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": options},
            }},
        })
    };
    Ok(Envoy::from_value(json!({
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": [{
                "name": "ingress",
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
            }],
            "clusters": [
                cluster("upstream", trailers),
                cluster("callouts", json!({})),
                cluster("nobody", json!({})),
            ],
        },
    }))
    .concurrency(1)
    .log_level("wasm", "debug"))
}

fn plugin(hold_headers: bool) -> Result<Value> {
    let module = module()?;
    Ok(json!({
        "name": "probe",
        "failure_policy": "FAIL_CLOSED",
        "allow_on_headers_stop_iteration": hold_headers,
        "vm_config": {
            "vm_id": "probe",
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": module}},
        },
        "configuration": {
            "@type": "type.googleapis.com/google.protobuf.Struct",
            "value": {"callouts": "callouts", "label": "first"},
        },
    }))
}

/// The probe's module, built once and as the filters are.
fn module() -> Result<&'static PathBuf> {
    static MODULE: OnceLock<Result<PathBuf>> = OnceLock::new();
    let built = MODULE.get_or_init(|| {
        let root = checkout::root()?;
        let out = root.join("target/guests");
        build(&Workspace::find()?, &Source::Guest(root.join("tests/guests/probe")), &out)?;
        Ok(out.join("modules/probe.wasm"))
    });
    built.as_ref().map_err(|error| anyhow::anyhow!("building the probe: {error:#}"))
}
