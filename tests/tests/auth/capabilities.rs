//! The list of capabilities in the shipped config: it suffices, and no request passes where a host function is withheld.

use palisade_testbed::envoy::Update;
use palisade_testbed::{Request, http1};
use serde_json::{Map, Value, json};

use crate::mesh::{Mesh, PLUGIN, api_key, edit_plugin, load_from_file};

/// What becomes of requests where an entry is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// The filter decides as before; a metric, a log line or what nobody asked for is gone.
    Decides,
    /// No request passes.
    Refuses,
    /// Who may pass, passes; who may not, is never told.
    Holds,
    /// Every request passes: Envoy does not call the callback, and no failure policy notices. `cargo palisade pin`
    /// therefore writes the list, and nobody else.
    Unfiltered,
    /// The listener is refused, and the one before serves on.
    Rejected,
}

/// What is known of each entry.
fn effect(capability: &str) -> Effect {
    match capability {
        "proxy_on_request_headers" => Effect::Unfiltered,
        // A stream without a configuration is one that the filter refuses.
        "proxy_on_configure" | "proxy_on_context_create" => Effect::Refuses,
        "proxy_send_local_response" => Effect::Holds,
        "proxy_get_buffer_bytes" | "random_get" => Effect::Rejected,
        "proxy_get_header_map_pairs"
        | "proxy_remove_header_map_value"
        | "proxy_add_header_map_value"
        | "proxy_set_property" => Effect::Refuses,
        _ => Effect::Decides,
    }
}

#[test]
fn without_a_host_function_no_request_passes_that_should_not() {
    let mut mesh = Mesh::start(|builder| {
        let configuration = json!({
            "api_key": {
                "from": [{"header": "x-api-key"}],
                "hide_credentials": true,
                "clients": api_key()["clients"],
                "forward": {"claims": [{"claim": "sub", "header": "x-auth-client"}]},
            },
            "default": {"require": {"api_key": {}}},
        });
        let builder = builder.plugin_configuration(PLUGIN, &configuration)?;
        Ok(builder.edit(|bootstrap| edit_plugin(bootstrap, load_from_file))?.dynamic_listeners())
    })
    .unwrap();
    let mut shipped = Map::new();
    change(&mut mesh, |list| shipped = list.clone());
    assert!(shipped.contains_key("proxy_on_request_headers") && shipped.contains_key("random_get"), "{shipped:?}");
    for missing in shipped.keys() {
        let update = change(&mut mesh, |list| {
            list.clone_from(&shipped);
            list.remove(missing);
        });
        let seen = match (update, statuses(&mesh)) {
            (Update::Rejected(_), [200, 401]) => Effect::Rejected,
            (Update::Accepted, [200, 401]) => Effect::Decides,
            (Update::Accepted, [200, NEVER]) => Effect::Holds,
            (Update::Accepted, [500 | 503, 401 | 500 | 503]) => Effect::Refuses,
            (Update::Accepted, [200, 200]) => Effect::Unfiltered,
            (update, statuses) => panic!("without {missing}: {update:?}, {statuses:?}"),
        };
        assert_eq!(seen, effect(missing), "without {missing}");
    }
    assert_eq!(change(&mut mesh, |list| list.clone_from(&shipped)), Update::Accepted);
    assert_eq!(statuses(&mesh), [200, 401]);
}

/// No answer came.
const NEVER: u16 = 0;

/// What becomes of a request with a good key, and of one without.
fn statuses(mesh: &Mesh) -> [u16; 2] {
    let good = Request::get("/").header("x-api-key", "hello");
    let exchange = |request| http1::exchange(mesh.addr(), &request).map_or(NEVER, |response| response.status);
    [good, Request::get("/")].map(exchange)
}

fn change(mesh: &mut Mesh, edit: impl FnOnce(&mut Map<String, Value>)) -> Update {
    mesh.envoy.update_capabilities("ingress", PLUGIN, edit).unwrap()
}
