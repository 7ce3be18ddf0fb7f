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

/// A config in which every field stands that can stand beside the others.
fn full() -> Value {
    json!({
        "storage": {"shards": 256, "slots_per_shard": 128, "on_full": "shard_bucket"},
        "client_ip": {"trusted_hops": 1, "ipv6_prefix": 64},
        "headers": {"ietf": true, "x_ratelimit": "draft03", "when": "always", "upstream": "keep_lower", "shadow": true},
        "deny": {"status": 429, "grpc_status": "unavailable", "problem": true},
        "rule_by_route": true,
        "limits": [
            {
                "name": "per-user", "match": {"path": {"prefix": "/api"}}, "on_missing": "deny",
                "key": [{"claim": "sub", "or": {"client_ip": {}}}], "rate": "100/1m", "burst": 20,
                "tiers": {"by": {"claim": "plan.tier"}, "rates": {"vip": "1000/1m", "pro": {"rate": "300/1m", "burst": 9}}},
                "cost": {"header": "x-request-cost", "default": 1, "max": 50},
                "accuracy": "lease", "batch": 10, "on_contention": "allow", "enforce": true, "enforce_percent": "50%"
            },
            {"name": "trial", "quota": "1000/day"},
            {"name": "inflight", "key": [{"route": {}}], "concurrency": 50, "max_duration": "30s"},
            {"name": "bytes", "rate": "1/1s", "cost": {"response_bytes": "1KiB", "max": 5}},
            {"name": "global", "rls": {
                "cluster": "rls", "domain": "shop", "descriptors": [[{"key": "user", "value": {"claim": "sub"}}]],
                "timeout": "20ms", "failure_mode": "allow"
            }}
        ],
        "exempt": [{"cidr": "10.0.0.0/8"}, {"match": {"methods": ["OPTIONS"]}}]
    })
}

/// The full config with a value at a pointer replaced or added.
fn with(pointer: &str, value: Value) -> Value {
    let mut config = full();
    if let Some(place) = config.pointer_mut(pointer) {
        *place = value;
        return config;
    }
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(field.to_owned(), value);
    config
}

#[test]
fn what_the_schema_accepts_is_read() {
    let validator = validator();
    for (pointer, value) in [
        ("/storage", json!({})),
        ("/storage/shards", json!(1)),
        ("/storage/shards", json!(4096)),
        ("/storage/on_full", json!("allow")),
        ("/headers", json!({})),
        ("/headers/x_ratelimit", json!("plain")),
        ("/deny", json!({})),
        ("/deny/status", json!(503)),
        ("/exempt", json!([])),
        ("/limits/0/on_missing", json!({"literal": "x"})),
        ("/limits/0/rate", json!("0/1s")),
        ("/limits/0/cost", json!({"literal": "5"})),
        ("/limits/0/tiers/rates", json!({"free": {"unlimited": true}})),
        ("/limits/1/quota", json!("1/month")),
        ("/limits/2/concurrency", json!(0)),
        ("/limits/3/cost", json!({"response_header": "x-cost", "default": 0})),
        ("/limits/1", json!({"name": "x", "unlimited": true})),
    ] {
        let config = with(pointer, value);
        assert!(validator.is_valid(&config), "the schema refuses {pointer}: {config:#}");
        assert!(is_read(&config), "the reader refuses {pointer}: {config:#}");
    }
    assert!(validator.is_valid(&full()) && is_read(&full()));
}

#[test]
fn what_has_a_wrong_shape_is_refused_by_both() {
    let validator = validator();
    for (pointer, value) in [
        ("/unknown", json!(1)),
        ("/storage/shards", json!(100)),
        ("/storage/shards", json!(8192)),
        ("/storage/slots_per_shard", json!(0)),
        ("/storage/on_full", json!("evict")),
        ("/headers/when", json!(true)),
        ("/headers/x_ratelimit", json!("draft04")),
        ("/deny/status", json!(200)),
        ("/deny/grpc_status", json!(8)),
        ("/exempt", json!([{}])),
        ("/exempt", json!([{"cidr": "10.0.0.0/8", "match": {"methods": ["GET"]}}])),
        ("/limits", json!([])),
        ("/limits/0/name", json!("a b")),
        ("/limits/0/key", json!([])),
        ("/limits/0/on_missing", json!("literal")),
        ("/limits/0/rate", json!(100)),
        ("/limits/0/rate", json!("100/m")),
        ("/limits/0/burst", json!(0)),
        ("/limits/0/tiers/rates", json!({})),
        ("/limits/0/tiers/rates", json!({"free": {"burst": 5}})),
        ("/limits/0/tiers/rates", json!({"free": 5})),
        ("/limits/0/cost", json!(5)),
        ("/limits/0/cost", json!({"max": 5})),
        ("/limits/0/cost", json!({"header": "x", "default": 0})),
        ("/limits/0/accuracy", json!("loose")),
        ("/limits/0/batch", json!(1)),
        ("/limits/0/enforce_percent", json!(50)),
        ("/limits/1/quota", json!("1000/1d")),
        ("/limits/1/unlimited", json!(false)),
        ("/limits/2/concurrency", json!(-1)),
        ("/limits/2/max_duration", json!(30)),
        ("/limits/3/cost", json!({"response_bytes": "1KiB", "default": 5})),
        ("/limits/3/cost", json!({"response_bytes": 1024})),
        ("/limits/4/rls", json!({"cluster": "rls"})),
    ] {
        let config = with(pointer, value);
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

/// The paths of all fields, written as in the README; those of the SDK's types and of `rls` stand elsewhere.
fn paths(schema: &Value, root: &Value, prefix: &str, all: &mut Vec<String>) {
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    let schema = reference.and_then(|path| root.pointer(path)).unwrap_or(schema);
    if let Some(items) = schema.get("items") {
        paths(items, root, &format!("{prefix}[]"), all);
    }
    for schema in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        paths(schema, root, prefix, all);
    }
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        all.push(path.clone());
        let elsewhere = ["limits[].match", "limits[].key", "limits[].rls", "limits[].tiers.by", "exempt[].match"];
        if !elsewhere.contains(&&*path) && path != "client_ip" && name != "or" {
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
    known.retain(|path| !matches!(&**path, "storage" | "headers" | "deny" | "limits[].tiers"));
    // Those of the selector that `cost` is.
    let selector = SchemaGenerator::default().into_root_schema_for::<Selector>();
    let sources = selector.as_value()["properties"].as_object().unwrap();
    known.retain(|path| {
        path.strip_prefix("limits[].cost.")
            .is_none_or(|field| field.split('.').next().is_some_and(|field| !sources.contains_key(field)))
    });
    known.sort();
    known.dedup();

    let readme = include_str!("../../../README.md");
    let reference = readme.split("## Configuration").nth(1).unwrap();
    let reference = reference.split("\n## ").next().unwrap();
    let mut named: Vec<_> = reference.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    named.sort_unstable();
    assert_eq!(named, known);
}
