//! Envoy with the shipped config, its upstream, and the cluster of a rate limit service.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use palisade_testbed::envoy::config::plugin_mut;
use palisade_testbed::envoy::{Builder, Update};
use palisade_testbed::{Envoy, Request, Response, Upstream, checkout, http1};
use serde_json::{Value, json};

/// The name of the plugin in the shipped config.
pub(crate) const PLUGIN: &str = "rate_limit";

/// A running Envoy and what it needs.
pub(crate) struct Mesh {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
}

/// How a mesh is to be started: with 4 workers, half of the connections of two to each, and no cluster `rls`.
pub(crate) struct Setup {
    configuration: Value,
    workers: usize,
    rls: Option<SocketAddr>,
    upstream: Option<SocketAddr>,
    manager: Value,
    before: Vec<Value>,
    traced: bool,
}

// === impl Mesh ===

impl Mesh {
    /// Starts one with this configuration of the filter.
    pub(crate) fn with(configuration: &Value) -> Self {
        Setup::new(configuration).start()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.envoy.addr("ingress").unwrap()
    }

    pub(crate) fn get(&self, request: &Request) -> Response {
        http1::exchange(self.addr(), request).unwrap()
    }

    /// The status of a GET by this user.
    pub(crate) fn status(&self, user: &str) -> u16 {
        self.get(&by(user)).status
    }

    /// The filter's counter of this name and these labels, such as `rls;limit=global;outcome=refused`.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.envoy.stat(&format!("wasmcustom.palisade.rate_limit.{name}")).unwrap()
    }

    /// What the filter counts of this name, whatever the labels.
    pub(crate) fn counters(&self, name: &str) -> u64 {
        const README: &str = include_str!("../../../../filters/rate-limit/README.md");

        // What has not happened yet is no metric of Envoy's.
        let is_known = [format!("\n| `{name}`"), format!("\n| `{name}{{")].iter().any(|row| README.contains(row));
        assert!(is_known, "no metric has the name {name}");
        self.envoy.stats(&format!("wasmcustom.palisade.rate_limit.{name}")).unwrap().values().sum()
    }

    /// Gives the filter another configuration while Envoy serves.
    pub(crate) fn update(&mut self, configuration: &Value) -> Update {
        let edit =
            |listener: &mut Value| edit_plugin(listener, |plugin| plugin["configuration"] = as_struct(configuration));
        self.envoy.update_listener("ingress", edit).unwrap()
    }

    /// That nothing went wrong beside what the test is about.
    pub(crate) fn assert_unharmed(&mut self) {
        assert!(self.envoy.is_running(), "{}", self.envoy.log());
        assert_eq!(self.counters("failures"), 0, "{}", self.envoy.log());
        assert!(!self.envoy.log().contains("RuntimeError"), "{}", self.envoy.log());
    }
}

// === impl Setup ===

impl Setup {
    pub(crate) fn new(configuration: &Value) -> Self {
        Self::raw(as_struct(configuration))
    }

    /// With the field `configuration` of the plugin as it is.
    pub(crate) fn raw(configuration: Value) -> Self {
        Self {
            configuration,
            workers: 4,
            rls: None,
            upstream: None,
            manager: json!({}),
            before: Vec::new(),
            traced: false,
        }
    }

    /// With this many worker threads.
    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// With this rate limit service.
    pub(crate) fn rls(mut self, addr: SocketAddr) -> Self {
        self.rls = Some(addr);
        self
    }

    /// With another upstream than the testbed's.
    pub(crate) fn upstream(mut self, addr: SocketAddr) -> Self {
        self.upstream = Some(addr);
        self
    }

    /// With these fields of the HTTP connection manager.
    pub(crate) fn manager(mut self, fields: Value) -> Self {
        self.manager = fields;
        self
    }

    /// With headers of up to 8 MiB, as much as Envoy can be told to take.
    pub(crate) fn wide(self) -> Self {
        self.manager(json!({"max_request_headers_kb": 8192}))
    }

    /// With this filter before that of the limits.
    pub(crate) fn behind(mut self, filter: Value) -> Self {
        self.before.push(filter);
        self
    }

    /// With all calls between Envoy and the module in Envoy's log.
    pub(crate) fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    pub(crate) fn start(self) -> Mesh {
        let upstream = Upstream::start().unwrap();
        upstream.keep(200);
        let envoy = self.envoy(&upstream).unwrap().start().unwrap();
        Mesh { envoy, upstream }
    }

    /// What keeps Envoy from starting.
    pub(crate) fn refused(self) -> String {
        let upstream = Upstream::start().unwrap();
        format!("{:#}", self.envoy(&upstream).unwrap().start().unwrap_err())
    }

    fn envoy(self, upstream: &Upstream) -> Result<Builder> {
        // With the module from a file, which Envoy has when it reads the listener. One module asks services, and has a config.
        let asks = self.configuration.to_string().contains("\"rls\"");
        let (config, module) = match asks {
            true => ("rate-limit.global.local.yaml", "dist/modules/rate_limit_global.wasm"),
            false => ("rate-limit.local.yaml", "dist/modules/rate_limit.wasm"),
        };
        let builder = Envoy::pinned(config)?
            .cluster("upstream", self.upstream.unwrap_or(upstream.addr()))?
            .edit(|bootstrap| {
                bootstrap["static_resources"]["listeners"][0]["connection_balance_config"] =
                    json!({"exact_balance": {}});
                let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
                let manager = bootstrap.pointer_mut(manager).and_then(Value::as_object_mut);
                let manager = manager.context("the first filter is no HTTP connection manager")?;
                manager.extend(self.manager.as_object().cloned().unwrap_or_default());
                let filters = manager["http_filters"].as_array_mut().context("no HTTP filters")?;
                filters.splice(0..0, self.before);
                edit_plugin(bootstrap, |plugin| {
                    let module = checkout::root().unwrap_or_default().join(module);
                    plugin["vm_config"]["code"] = json!({"local": {"filename": module}});
                    plugin["configuration"] = self.configuration;
                })
            })?
            .concurrency(self.workers)
            .dynamic_listeners();
        let builder = if self.traced { builder.log_level("wasm", "trace") } else { builder };
        builder.edit(|bootstrap| {
            let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().context("no static clusters")?;
            clusters.retain(|cluster| cluster["name"] != "rls");
            clusters.extend(self.rls.map(cluster_of_service));
            Ok(())
        })
    }
}

/// A GET by a user, whom the header `x-user` names.
pub(crate) fn by(user: &str) -> Request {
    Request::get("/").header("x-user", user)
}

/// The field `configuration` of the plugin, as the shipped config has it.
pub(crate) fn as_struct(configuration: &Value) -> Value {
    json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": configuration})
}

/// The field `configuration` of the plugin with this text, which may be no JSON.
pub(crate) fn text(text: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text})
}

/// The cluster `rls`.
fn cluster_of_service(addr: SocketAddr) -> Value {
    let socket = json!({"address": addr.ip().to_string(), "port_value": addr.port()});
    json!({
        "name": "rls",
        "connect_timeout": "10s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
        "load_assignment": {"cluster_name": "rls", "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"socket_address": socket}}},
        ]}]},
    })
}

fn edit_plugin(config: &mut Value, edit: impl FnOnce(&mut Value)) -> Result<()> {
    edit(plugin_mut(config, PLUGIN).context("the config has no plugin of the rate limit filter")?);
    Ok(())
}
