//! Roll-out: a rule that is tried on everybody, then in force for a share of clients, then for all.

use std::collections::BTreeSet;

use palisade_testbed::envoy::Update;
use palisade_testbed::{Request, load};
use serde_json::{Value, json};

use crate::mesh::{Mesh, PLUGIN, api_key, edit_plugin};

const CLIENTS: usize = 1000;

#[test]
fn a_larger_share_stops_the_same_clients_and_more() {
    let mut mesh =
        Mesh::start(|builder| Ok(builder.plugin_configuration(PLUGIN, &share("0%"))?.dynamic_listeners())).unwrap();
    let mut before = BTreeSet::new();
    for (percent, expected) in [("0%", 0), ("10%", 100), ("50%", 500), ("100%", CLIENTS)] {
        let update = mesh.envoy.update_listener("ingress", |listener| {
            edit_plugin(listener, |plugin| plugin["configuration"]["value"] = share(percent))
        });
        assert_eq!(update.unwrap(), Update::Accepted);
        let stopped = stopped(&mesh);
        assert!(stopped.is_superset(&before), "{percent}");
        // Four sigma of the hashes of so many names.
        assert!(stopped.len().abs_diff(expected) <= 64, "{percent}: {} are stopped", stopped.len());
        if percent == "100%" || percent == "0%" {
            assert_eq!(stopped.len(), expected);
        }
        // Two workers, and the same in each.
        assert_eq!(self::stopped(&mesh), stopped, "{percent}");
        before = stopped;
    }
    let counted = |outcome: &str| {
        mesh.counter(&format!("decisions;rule=default;outcome={outcome};reason=missing_credential;method=api_key"))
    };
    assert_eq!(counted("denied") + counted("would_deny"), 8 * CLIENTS as u64, "who is spared is counted all the same");
}

#[test]
fn a_good_credential_passes_under_every_share() {
    for percent in ["0%", "100%"] {
        let mesh = Mesh::with(&share(percent));
        assert_eq!(mesh.get(&Request::get("/").header("x-api-key", "hello")).status, 200);
        // Who does not say who he is, is stopped at 0 % too.
        assert_eq!(mesh.get(&Request::get("/")).status, 401);
    }
}

fn share(percent: &str) -> Value {
    json!({
        "api_key": api_key(),
        "default": {
            "require": {"api_key": {}},
            "enforce_percent": {"percent": percent, "by": {"header": "x-user"}},
        },
    })
}

/// The clients that are stopped.
fn stopped(mesh: &Mesh) -> BTreeSet<usize> {
    let request = |client: usize| Request::get("/").header("x-user", format!("user-{client}"));
    let responses = load::run(mesh.addr(), 4, CLIENTS, request).unwrap();
    let stopped = responses.iter().enumerate().filter(|(_, response)| response.status != 200);
    stopped.inspect(|(_, response)| assert_eq!(response.status, 401)).map(|(client, _)| client).collect()
}
