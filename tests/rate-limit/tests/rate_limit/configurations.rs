//! Configurations that are refused: at the start of Envoy, and while it serves.

use palisade_testbed::envoy::Update;
use serde_json::{Value, json};

use crate::mesh::{Mesh, Setup, as_struct, text};

/// What is wrong, and what the log has to say about it: all of it, at once.
fn broken() -> Vec<(Value, &'static [&'static str])> {
    let limit = |fields: Value| {
        let mut limit = json!({"name": "a", "key": [{"header": "x-user"}], "rate": "10/1m"});
        limit.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"limits": [limit]})
    };
    vec![
        (json!({}), &["config: the config is empty"]),
        (json!({"headers": {}}), &["config: missing field \"limits\""]),
        (json!({"limts": []}), &["limts: unknown field, did you mean \"limits\"?"]),
        (limit(json!({"limt": 1})), &["limits[0].limt: unknown field"]),
        (limit(json!({"rate": 10})), &["limits[0].rate: expected "]),
        (limit(json!({"rate": "10/0s"})), &["limits[0].rate: the period must not be zero"]),
        (limit(json!({"rate": "10"})), &["limits[0].rate: expected "]),
        (limit(json!({"rate": "99999999999999999999/999999999999d"})), &["limits[0].rate: "]),
        (limit(json!({"burst": 0})), &["limits[0].burst: expected "]),
        (limit(json!({"burst": "10"})), &["limits[0].burst: expected "]),
        (limit(json!({"key": [{"heder": "x"}]})), &["limits[0].key[0].heder: unknown field, did you mean \"header\"?"]),
        (
            json!({"limits": [{"name": "a", "rate": "1/1s"}, {"name": "a", "rate": "2/1s"}]}),
            &["limits[1]: the name \"a\" is already that of another limit"],
        ),
        (asks(&json!({})), &["limits[0].rls: this module asks no service; load rate_limit_global.wasm"]),
        (
            json!({"limits": [{"name": "a", "rate": "1/1x", "burst": -1, "mtach": {}}], "storage": {"shards": 3}}),
            &[
                "limits[0].rate: ",
                "limits[0].burst: ",
                "limits[0].mtach: unknown field",
                "storage.shards: expected a power of two",
            ],
        ),
    ]
}

/// A configuration that asks a service, with these fields.
fn asks(fields: &Value) -> Value {
    let mut rls = json!({
        "cluster": "rls", "domain": "shop", "failure_mode": "deny",
        "descriptors": [[{"key": "user", "value": {"header": "x-user"}}]],
    });
    rls.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"limits": [{"name": "a", "rls": rls}]})
}

/// What is wrong with how a service is asked, and the reasons.
fn broken_services() -> Vec<(Value, &'static [&'static str])> {
    vec![
        (asks(&json!({"timeout": "1h"})), &["limits[0].rls.timeout: expected a duration from"]),
        (asks(&json!({"failure_mode": "open"})), &["limits[0].rls.failure_mode: expected \"local\""]),
        (asks(&json!({"descriptors": []})), &["limits[0].rls.descriptors: expected a list with at least one item"]),
        // Without a rate there is nothing to fall back on.
        (asks(&json!({"failure_mode": "local"})), &["limits[0]", "rate"]),
    ]
}

#[test]
fn a_broken_configuration_is_refused_with_every_reason_and_the_old_one_serves_on() {
    let good = json!({"limits": [{"name": "a", "key": [{"header": "x-user"}], "rate": "1/1d"}]});
    let mut mesh = Mesh::with(&good);
    assert_eq!([(); 2].map(|()| mesh.status("alice")), [200, 429]);
    for (configuration, reasons) in broken() {
        assert_refused(&mut mesh, &configuration, reasons);
        assert_eq!(mesh.status("alice"), 429, "after {configuration}");
    }
    mesh.assert_unharmed();
}

#[test]
fn a_broken_service_is_refused_with_every_reason() {
    // Nobody is at its cluster.
    let mut mesh = Mesh::with(&asks(&json!({})));
    assert_eq!(mesh.status("alice"), 503);
    for (configuration, reasons) in broken_services() {
        assert_refused(&mut mesh, &configuration, reasons);
        assert_eq!(mesh.status("alice"), 503, "after {configuration}");
    }
    mesh.assert_unharmed();
}

fn assert_refused(mesh: &mut Mesh, configuration: &Value, reasons: &[&str]) {
    let update = mesh.update(configuration);
    let Update::Rejected(complaints) = update else { panic!("{configuration} was accepted") };
    for reason in reasons {
        assert!(complaints.contains(reason), "{configuration}: {reason:?} is not in\n{complaints}");
    }
}

#[test]
fn envoy_does_not_start_with_a_broken_configuration() {
    for (configuration, reason) in [
        (as_struct(&json!({"limits": [{"name": "a", "rate": "1"}]})), "limits[0].rate: expected "),
        (text("limits: []"), "config: "),
        (Value::Null, "config: "),
    ] {
        let error = Setup::raw(configuration.clone()).refused();
        assert!(error.contains(reason), "{configuration}: {reason:?} is not in\n{error}");
    }
}
