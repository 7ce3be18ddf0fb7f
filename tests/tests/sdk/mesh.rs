//! A mesh with a guest in it.

use crate::guests::{Guest, labelled};
use anyhow::Result;
use palisade::lock::Lock;
use palisade::pin::stats_config;
use palisade_testbed::envoy::bootstrap::{self, add, cluster, wasm};
use palisade_testbed::envoy::config::{self, capabilities_mut};
use palisade_testbed::envoy::{Builder, Update};
use palisade_testbed::{Envoy, Upstream, checkout};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;

/// Real Envoy with a guest, its upstream, and the cluster that the guest calls.
pub(crate) struct Mesh {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    pub(crate) callouts: Upstream,
}

/// How a mesh is to be started. The default has one worker and `failure_policy: FAIL_CLOSED`.
#[derive(Clone)]
pub(crate) struct Setup {
    guest: Guest,
    hold_headers: bool,
    workers: usize,
    failure_policy: &'static str,
    upstream_http2: bool,
    dynamic: bool,
    withheld: Option<&'static str>,
    configuration: Value,
    environment: Value,
    shows_labels: bool,
    listener: Value,
    manager: Value,
}

// === impl Mesh ===

impl Mesh {
    /// Starts one with the probe; `hold_headers` is Envoy's `allow_on_headers_stop_iteration`.
    pub(crate) fn start(hold_headers: bool) -> Result<Self> {
        Setup::new(Guest::Probe).hold_headers(hold_headers).start()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.envoy.addr("ingress").expect("the bootstrap has this listener")
    }

    /// Gives the probe a configuration with this label while Envoy serves.
    pub(crate) fn relabel(&mut self, label: &str) -> Result<Update> {
        self.envoy.update_listener("ingress", |listener| {
            config::set_plugin_configuration(listener, Guest::Probe.name(), &labelled(label))
        })
    }
}

// === impl Setup ===

impl Setup {
    pub(crate) fn new(guest: Guest) -> Self {
        Self {
            guest,
            hold_headers: false,
            workers: 1,
            failure_policy: "FAIL_CLOSED",
            upstream_http2: false,
            dynamic: false,
            withheld: None,
            configuration: json!({}),
            environment: json!({}),
            shows_labels: false,
            listener: json!({}),
            manager: json!({}),
        }
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

    /// What Envoy does after a trap.
    pub(crate) fn failure_policy(mut self, policy: &'static str) -> Self {
        self.failure_policy = policy;
        self
    }

    /// With HTTP/2 to the upstream, or HTTP/1.1.
    pub(crate) fn upstream_http2(mut self, http2: bool) -> Self {
        self.upstream_http2 = http2;
        self
    }

    /// With a listener that [`Mesh::relabel`] can change.
    pub(crate) fn dynamic(mut self) -> Self {
        self.dynamic = true;
        self
    }

    /// With a capability list that holds all that the guest's module imports and exports but this.
    pub(crate) fn withhold(mut self, capability: &'static str) -> Self {
        self.withheld = Some(capability);
        self
    }

    /// With these fields of the guest's configuration.
    pub(crate) fn configuration(mut self, fields: Value) -> Self {
        self.configuration = fields;
        self
    }

    /// With these variables in the environment of the guest's VM.
    pub(crate) fn environment(mut self, variables: Value) -> Self {
        self.environment = variables;
        self
    }

    /// With the labels of the guest's metrics as labels in `/stats/prometheus`.
    pub(crate) fn shows_labels(mut self) -> Self {
        self.shows_labels = true;
        self
    }

    /// With these fields of the listener.
    pub(crate) fn listener(mut self, fields: Value) -> Self {
        self.listener = fields;
        self
    }

    /// With these fields of the HTTP connection manager.
    pub(crate) fn manager(mut self, fields: Value) -> Self {
        self.manager = fields;
        self
    }

    /// Starts all of it.
    pub(crate) fn start(&self) -> Result<Mesh> {
        let (upstream, callouts) = (Upstream::start()?, Upstream::start()?);
        let envoy = self.envoy(upstream.addr(), callouts.addr())?.start()?;
        Ok(Mesh { envoy, upstream, callouts })
    }

    /// An Envoy with the guest, between these servers.
    pub(crate) fn envoy(&self, upstream: SocketAddr, callouts: SocketAddr) -> Result<Builder> {
        let mut manager = bootstrap::manager("ingress", [wasm(&self.plugin()?)]);
        manager["http_protocol_options"] = trailers();
        add(&mut manager, &self.manager);
        let mut listener = bootstrap::listener("ingress", &manager);
        add(&mut listener, &self.listener);
        let upstream_options = if self.upstream_http2 {
            json!({"http2_protocol_options": {}})
        } else {
            json!({"http_protocol_options": trailers()})
        };
        let callout_options = json!({"http_protocol_options": {}});
        let grpc_options = json!({"http2_protocol_options": {}});
        let mut empty = cluster("empty", &grpc_options);
        empty["load_assignment"]["endpoints"] = json!([]);
        let clusters = [
            cluster("upstream", &upstream_options),
            cluster("callouts", &callout_options),
            cluster("nobody", &callout_options),
            // A name that Envoy, had it to read it as a serialised `GrpcService`, would not survive.
            cluster("h2", &grpc_options),
            cluster("nobody-by-grpc", &grpc_options),
            empty,
        ];
        let builder = Envoy::from_value(bootstrap::bootstrap([listener], clusters));
        let builder = builder.cluster("upstream", upstream)?.cluster("callouts", callouts)?.cluster("h2", callouts)?;
        let builder = if self.shows_labels { builder.edit(|bootstrap| self.show_labels(bootstrap))? } else { builder };
        let builder = builder.concurrency(self.workers).log_level("wasm", "debug");
        Ok(if self.dynamic { builder.dynamic_listeners() } else { builder })
    }

    fn show_labels(&self, bootstrap: &mut Value) -> Result<()> {
        let lock = Lock::new(vec![self.guest.built()?.module.clone()]);
        add(bootstrap, &serde_saphyr::from_str(&stats_config(&lock))?);
        Ok(())
    }

    fn plugin(&self) -> Result<Value> {
        let built = self.guest.built()?;
        let mut configuration = self.guest.configuration();
        add(&mut configuration, &self.configuration);
        let mut plugin = json!({
            "name": self.guest.name(),
            "failure_policy": self.failure_policy,
            "allow_on_headers_stop_iteration": self.hold_headers,
            "vm_config": {
                "vm_id": self.guest.name(),
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": built.path}},
                "environment_variables": {"key_values": self.environment},
            },
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.Struct",
                "value": configuration,
            },
        });
        if let Some(withheld) = self.withheld {
            let imports = built.module.imports.iter().map(|import| &import.name);
            let used = imports.chain(&built.module.exports).filter(|name| *name != withheld);
            let allowed: Map<_, _> = used.map(|name| (name.clone(), json!({}))).collect();
            *capabilities_mut(&mut plugin, checkout::envoy_release()?) = allowed.into();
        }
        Ok(plugin)
    }
}

fn trailers() -> Value {
    json!({"enable_trailers": true})
}
