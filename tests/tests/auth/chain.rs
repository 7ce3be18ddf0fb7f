//! Two auth filters in one chain: what the first hands over, as the second sees it.

use palisade_testbed::Request;
use serde_json::{Value, json};

use crate::mesh::{Mesh, PLUGIN, api_key, edit_manager};

/// A filter cannot tell what the one before it has set from what a client sent.
#[test]
fn the_second_takes_away_what_is_reserved_and_leaves_other_names() {
    let mut first = api_key();
    first["forward"] = json!({"claims": [{"claim": "sub", "header": "x-client"}]});
    let first = json!({"api_key": first, "default": {"require": {"api_key": {}}}});
    for (second, passes) in [
        (json!({"default": {"allow": "anonymous"}}), true),
        (
            json!({
                "jwt": {"providers": {"main": {
                    "issuer": "https://idp.example",
                    "jwks": {"inline": {"keys": [palisade_issuer::Issuer::new().jwk("EdDSA")]}},
                    "forward": {"claims": [{"claim": "sub", "header": "x-client"}]},
                }}},
                "default": {"allow": "anonymous"},
            }),
            false,
        ),
    ] {
        let mesh = Mesh::start(|builder| {
            let builder = builder.plugin_configuration(PLUGIN, &first)?;
            builder.edit(|bootstrap| edit_manager(bootstrap, |manager| append(manager, &second)))
        })
        .unwrap();
        let request = Request::get("/").header("x-api-key", "hello");
        assert_eq!(mesh.get(&request.clone().header("x-client", "root")).status, 200);
        assert_eq!(mesh.get(&Request::get("/")).status, 401, "both have to agree");
        let received = mesh.upstream.received();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].headers.text("x-client").as_deref(), passes.then_some("mobile"), "{second}");
    }
}

/// Puts a second filter with this configuration behind the first.
fn append(manager: &mut Value, configuration: &Value) {
    let filters = manager["http_filters"].as_array_mut().unwrap();
    let mut filter = filters[0].clone();
    filter["name"] = "second".into();
    let plugin = &mut filter["typed_config"]["config"];
    plugin["name"] = "second".into();
    plugin["configuration"]["value"] = configuration.clone();
    filters.insert(1, filter);
}
