//! Edits of an Envoy configuration, a whole bootstrap or a listener alone, by the names in it.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Points all endpoints of a static cluster at this address.
pub fn set_cluster_address(bootstrap: &mut Value, cluster: &str, addr: SocketAddr) -> Result<()> {
    let clusters = bootstrap["static_resources"]["clusters"].as_array_mut();
    let clusters = clusters.context("the bootstrap has no static clusters")?;
    let names: Vec<_> = clusters.iter().map(|cluster| cluster["name"].clone()).collect();
    let found = clusters.iter_mut().find(|found| found["name"] == cluster);
    let found = found.with_context(|| format!("no static cluster is named {cluster:?}, only {names:?}"))?;
    let mut replaced = 0;
    walk(&mut found["load_assignment"], &mut |object| {
        if let Some(socket) = object.get_mut("socket_address") {
            *socket = socket_address(addr);
            replaced += 1;
        }
    });
    ensure!(replaced > 0, "the cluster {cluster:?} has no endpoints with an address");
    Ok(())
}

/// The `PluginConfig` of the Wasm filter whose `name` this is, wherever it stands.
pub fn plugin_mut<'a>(config: &'a mut Value, plugin: &str) -> Option<&'a mut Value> {
    let is_filter = config.get("@type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with(".wasm.v3.Wasm"));
    if is_filter && config["config"]["name"] == plugin {
        return config.get_mut("config");
    }
    match config {
        Value::Object(fields) => fields.values_mut().find_map(|field| plugin_mut(field, plugin)),
        Value::Array(items) => items.iter_mut().find_map(|item| plugin_mut(item, plugin)),
        _ => None,
    }
}

/// Gives a Wasm filter another configuration, in the form that it has already: a `Struct` or the text of a
/// `StringValue`; text where it has none.
pub fn set_plugin_configuration(config: &mut Value, plugin: &str, configuration: &Value) -> Result<()> {
    let found = plugin_mut(config, plugin);
    let found = found.with_context(|| format!("the config has no Wasm filter with the plugin name {plugin:?}"))?;
    let kind = found["configuration"]["@type"].as_str().unwrap_or("type.googleapis.com/google.protobuf.StringValue");
    let value = if kind.ends_with(".Struct") { configuration.clone() } else { json!(configuration.to_string()) };
    found["configuration"] = json!({"@type": kind, "value": value});
    Ok(())
}

/// The list of capabilities of a `PluginConfig`, where Envoy of this release looks for it: in `vm_config` since 1.40, and
/// beside it before.
pub fn capabilities_mut(plugin: &mut Value, release: (u32, u32)) -> &mut Value {
    let holder = if release < (1, 40) { plugin } else { &mut plugin["vm_config"] };
    &mut holder["capability_restriction_config"]["allowed_capabilities"]
}

pub(super) fn socket_address(addr: SocketAddr) -> Value {
    json!({"address": addr.ip().to_string(), "port_value": addr.port()})
}

/// Visits all objects, the outer ones first.
fn walk(value: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    if value.is_object() {
        visit(value);
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, visit)),
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bootstrap() -> Value {
        json!({"static_resources": {
            "listeners": [{"filters": [{"typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {"name": "sampler", "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.Struct", "value": {"a": 1}}},
            }}]}],
            "clusters": [{"name": "upstream", "load_assignment": {"endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"socket_address": {"address": "upstream", "port_value": 80}}}}]}]}}],
        }})
    }

    #[test]
    fn a_cluster_is_pointed_at_an_address_by_name() {
        let mut config = bootstrap();
        set_cluster_address(&mut config, "upstream", SocketAddr::from(([127, 0, 0, 1], 7))).unwrap();
        let endpoint =
            "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        assert_eq!(config.pointer(endpoint), Some(&json!({"address": "127.0.0.1", "port_value": 7})));
    }

    #[test]
    fn an_unknown_cluster_is_an_error_that_names_the_known_ones() {
        let error = set_cluster_address(&mut bootstrap(), "up", SocketAddr::from(([127, 0, 0, 1], 7))).unwrap_err();
        assert!(error.to_string().contains("upstream"), "{error}");
    }

    #[test]
    fn a_plugins_configuration_keeps_its_form() {
        let mut config = bootstrap();
        set_plugin_configuration(&mut config, "sampler", &json!({"b": 2})).unwrap();
        assert_eq!(plugin_mut(&mut config, "sampler").unwrap()["configuration"]["value"], json!({"b": 2}));
        plugin_mut(&mut config, "sampler").unwrap()["configuration"] = Value::Null;
        set_plugin_configuration(&mut config, "sampler", &json!({"b": 2})).unwrap();
        assert_eq!(plugin_mut(&mut config, "sampler").unwrap()["configuration"]["value"], json!("{\"b\":2}"));
    }
}
