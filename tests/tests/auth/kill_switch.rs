//! What a kill switch, as `trace-sampler.kill-switch.yaml` has one, would mean before a filter that protects.

use anyhow::Context;
use palisade_testbed::{Request, http1};
use serde_json::{Value, json};

use crate::mesh::{Mesh, PLUGIN, api_key};

/// Off, nobody is asked who he is, and nobody takes away what clients write into the headers of the identity.
#[test]
fn off_auth_lets_everybody_in_with_the_identity_that_they_claim() {
    let configuration = json!({"api_key": api_key(), "default": {"require": {"api_key": {}}}});
    let mesh =
        Mesh::start(|builder| builder.plugin_configuration(PLUGIN, &configuration)?.edit(put_behind_switch)).unwrap();
    let root = Request::get("/orders").header("x-auth-sub", "root");
    assert_eq!(http1::exchange(mesh.addr(), &root).unwrap().status, 401);

    let off = Request::post("/runtime_modify?palisade.auth=0", "");
    assert_eq!(http1::exchange(mesh.envoy.admin_addr(), &off).unwrap().status, 200);
    let response = http1::exchange(mesh.addr(), &root).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.echo().unwrap().header("x-auth-sub"), ["root"]);
}

fn put_behind_switch(bootstrap: &mut Value) -> anyhow::Result<()> {
    let filter = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0";
    let filter = bootstrap.pointer_mut(filter).context("the config has no filter")?;
    let switch = json!({
        "name": "auth_switch",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
            "extension_config": {
                "name": "composite",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.composite.v3.Composite"},
            },
            "xds_matcher": {"on_no_match": {"action": {
                "name": "filter",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.composite.v3.ExecuteFilterAction",
                    "sample_percent": {"runtime_key": "palisade.auth", "default_value": {"numerator": 100}},
                    "typed_config": filter.take(),
                },
            }}},
        },
    });
    *filter = switch;
    bootstrap["layered_runtime"] = json!({"layers": [{"name": "operator", "admin_layer": {}}]});
    Ok(())
}
