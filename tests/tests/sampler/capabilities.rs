//! The list of capabilities in the shipped config: it suffices, and what becomes of requests where an entry is missing.

use crate::mesh::{Mesh, PLUGIN, edit_plugin, load_from_file};
use crate::trace::{Trace, traceparent};
use palisade_testbed::Request;
use palisade_testbed::envoy::Update;
use serde_json::{Map, Value, json};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What Envoy makes of the module without an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// It decides as before; a metric, a log line or a way to fail is gone.
    Decides,
    /// It lets every request pass as it came.
    Passes,
    /// Its listener is refused, and the one before serves on.
    Refused,
}

/// The entries that decisions need. A callback that is missing is not called, which no failure policy can notice: Envoy
/// sends every request on as if there were no filter. `cargo palisade pin` therefore writes the list, and nobody else.
fn effect(capability: &str) -> Effect {
    match capability {
        "proxy_get_buffer_bytes" => Effect::Refused,
        "proxy_on_configure" | "proxy_on_context_create" | "proxy_on_request_headers" => Effect::Passes,
        "proxy_get_header_map_pairs" | "proxy_replace_header_map_value" | "random_get" => Effect::Passes,
        _ => Effect::Decides,
    }
}

#[test]
fn the_shipped_list_suffices() {
    let mesh = Mesh::start(|builder| {
        let digest = "0".repeat(64);
        builder.plugin_configuration(
            PLUGIN,
            &json!({
                "parent": {"trust": {"cidrs": ["127.0.0.0/8"], "principals": ["spiffe://cluster.local/*"]}},
                "force": {"token_sha256": digest},
                "rule_by_route": true,
                "rules": [{"match": {"values": [{"of": {"route": {}}, "exact": "x"}]}, "sample": "50%"}],
                "default": {"sample": "100%", "reservoir": {"per_second": 1}, "cap": {"per_second": 1}},
            }),
        )
    })
    .unwrap();
    let requests = [
        Request::get("/"),
        Request::get("/").header("traceparent", traceparent(TRACE_ID, "00")),
        Request::get("/").header("traceparent", traceparent(TRACE_ID, "01")).header("tracestate", "FOO=1"),
        Request::get("/").header("traceparent", "garbage").header("x-debug-trace", "guess"),
    ];
    for request in requests {
        assert_eq!(mesh.get(&request).status, 200);
    }
    let log = mesh.envoy.log();
    assert_eq!(log.lines().find(|line| line.contains("restricted")), None);
    assert_eq!(mesh.envoy.stats("wasmcustom.palisade.trace_sampler.decisions").unwrap().values().sum::<u64>(), 4);
}

#[test]
fn a_missing_entry_never_fails_a_request() {
    let mut mesh = Mesh::start(|builder| {
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
        let seen = match (update, decides(&mesh)) {
            (Update::Rejected(_), _) => Effect::Refused,
            (Update::Accepted, true) => Effect::Decides,
            (Update::Accepted, false) => Effect::Passes,
        };
        assert_eq!(seen, effect(missing), "without {missing}");
    }
    assert_eq!(change(&mut mesh, |list| list.clone_from(&shipped)), Update::Accepted);
    assert!(decides(&mesh));
}

fn change(mesh: &mut Mesh, edit: impl FnOnce(&mut Map<String, Value>)) -> Update {
    mesh.envoy.update_capabilities("ingress", PLUGIN, edit).unwrap()
}

/// Whether a VIP is sampled below a parent that is not, or else the request reached the upstream as it came.
fn decides(mesh: &Mesh) -> bool {
    let request = Request::get("/").header("x-user-tier", "vip").header("tracestate", "foo=1");
    let response = mesh.get(&request.header("traceparent", traceparent(TRACE_ID, "00")));
    assert_eq!(response.status, 200);
    let trace = Trace::of(&response);
    assert_eq!(trace.trace_id, TRACE_ID);
    match (&*trace.flags, &*trace.state) {
        ("01", "ot=th:0,foo=1") => true,
        ("00", "foo=1") => false,
        _ => panic!("{trace:?}"),
    }
}
