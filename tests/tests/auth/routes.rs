//! `rule_by_route`: the metadata of a route or of its virtual host chooses the rule, and a name that is none lets nobody in.

use palisade_testbed::Request;
use serde_json::{Value, json};

use crate::mesh::{Mesh, PLUGIN, api_key, edit_manager};

#[test]
fn a_route_chooses_the_rule_and_wins_over_its_virtual_host() {
    let mesh = start(true);
    for (authority, path, status) in [
        ("plain.local", "/", 401),
        ("plain.local", "/open", 200),
        ("plain.local", "/misspelt", 500),
        ("closed.local", "/", 403),
        ("closed.local", "/open", 200),
        ("closed.local", "/misspelt", 500),
    ] {
        // The header would match the rule `open` if the route chose none, and is not asked where it does.
        for (tier, expected) in [(None, status), (Some("open"), if status == 401 { 200 } else { status })] {
            let mut request = Request::get(path).authority(authority);
            if let Some(tier) = tier {
                request = request.header("x-tier", tier);
            }
            assert_eq!(mesh.get(&request).status, expected, "{authority}{path} {tier:?}");
        }
    }
    assert_eq!(mesh.counter("decisions;rule=none;outcome=denied;reason=unknown_rule;method="), 4);
    assert!(mesh.upstream.received_at("/misspelt").is_empty());
}

/// A key that opens all else does not open a route whose rule nobody knows.
#[test]
fn a_good_credential_does_not_help_where_no_rule_is() {
    let mesh = start(true);
    assert_eq!(mesh.get(&Request::get("/misspelt").header("x-api-key", "hello")).status, 500);
    assert_eq!(mesh.get(&Request::get("/").header("x-api-key", "hello")).status, 200);
}

#[test]
fn metadata_is_not_asked_without_it() {
    let mesh = start(false);
    assert_eq!(mesh.get(&Request::get("/open")).status, 401);
    assert_eq!(mesh.get(&Request::get("/misspelt")).status, 401);
}

fn start(by_route: bool) -> Mesh {
    let configuration = json!({
        "rule_by_route": by_route,
        "api_key": api_key(),
        "rules": [
            {"name": "open", "match": {"headers": [{"name": "x-tier", "exact": "open"}]}, "allow": "anonymous"},
            {"name": "closed", "match": {"headers": [{"name": "x-tier", "exact": "closed"}]}, "deny": "all"},
        ],
        "default": {"require": {"api_key": {}}},
    });
    Mesh::start(|builder| {
        builder
            .plugin_configuration(PLUGIN, &configuration)?
            .edit(|bootstrap| edit_manager(bootstrap, |manager| manager["route_config"] = routes()))
    })
    .unwrap()
}

fn routes() -> Value {
    let metadata = |rule: &str| json!({"filter_metadata": {"palisade": {"auth": rule}}});
    let routes = json!([
        {"match": {"path": "/open"}, "route": {"cluster": "upstream"}, "metadata": metadata("open")},
        {"match": {"path": "/misspelt"}, "route": {"cluster": "upstream"}, "metadata": metadata("opne")},
        {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}},
    ]);
    json!({"name": "ingress", "virtual_hosts": [
        {"name": "plain", "domains": ["plain.local", "*"], "routes": routes},
        {"name": "closed", "domains": ["closed.local"], "routes": routes, "metadata": metadata("closed")},
    ]})
}
