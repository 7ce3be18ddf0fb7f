use jsonschema::Validator;
use palisade_sdk::config;
use serde_json::{Value, json};

use super::*;

fn validator() -> Validator {
    let schema = SchemaGenerator::default().into_root_schema_for::<Config>();
    jsonschema::validator_for(schema.as_value()).unwrap()
}

fn is_read(config: &Value) -> bool {
    config::parse::<Config>(config.to_string().as_bytes()).is_ok()
}

/// A config in which every field stands.
fn full() -> Value {
    json!({
        "mode": "propagate",
        "parent": {"policy": "respect", "trust": {"cidrs": ["10.0.0.0/8"], "principals": ["spiffe://a/*"]}},
        "propagators": ["w3c", "b3", "b3multi", "xray", "datadog"],
        "parent_id": "on_change",
        "emit_unsampled_roots": true,
        "on_unknown_randomness": "assume",
        "tracestate": {"ot": true, "precision": 4},
        "force": {"header": "x-debug-trace", "token_sha256": "aB".repeat(32)},
        "client_ip": {"trusted_hops": 1},
        "rule_by_route": false,
        "rules": [{
            "name": "vip",
            "match": {"headers": [{"name": "x-user-tier", "exact": "vip"}]},
            "parent": {"policy": "respect_if_sampled"},
            "sample": "100%",
            "reservoir": {"per_second": 1},
            "cap": {"per_second": 10}
        }],
        "default": {"sample": "1%", "reservoir": {"per_second": 1}, "cap": {"per_second": 10}}
    })
}

/// The full config with a value at a pointer replaced or added, or removed where it is `None`.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut config = full();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let fields = config.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => fields.insert(field.to_owned(), value),
        None => fields.remove(field),
    };
    config
}

#[test]
fn what_the_schema_accepts_is_read() {
    let validator = validator();
    for (pointer, value) in [
        ("/mode", json!("propagate")),
        ("/parent/policy", json!("ignore")),
        ("/parent/policy", json!("respect_if_sampled")),
        ("/parent/trust", json!({"cidrs": []})),
        ("/parent/trust", json!({"principals": ["*", "spiffe://a/b"]})),
        ("/parent", json!({})),
        ("/propagators", json!(["datadog", "w3c"])),
        ("/propagators", json!(["xray", "w3c"])),
        ("/parent_id", json!("always")),
        ("/parent_id", json!("preserve")),
        ("/on_unknown_randomness", json!("erase_th")),
        ("/tracestate", json!({})),
        ("/tracestate/precision", json!(14)),
        ("/tracestate/precision", json!(1.0)),
        ("/force/token_sha256", json!(["0".repeat(64), "f".repeat(64)])),
        ("/rules", json!([])),
        ("/rules", json!([{"sample": "0.5%"}])),
        ("/rules/0/reservoir/per_second", json!(10)),
        ("/rules/0/cap/per_second", json!(1_000_000)),
        ("/default/sample", json!("0%")),
        ("/default/reservoir/per_second", json!(10.0)),
        ("/default/cap/per_second", json!(1)),
    ] {
        let config = with(pointer, Some(value));
        assert!(validator.is_valid(&config) && is_read(&config), "{pointer}: {config:#}");
    }
    let envoy = json!({"mode": "envoy_decision", "envoy_signal": "force_trace_header", "default": {"sample": "1%"}});
    assert!(validator.is_valid(&envoy) && is_read(&envoy));
    let envoy = json!({"mode": "envoy_decision", "envoy_signal": "decision_header", "default": {"sample": "1%"}});
    assert!(validator.is_valid(&envoy) && is_read(&envoy));
    let upstream = json!({"mode": "upstream", "parent_id": "always", "default": {"sample": "1%"}});
    assert!(validator.is_valid(&upstream) && is_read(&upstream));
}

#[test]
fn every_field_but_the_required_ones_may_be_left_out() {
    let validator = validator();
    for (pointer, required) in [
        ("/mode", false),
        ("/parent", false),
        ("/parent/policy", false),
        ("/parent/trust", false),
        ("/parent/trust/cidrs", false),
        ("/parent/trust/principals", false),
        ("/propagators", false),
        ("/parent_id", false),
        ("/emit_unsampled_roots", false),
        ("/on_unknown_randomness", false),
        ("/tracestate", false),
        ("/tracestate/ot", false),
        ("/tracestate/precision", false),
        ("/force", false),
        ("/force/header", false),
        ("/force/token_sha256", true),
        ("/client_ip", false),
        ("/rule_by_route", false),
        ("/rules", false),
        ("/rules/0/reservoir", false),
        ("/rules/0/reservoir/per_second", true),
        ("/rules/0/cap", false),
        ("/rules/0/cap/per_second", true),
        ("/default", true),
        ("/default/sample", true),
        ("/default/reservoir", false),
        ("/default/reservoir/per_second", true),
        ("/default/cap", false),
        ("/default/cap/per_second", true),
    ] {
        let config = with(pointer, None);
        assert_eq!(validator.is_valid(&config), !required, "{pointer}");
        assert_eq!(is_read(&config), !required, "{pointer}");
    }
}

