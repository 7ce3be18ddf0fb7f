//! `rule_by_route`: the metadata of a route or of its virtual host chooses the rule.

use palisade_testbed::Request;
use serde_json::{Value, json};

use crate::mesh::{Mesh, PLUGIN, VERSIONS, edit_manager};
use crate::trace::Trace;

#[test]
fn a_route_chooses_the_rule_and_wins_over_its_virtual_host() {
    let mesh = Mesh::start(|builder| {
        builder
            .plugin_configuration(PLUGIN, &configuration(true))?
            .edit(|bootstrap| edit_manager(bootstrap, |manager| manager["route_config"] = routes()))
    })
    .unwrap();
    for (version, exchange) in VERSIONS {
        for (authority, path, tier) in [
            ("plain.local", "/", None),
            ("plain.local", "/half", Some("half")),
            ("plain.local", "/no-such-rule", None),
            ("quarter.local", "/", Some("quarter")),
            ("quarter.local", "/half", Some("half")),
            ("quarter.local", "/no-such-rule", None),
        ] {
            // The header would match the rule `half` if the route chose none, and is not asked where it does.
            for header in [None, Some("half")] {
                let mut request = Request::get(path).authority(authority);
                if let Some(header) = header {
                    request = request.header("x-tier", header);
                }
                request = request.header("traceparent", crate::trace::traceparent(&"f".repeat(32), "02"));
                let case = format!("{version} {authority}{path} {header:?}");
                let trace = Trace::of(&exchange(mesh.addr(), &request).unwrap());
                let expected = match (tier, header) {
                    (Some(tier), _) => Some(tier),
                    (None, header) if path == "/" => header,
                    (None, _) => None,
                };
                let state = match expected {
                    Some("half") => "ot=th:8",
                    Some(_) => "ot=th:c",
                    None => "",
                };
                assert_eq!(trace.state, state, "{case}");
            }
        }
    }
    assert_eq!(mesh.counter("unknown_rule"), 2 * 2 * 2);
}

#[test]
fn metadata_is_not_asked_without_it() {
    let mesh = Mesh::start(|builder| {
        builder
            .plugin_configuration(PLUGIN, &configuration(false))?
            .edit(|bootstrap| edit_manager(bootstrap, |manager| manager["route_config"] = routes()))
    })
    .unwrap();
    let request = Request::get("/half").header("traceparent", crate::trace::traceparent(&"f".repeat(32), "02"));
    assert_eq!(Trace::of(&mesh.get(&request)).state, "");
}

fn configuration(by_route: bool) -> Value {
    json!({
        "rule_by_route": by_route,
        "parent": {"policy": "ignore"},
        "rules": [
            {"name": "half", "match": {"headers": [{"name": "x-tier", "exact": "half"}]}, "sample": "50%"},
            {"name": "quarter", "match": {"headers": [{"name": "x-tier", "exact": "quarter"}]}, "sample": "25%"},
        ],
        "default": {"sample": "0%"},
    })
}

fn routes() -> Value {
    let route = |prefix: &str, metadata: Value| json!({"match": {"prefix": prefix}, "route": {"cluster": "upstream"}, "metadata": metadata});
    let choose = |rule: &str| json!({"filter_metadata": {"palisade": {"trace_sampler": rule}}});
    let routes =
        json!([route("/half", choose("half")), route("/no-such-rule", choose("thirds")), route("/", json!({}))]);
    json!({"virtual_hosts": [
        {"name": "quarter", "domains": ["quarter.local"], "routes": routes, "metadata": choose("quarter")},
        {"name": "all", "domains": ["*"], "routes": routes},
    ]})
}
