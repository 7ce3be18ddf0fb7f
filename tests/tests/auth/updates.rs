//! Another configuration while Envoy serves: nobody slips through a change, and one that is refused changes nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use palisade_testbed::envoy::Update;
use palisade_testbed::{Request, http1, sha256};
use serde_json::{Value, json};

use crate::mesh::{Mesh, PLUGIN, edit_plugin};

/// What no error may repeat.
const CANARY: &str = "canary-7c1f";

#[test]
fn no_request_without_a_credential_passes_while_configurations_change() {
    let mut mesh =
        Mesh::start(|builder| Ok(builder.plugin_configuration(PLUGIN, &keys("one"))?.dynamic_listeners())).unwrap();
    let (addr, stop) = (mesh.addr(), AtomicBool::new(false));
    let refused = thread::scope(|scope| {
        let _stopped_at_the_end = SetOnDrop(&stop);
        let strangers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut refused = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let response = http1::exchange(addr, &Request::get("/").header("x-api-key", "three")).unwrap();
                        assert_eq!(response.status, 401);
                        refused += 1;
                    }
                    refused
                })
            })
            .collect();
        for round in 0..3 {
            for key in ["two", "one"] {
                assert_eq!(change(&mut mesh, &keys(key)), Update::Accepted);
                let other = if key == "one" { "two" } else { "one" };
                assert_eq!([key, other].map(|key| status(&mesh, key)), [200, 401]);
            }
            let mut broken = keys("three");
            broken["rulez"] = json!(round);
            let Update::Rejected(reasons) = change(&mut mesh, &broken) else { panic!("a broken config is in force") };
            assert!(reasons.contains("rulez: unknown field, did you mean \"rules\"?"), "{reasons}");
            assert_eq!(status(&mesh, "one"), 200);
        }
        stop.store(true, Ordering::Relaxed);
        strangers.into_iter().map(|stranger| stranger.join().unwrap()).sum::<u32>()
    });
    assert!(refused > 20, "{refused} requests are no load");
    assert_eq!(mesh.envoy.stat("http.ingress.downstream_rq_5xx").unwrap(), 0);
}

#[test]
fn the_errors_of_a_configuration_repeat_none_of_its_texts() {
    let mut mesh =
        Mesh::start(|builder| Ok(builder.plugin_configuration(PLUGIN, &keys("one"))?.dynamic_listeners())).unwrap();
    for broken in [
        json!({"default": {"deny": "all"}, "realm": format!("\"{CANARY}")}),
        json!({"default": {"deny": "all"}, "basic": {"users": {"htpasswd": {"inline": CANARY}}}}),
        json!({"default": {"deny": "all"}, "basic": {"users": {"htpasswd": {"inline": format!("a:{{PLAIN}}{CANARY}")}}}}),
        json!({"default": {"deny": "all"}, "api_key": {"from": [{"header": "x"}], "clients": [{"id": "a", "key_sha256": CANARY}]}}),
    ] {
        let Update::Rejected(reasons) = change(&mut mesh, &broken) else { panic!("{broken} is in force") };
        assert!(!reasons.contains(CANARY), "{reasons}");
    }
    assert!(!mesh.envoy.log().contains(CANARY));
}

fn keys(key: &str) -> Value {
    json!({
        "api_key": {"from": [{"header": "x-api-key"}], "clients": [{"id": "a", "key_sha256": sha256(key.as_bytes())}]},
        "default": {"require": {"api_key": {}}},
    })
}

fn change(mesh: &mut Mesh, configuration: &Value) -> Update {
    let update = mesh.envoy.update_listener("ingress", |listener| {
        edit_plugin(listener, |plugin| plugin["configuration"]["value"] = configuration.clone())
    });
    update.unwrap()
}

fn status(mesh: &Mesh, key: &str) -> u16 {
    mesh.get(&Request::get("/").header("x-api-key", key)).status
}

/// Ends the load after a failed assertion too.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