#[test]
fn wrong_shapes_are_refused_by_both() {
    let validator = validator();
    for (pointer, value) in [
        ("/unknown", json!(1)),
        ("/mode", json!("downstream")),
        ("/mode", json!(null)),
        ("/envoy_signal", json!("header")),
        ("/parent", json!([])),
        ("/parent/unknown", json!(1)),
        ("/parent/policy", json!("obey")),
        ("/parent/trust", json!({})),
        ("/parent/trust/cidrs", json!("10.0.0.0/8")),
        ("/parent/trust/cidrs", json!(["ten"])),
        ("/parent/trust/principals", json!([""])),
        ("/parent/trust/principals", json!(["a*b"])),
        ("/parent/trust/principals", json!(["**"])),
        ("/propagators", json!("b3")),
        ("/propagators", json!([])),
        ("/propagators", json!(["jaeger"])),
        ("/propagators", json!(["b3", "b3"])),
        ("/propagators", json!(["w3c", "b3", "w3c"])),
        ("/parent_id", json!(true)),
        ("/emit_unsampled_roots", json!("yes")),
        ("/on_unknown_randomness", json!("erase")),
        ("/tracestate/precision", json!(0)),
        ("/tracestate/precision", json!(15)),
        ("/tracestate/precision", json!("4")),
        ("/tracestate/th", json!(true)),
        ("/force/token_sha256", json!("x")),
        ("/force/token_sha256", json!([])),
        ("/force/token_sha256", json!(["x"])),
        ("/force/token_sha256", json!({"env": "TOKEN"})),
        ("/force/header", json!(":path")),
        ("/force/secret", json!("x")),
        ("/rules", json!({})),
        ("/rules", json!([{}])),
        ("/rules", json!([{"sample": "1%", "limit": 1}])),
        ("/rules", json!([{"sample": "1%", "parent": {}}])),
        ("/rules", json!([{"sample": "1%", "parent": {"trust": {"cidrs": []}}}])),
        ("/rules", json!([{"sample": "1%", "match": {}}])),
        ("/rules/0/reservoir", json!(1)),
        ("/rules/0/cap", json!({"per_minute": 1})),
        ("/rules/0/cap/per_second", json!(0)),
        ("/default/reservoir", json!("1/1s")),
        ("/default/reservoir/per_second", json!("1")),
        ("/default/cap/per_second", json!(1_000_001)),
        ("/default/cap/per_second", json!(0.5)),
        ("/default", json!("1%")),
        ("/default/sample", json!(1)),
        ("/default/sample", json!("1")),
        ("/default/sample", json!("101%")),
        ("/default/parent", json!({"policy": "ignore"})),
    ] {
        let config = with(pointer, Some(value));
        assert!(!validator.is_valid(&config), "the schema accepts {pointer}: {config:#}");
        assert!(!is_read(&config), "the reader accepts {pointer}: {config:#}");
    }
}

#[test]
fn every_field_is_described() {
    fn undescribed(path: &str, schema: &Value, missing: &mut Vec<String>) {
        for (name, value) in schema.as_object().into_iter().flatten() {
            if name == "properties" {
                for (field, schema) in value.as_object().unwrap() {
                    if schema.get("description").is_none() {
                        missing.push(format!("{path}/{field}"));
                    }
                }
            }
            undescribed(&format!("{path}/{name}"), value, missing);
        }
    }
    let schema = SchemaGenerator::default().into_root_schema_for::<Config>();
    let mut missing = Vec::new();
    undescribed("", schema.as_value(), &mut missing);
    assert_eq!(missing, [""; 0]);
}

/// The paths of all fields, written as in the README; those of matchers and of `client_ip` belong to the SDK.
fn paths(schema: &Value, root: &Value, prefix: &str, paths: &mut Vec<String>) {
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    let schema = reference.and_then(|path| root.pointer(path)).unwrap_or(schema);
    if let Some(items) = schema.get("items") {
        paths_of_fields(items, root, &format!("{prefix}[]"), paths);
    }
    paths_of_fields(schema, root, prefix, paths);
}

fn paths_of_fields(schema: &Value, root: &Value, prefix: &str, all: &mut Vec<String>) {
    let fields = schema.get("properties").and_then(Value::as_object);
    for (name, field) in fields.into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        all.push(path.clone());
        if !matches!(&*path, "rules[].match" | "client_ip") {
            paths(field, root, &path, all);
        }
    }
}

#[test]
fn the_readme_names_every_field_and_no_other() {
    let schema = SchemaGenerator::default().into_root_schema_for::<Config>();
    let mut known = Vec::new();
    paths(schema.as_value(), schema.as_value(), "", &mut known);
    // What the README says only by the fields within.
    known.retain(|path| !matches!(&**path, "default" | "parent" | "rules[].parent" | "tracestate" | "force"));
    known.retain(|path| !path.ends_with("reservoir") && !path.ends_with("cap"));
    known.sort();

    let readme = include_str!("../../../README.md");
    let reference = readme.split("## Configuration").nth(1).unwrap();
    let reference = reference.split("\n## ").next().unwrap();
    let mut named: Vec<_> = reference.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    named.sort_unstable();
    assert_eq!(named, known);
}
