//! A module that is not the pinned one.

use palisade_testbed::envoy::Update;
use palisade_testbed::{Request, Upstream};
use serde_json::{Value, json};

use crate::mesh::{MODULE, Mesh, VERSIONS, edit_plugin, module_server, shipped};

/// As it ships, but without waiting long between the attempts to fetch the module.
fn impatient(config: &mut Value) -> anyhow::Result<()> {
    edit_plugin(config, |plugin| {
        plugin["vm_config"]["code"]["remote"]["retry_policy"] =
            json!({"retry_back_off": {"base_interval": "0.01s", "max_interval": "0.02s"}, "num_retries": 2});
    })
}

#[test]
fn a_tampered_module_answers_503_and_lets_nothing_pass() {
    let (upstream, modules) = (Upstream::start().unwrap(), module_server().unwrap());
    modules.tamper(MODULE).unwrap();
    let builder = shipped("propagate", &modules).unwrap().cluster("upstream", upstream.addr()).unwrap();
    let envoy = builder.edit(impatient).unwrap().start().unwrap();
    let send = |requests: usize| {
        for (version, exchange) in VERSIONS {
            for _ in 0..requests {
                let request = Request::get("/").header("x-user-tier", "vip");
                let response = exchange(envoy.addr("ingress").unwrap(), &request).unwrap();
                assert_eq!(response.status, 503, "{version}");
            }
        }
    };
    send(8);
    assert_eq!(modules.fetches(MODULE), 3, "once, and twice again");

    // The right module comes too late: Envoy asks for it when it takes a listener, and never again.
    modules.restore(MODULE);
    send(2);
    assert_eq!((upstream.count(), modules.fetches(MODULE)), (0, 3));
    assert!(envoy.log().contains("Plugin trace_sampler failed to load"), "{}", envoy.log());
}

/// Envoy accepts a listener before its module has come. Until the fetch has failed the old listener serves; from then
/// on nothing does, rather than anything unfiltered. A module from a file is refused with its listener instead.
#[test]
fn an_update_to_a_pin_that_no_module_has_stops_the_traffic_and_lets_nothing_pass() {
    let mut mesh = Mesh::start(|builder| Ok(builder.edit(impatient)?.dynamic_listeners())).unwrap();
    let vip = Request::get("/").header("x-user-tier", "vip");
    assert_eq!(mesh.get(&vip).status, 200);
    let update = mesh.envoy.update_listener("ingress", |listener| {
        edit_plugin(listener, |plugin| plugin["vm_config"]["code"]["remote"]["sha256"] = json!("00".repeat(32)))
    });
    assert_eq!(update.unwrap(), Update::Accepted);
    for _ in 0..8 {
        assert_eq!(mesh.get(&vip).status, 503);
    }
    assert_eq!(mesh.upstream.count(), 1);

    let pinned = palisade_testbed::sha256(&std::fs::read(crate::mesh::module_file()).unwrap());
    let update = mesh.envoy.update_listener("ingress", |listener| {
        edit_plugin(listener, |plugin| plugin["vm_config"]["code"]["remote"]["sha256"] = json!(pinned))
    });
    assert_eq!(update.unwrap(), Update::Accepted);
    assert_eq!(mesh.get(&vip).status, 200, "the way back is another update");
}

#[test]
fn an_update_to_a_file_that_is_missing_is_refused_and_the_old_module_serves_on() {
    let mut mesh = Mesh::start(|builder| {
        Ok(builder.edit(|bootstrap| edit_plugin(bootstrap, crate::mesh::load_from_file))?.dynamic_listeners())
    })
    .unwrap();
    let update = mesh.envoy.update_listener("ingress", |listener| {
        edit_plugin(listener, |plugin| plugin["vm_config"]["code"]["local"]["filename"] = json!("/no/such/module.wasm"))
    });
    assert!(matches!(update.unwrap(), Update::Rejected(_)));
    assert_eq!(mesh.get(&Request::get("/").header("x-user-tier", "vip")).status, 200);
}
