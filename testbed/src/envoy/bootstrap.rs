//! A bootstrap from its parts, for tests that load no config of the project.

use serde_json::{Map, Value, json};

/// Under which name a cluster's HTTP options stand.
pub const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// A bootstrap with these listeners and static clusters.
pub fn bootstrap(listeners: impl IntoIterator<Item = Value>, clusters: impl IntoIterator<Item = Value>) -> Value {
    let [listeners, clusters] = [listeners.into_iter().collect(), clusters.into_iter().collect()].map(Value::Array);
    json!({"static_resources": {"listeners": listeners, "clusters": clusters}})
}

/// A bootstrap of one listener `ingress` and one cluster `upstream`, which speaks HTTP/1.
pub fn single(manager: &Value) -> Value {
    bootstrap([listener("ingress", manager)], [cluster("upstream", &json!({"http_protocol_options": {}}))])
}

/// A listener of this name on a port of Envoy's choice.
pub fn listener(name: &str, manager: &Value) -> Value {
    json!({
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    })
}

/// An HTTP connection manager with these filters, which sends what passes them to the cluster `upstream`.
pub fn manager(stat_prefix: &str, filters: impl IntoIterator<Item = Value>) -> Value {
    let router = json!({
        "name": "router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    });
    let filters: Vec<_> = filters.into_iter().chain([router]).collect();
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": stat_prefix,
        "route_config": {"virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}],
        }]},
        "http_filters": filters,
    })
}

/// The Wasm filter of a plugin, which has a name.
pub fn wasm(plugin: &Value) -> Value {
    json!({"name": plugin["name"], "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": plugin,
    }})
}

/// A static cluster whose endpoint [`Builder::cluster`](super::Builder::cluster) sets, with these options of its protocol.
pub fn cluster(name: &str, protocol: &Value) -> Value {
    let endpoint = json!({"address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}});
    let options = json!({"@type": format!("type.googleapis.com/{HTTP_OPTIONS}"), "explicit_http_config": protocol});
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
        "typed_extension_protocol_options": Map::from_iter([(HTTP_OPTIONS.to_owned(), options)]),
    })
}

/// Adds the fields of one object to another.
pub fn add(to: &mut Value, fields: &Value) {
    for (name, value) in fields.as_object().into_iter().flatten() {
        to[name] = value.clone();
    }
}
