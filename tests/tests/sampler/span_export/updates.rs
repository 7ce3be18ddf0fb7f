//! Configurations that come and go, and those that are refused.

use std::time::Duration;

use palisade_testbed::envoy::Update;
use palisade_testbed::{Export, Request, checkout, http1, load};
use serde_json::{Value, json};

use super::{Hop, MODULE, PATIENCE, configuration};
use crate::mesh::{Form, Mesh, PLUGIN, edit_plugin};

/// With the module from a file, so that one VM of each worker serves all configurations.
fn dynamic(fields: &Value) -> Hop {
    Hop::start(|builder| {
        let builder = builder.plugin_configuration(PLUGIN, &configuration(fields))?.edit(|bootstrap| {
            let file = checkout::root()?.join("dist/modules").join(MODULE);
            edit_plugin(bootstrap, |plugin| plugin["vm_config"]["code"] = json!({"local": {"filename": file}}))
        })?;
        Ok(builder.drain_time(Duration::from_secs(3)).dynamic_listeners())
    })
}

fn update(hop: &mut Hop, configuration: &Value) -> Update {
    let configuration = Form::Struct.of(configuration);
    let edit = |listener: &mut Value| edit_plugin(listener, |plugin| plugin["configuration"] = configuration);
    hop.envoy.update_listener("ingress", edit).unwrap()
}

/// The old configuration's queue is emptied although no request reaches it any more.
#[test]
fn spans_of_a_replaced_configuration_are_still_sent() {
    let mut hop = dynamic(&json!({"interval": "1s", "service_name": "old"}));
    load::run(hop.addr(), 4, 100, |_| Request::get("/")).unwrap();
    assert_eq!(hop.collector.spans(), 0);
    assert_eq!(update(&mut hop, &configuration(&json!({"service_name": "new"}))), Update::Accepted);
    load::run(hop.addr(), 4, 100, |_| Request::get("/")).unwrap();
    hop.collector.wait_for(200, PATIENCE).unwrap();
    assert_eq!(hop.settled(200), (200, 0));
    let of = |name: &str| {
        let exports = hop.collector.exports();
        let resource = |export: &Export| format!("{:?}", export.message.resource_spans[0].resource);
        exports
            .iter()
            .filter(|export| resource(export).contains(name))
            .map(|export| export.spans().count())
            .sum::<usize>()
    };
    assert_eq!((of("\"old\""), of("\"new\"")), (100, 100));
}

/// Envoy gives an old listener's connections a time to end; then the configuration goes, and what it has not sent.
#[test]
fn spans_that_go_with_their_configuration_are_counted() {
    let mut hop = dynamic(&json!({"interval": "1h"}));
    load::run(hop.addr(), 4, 60, |_| Request::get("/")).unwrap();
    assert_eq!(update(&mut hop, &configuration(&json!({"service_name": "new"}))), Update::Accepted);
    assert_eq!(hop.settled(60), (0, 60));
    assert_eq!(hop.counter("spans_dropped;reason=shutdown"), 60);
}

#[test]
fn a_configuration_that_would_tear_traces_is_refused() {
    let mut hop = dynamic(&json!({}));
    for (change, reason) in [
        (json!({"parent_id": "preserve"}), "parent_id: with \"preserve\" the upstream would not be below the span"),
        (json!({"mode": "envoy_decision"}), "span_export: in the modes \"envoy_decision\" and \"upstream\" Envoy's"),
        (json!({"propagators": ["w3c", "b3"]}), "propagators: with span_export the upstream learns of the span"),
        (json!({"span_export": {"clutser": "x"}}), "span_export.clutser: unknown field, did you mean \"cluster\"?"),
    ] {
        let mut configuration = configuration(&json!({}));
        configuration.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let Update::Rejected(reasons) = update(&mut hop, &configuration) else { panic!("{change} was accepted") };
        assert!(reasons.contains(reason), "{reasons}");
    }
    assert_eq!(http1::exchange(hop.addr(), &Request::get("/")).unwrap().status, 200);
    hop.collector.wait_for(1, PATIENCE).unwrap();
}

#[test]
fn the_module_without_spans_names_the_one_with_them() {
    let mesh = Mesh::start(|builder| builder.plugin_configuration(PLUGIN, &configuration(&json!({})))).unwrap();
    let log = mesh.envoy.log();
    assert!(log.contains("span_export: this module exports no spans; load trace_sampler_span_export.wasm"), "{log}");
}
