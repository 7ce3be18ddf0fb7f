//! Configurations that are refused: at the start of Envoy, and while it serves.

use anyhow::Result;
use palisade_testbed::envoy::{Builder, Update};
use palisade_testbed::{Envoy, Request};
use serde_json::{Value, json};

use crate::mesh::{Form, Mesh, PLUGIN, edit_plugin, load_from_file, text};
use crate::trace::Trace;

/// What is wrong, and what the log has to say about it: all of it, at once.
fn broken() -> Vec<(Value, &'static [&'static str])> {
    let rule = |rule: Value| json!({"rules": [rule], "default": {"sample": "1%"}});
    vec![
        (json!({}), &["config: "]),
        (json!({"default": {}}), &["default: missing field \"sample\""]),
        (
            json!({"defualt": {"sample": "1%"}}),
            &["defualt: unknown field, did you mean \"default\"?", "config: missing field \"default\""],
        ),
        (json!({"default": {"sample": 1}}), &["default.sample: expected a percentage such as \"10%\", found a number"]),
        (
            json!({"default": {"sample": 0.01}}),
            &["default.sample: expected a percentage such as \"10%\", found a number"],
        ),
        (json!({"default": {"sample": "10"}}), &["default.sample: expected a percentage"]),
        (json!({"default": {"sample": "10 permille"}}), &["default.sample: expected a percentage"]),
        (json!({"default": {"sample": "101%"}}), &["default.sample: expected a percentage"]),
        (json!({"default": {"sample": "-1%"}}), &["default.sample: expected a percentage"]),
        (json!({"default": {"sample": "NaN%"}}), &["default.sample: expected a percentage"]),
        (json!({"default": {"sample": "0.000000000000001%"}}), &["default.sample: less than one trace in 2^56"]),
        (
            json!({"rules": [{"name": "a", "sample": "1%"}, {"name": "a", "sample": "2%"}], "default": {"sample": "1%"}}),
            &["rules[1].name: \"a\" is already the name of another rule"],
        ),
        (rule(json!({"match": {"path": {"regex": "("}}, "sample": "1%"})), &["rules[0].match.path.regex: "]),
        (
            rule(json!({"match": {"heders": []}, "sampel": "1%"})),
            &[
                "rules[0].match.heders: unknown field, did you mean \"headers\"?",
                "rules[0].sampel: unknown field, did you mean \"sample\"?",
                "rules[0]: missing field \"sample\"",
            ],
        ),
        (
            json!({"parent": {"policy": "obey", "trust": {"cidrs": ["10.0.0.0/33"]}}, "mode": "propogate", "default": 1}),
            &[
                "parent.policy: expected \"respect\"",
                "parent.trust.cidrs[0]: expected a range of addresses",
                "mode: expected \"propagate\", \"envoy_decision\" or \"upstream\", found \"propogate\", did you mean \"propagate\"?",
                "default: expected ",
            ],
        ),
        (
            json!({"force": {"token_sha256": "secret"}, "default": {"sample": "1%"}}),
            &["force.token_sha256: expected the SHA-256 digest"],
        ),
    ]
}

/// What is no configuration at all, as the plugin's field `configuration`.
fn absent() -> Vec<(Value, &'static str)> {
    vec![
        (Value::Null, "config: "),
        (text(""), "config: "),
        (text("{"), "config: "),
        (text("default: {sample: 1%}"), "config: "),
        (text("[1]"), "config: expected "),
        (text("{\"default\": {\"sample\": \"1%\"}} x"), "config: "),
        (text("{\"default\": {\"sample\": \"1%\"}, \"default\": {\"sample\": \"2%\"}}"), "default"),
    ]
}

#[test]
fn a_broken_configuration_is_refused_with_every_reason_and_the_old_one_serves_on() {
    let mut mesh = Mesh::start(|builder| Ok(builder.dynamic_listeners())).unwrap();
    for (configuration, reasons) in broken() {
        for form in Form::ALL {
            refused(&mut mesh, form.of(&configuration), reasons);
        }
    }
    for (configuration, reason) in absent() {
        refused(&mut mesh, configuration, &[reason]);
    }
    assert!(!mesh.envoy.log().contains("\"secret\""), "a log is no place for what may be a secret");
}

fn refused(mesh: &mut Mesh, configuration: Value, reasons: &[&str]) {
    let shown = configuration.to_string();
    let update = mesh
        .envoy
        .update_listener("ingress", |listener| edit_plugin(listener, |plugin| plugin["configuration"] = configuration));
    let Update::Rejected(complaints) = update.unwrap() else { panic!("{shown} was accepted") };
    for reason in reasons {
        assert!(complaints.contains(reason), "{shown}: {reason:?} is not in\n{complaints}");
    }
    let vip = mesh.get(&Request::get("/").header("x-user-tier", "vip"));
    assert_eq!(Trace::of(&vip).state, "ot=th:0", "after {shown}");
}

#[test]
fn envoy_does_not_start_with_a_broken_configuration() {
    for (configuration, reasons) in [
        (Form::Struct.of(&json!({"defualt": {"sample": 1}})), &["defualt: unknown field", "config: missing field"][..]),
        (Form::Text.of(&json!({"default": {"sample": "200%"}})), &["default.sample: expected a percentage"]),
        (Value::Null, &["config: "]),
    ] {
        let shown = configuration.to_string();
        let error = format!("{:#}", local(configuration).unwrap().start().unwrap_err());
        for reason in reasons {
            assert!(error.contains(reason), "{shown}: {reason:?} is not in\n{error}");
        }
    }
}

/// With the module from a file, which Envoy has when it reads the listener.
fn local(configuration: Value) -> Result<Builder> {
    Envoy::pinned("trace-sampler.propagate.local.yaml")?.edit(|bootstrap| {
        edit_plugin(bootstrap, |plugin| {
            load_from_file(plugin);
            plugin["configuration"] = configuration;
        })
    })
}

/// A module that is fetched comes after the listener was accepted. Envoy then starts, and every request is refused.
#[test]
fn no_request_passes_a_fetched_module_with_a_broken_configuration() {
    let mesh = Mesh::start(|builder| builder.plugin_configuration(PLUGIN, &json!({"default": {"sample": 1}}))).unwrap();
    for _ in 0..8 {
        assert_eq!(mesh.get(&Request::get("/")).status, 503);
    }
    assert_eq!(mesh.upstream.count(), 0);
    assert!(mesh.envoy.log().contains("default.sample: expected a percentage"), "{}", mesh.envoy.log());
}

#[test]
fn both_forms_say_the_same() {
    let configuration =
        json!({"tracestate": {"precision": 2}, "parent": {"policy": "ignore"}, "default": {"sample": "10%"}});
    for form in Form::ALL {
        let mesh = Mesh::start(|builder| {
            builder.edit(|bootstrap| edit_plugin(bootstrap, |plugin| plugin["configuration"] = form.of(&configuration)))
        })
        .unwrap();
        let request = Request::get("/").header("traceparent", crate::trace::traceparent(&"f".repeat(32), "02"));
        assert_eq!(Trace::of(&mesh.get(&request)).state, "ot=th:e6", "{form:?}");
    }
}
