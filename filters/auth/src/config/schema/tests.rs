use palisade_sdk::config as reader;
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::Config;
use crate::agreement::assert_agreement;

fn key_set() -> Value {
    json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": "a",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }]})
}

/// A config with every field of the filter's own.
fn full() -> Value {
    json!({
        "jwt": {"providers": {"main": {
            "issuer": "https://idp.example", "jwks": {"inline": key_set()},
            "forward": {
                "claims": [{"claim": "plan.tier", "header": "x-tier", "as": "tier", "encoding": "base64url"}],
                "payload_header": "x-payload", "strip_token": true,
            },
        }}},
        "api_key": {
            "from": [{"header": "x-api-key"}], "clients": [{"id": "mobile", "key_sha256": "0".repeat(64)}],
            "forward": {"claims": [{"claim": "sub", "header": "x-auth-client"}]},
        },
        "client_ip": {"trusted_hops": 1},
        "ambiguous_paths": "normalize",
        "bypass_cors_preflight": true,
        "realm": "shop",
        "expose_reason": true,
        "rule_by_route": true,
        "rules": [
            {"name": "open", "match": {"path": {"exact": "/healthz"}}, "allow": "anonymous"},
            {"name": "closed", "deny": "all", "enforce": false},
            {
                "name": "tried",
                "require": {"any": [
                    {"all": [
                        {"jwt": "main"},
                        {"claim": {"name": "groups", "contains": "admins"}},
                        {"not": {"claim": {"name": "sub", "one_of": ["mallory", 7, true]}}},
                        {"scope": ["read", "write"]},
                    ]},
                    {"api_key": {"allowed_clients": ["mobile"]}},
                ]},
                "enforce_percent": {"percent": "10%", "by": {"client_ip": {}}},
            },
        ],
        "default": {"require": {"jwt": "main"}, "enforce": true},
    })
}

/// The full config with another value at a pointer.
fn with(pointer: &str, value: Value) -> Value {
    let mut config = full();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = config.pointer_mut(parent).unwrap();
    match parent.as_array_mut() {
        Some(items) => items[field.parse::<usize>().unwrap()] = value,
        None => parent[field] = value,
    }
    config
}

#[test]
fn the_schema_accepts_what_is_read_and_both_refuse_wrong_shapes() {
    let good = [
        // Of what names nothing elsewhere, every field may be left out by itself.
        json!({
            "client_ip": {"trusted_hops": 1},
            "ambiguous_paths": "normalize",
            "bypass_cors_preflight": true,
            "realm": "shop",
            "expose_reason": true,
            "rule_by_route": true,
            "rules": [
                {"name": "open", "match": {"path": {"exact": "/healthz"}}, "allow": "anonymous"},
                {"name": "closed", "deny": "all", "enforce": false},
                {"name": "tried", "deny": "all", "enforce_percent": {"percent": "10%", "by": {"client_ip": {}}}},
            ],
            "default": {"deny": "all", "enforce": true},
        }),
        full(),
        json!({"default": {"deny": "all"}}),
        json!({"default": {"allow": "anonymous"}, "rules": []}),
        with("/default", json!({"require": {"not": {"jwt": "main"}}})),
        with("/default", json!({"require": {"all": [{"jwt": "main"}, {"claim": {"name": "a", "present": false}}]}})),
        with("/default", json!({"require": {"all": [{"jwt": "main"}, {"claim": {"name": "a", "exact": 1.5}}]}})),
    ];
    let bad = [
        with("/unknown", json!(1)),
        with("/jwt", json!({})),
        with("/jwt/providers", json!({})),
        with("/jwt/providers/main/forward/claims", json!([])),
        with("/jwt/providers/main/forward/claims/0/header", json!("a b")),
        with("/jwt/providers/main/forward/claims/0/encoding", json!("hex")),
        with("/jwt/providers/main/forward/strip_token", json!("yes")),
        with("/api_key/forward/strip_token", json!(true)),
        with("/api_key/forward/payload_header", json!("x-payload")),
        with("/ambiguous_paths", json!("decode")),
        with("/bypass_cors_preflight", json!(1)),
        with("/realm", json!("a\"b")),
        with("/realm", json!("")),
        with("/expose_reason", json!("no")),
        with("/rules", json!({})),
        with("/rules/0/allow", json!("all")),
        with("/rules/0/require", json!({"jwt": "main"})),
        with("/rules/1/deny", json!(true)),
        with("/rules/2/enforce_percent", json!("10%")),
        with("/rules/2/enforce_percent/percent", json!(10)),
        with("/rules/2/require", json!({})),
        with("/rules/2/require", json!({"any": []})),
        with("/rules/2/require", json!({"any": {"jwt": "main"}})),
        with("/rules/2/require", json!({"jwt": "main", "basic": {}})),
        with("/rules/2/require", json!({"jwt": {}})),
        with("/rules/2/require", json!({"api_key": {"allowed_clients": []}})),
        with("/rules/2/require", json!({"all": [{"jwt": "main"}, {"scope": "read"}]})),
        with("/rules/2/require", json!({"all": [{"jwt": "main"}, {"scope": ["a b"]}]})),
        with("/rules/2/require", json!({"all": [{"jwt": "main"}, {"claim": {"name": "a"}}]})),
        with("/rules/2/require", json!({"all": [{"jwt": "main"}, {"claim": {"name": "a", "exact": null}}]})),
        with("/default", json!({})),
        with("/default", json!("deny")),
        with("/default", json!({"match": {"methods": ["GET"]}, "deny": "all"})),
    ];
    assert_agreement::<Config>(&good, &bad);
}

#[test]
fn the_example_of_the_readme_is_read() {
    let readme = include_str!("../../../README.md");
    let example = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_saphyr::from_str(example).unwrap();
    reader::parse::<Config>(example.to_string().as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
}

#[test]
fn every_field_is_described() {
    fn undescribed(path: &str, schema: &Value, missing: &mut Vec<String>) {
        for (name, value) in schema.as_object().into_iter().flatten() {
            if name == "properties" {
                let fields = value.as_object().unwrap().iter();
                let bare = fields.filter(|(_, schema)| schema.get("description").is_none());
                missing.extend(bare.map(|(field, _)| format!("{path}/{field}")));
            }
            undescribed(&format!("{path}/{name}"), value, missing);
        }
    }
    let schema = SchemaGenerator::default().into_root_schema_for::<Config>();
    let mut missing = Vec::new();
    undescribed("", schema.as_value(), &mut missing);
    assert_eq!(missing, [""; 0]);
}

/// The paths of all fields: `hmac.clients[].id`, a provider's as `jwt.providers.NAME.issuer`.
fn paths(schema: &Value, root: &Value, prefix: &str, all: &mut Vec<String>) {
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    let schema = reference.and_then(|path| root.pointer(path)).unwrap_or(schema);
    if let Some(items) = schema.get("items") {
        paths(items, root, &format!("{prefix}[]"), all);
    }
    for choice in ["anyOf", "oneOf"].iter().filter_map(|choice| schema.get(choice)?.as_array()).flatten() {
        paths(choice, root, prefix, all);
    }
    if let Some(named) = schema.get("additionalProperties").filter(|named| named.is_object()) {
        all.push(format!("{prefix}.NAME"));
        paths(named, root, &format!("{prefix}.NAME"), all);
    }
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        all.push(path.clone());
        // What the SDK reads, sources and expressions have tables of their own.
        let is_elsewhere = matches!(
            name.as_str(),
            "match" | "require" | "client_ip" | "by" | "from" | "secret" | "secret_base64" | "client_secret" | "inline"
        );
        if !is_elsewhere && path != "default" {
            paths(field, root, &path, all);
        }
    }
}

#[test]
fn the_readme_names_every_field_and_no_other() {
    let schema = SchemaGenerator::default().into_root_schema_for::<Config>();
    let mut known = Vec::new();
    paths(schema.as_value(), schema.as_value(), "", &mut known);
    let shape = |path: &str| path.replace("[]", "");
    let known: Vec<_> = known.iter().map(|path| shape(path)).collect();
    // A section's table names its fields whole, or as they stand in the section.
    let readme = include_str!("../../../README.md");
    let mut named = Vec::new();
    let mut in_fields = false;
    for line in readme.lines() {
        match line.strip_prefix("| ") {
            Some(row) if row.starts_with("field ") => in_fields = true,
            Some(row) if in_fields => {
                let cell = row.split(" | ").next().unwrap();
                named.extend(cell.split('`').skip(1).step_by(2).map(shape));
            }
            Some(_) => {}
            None if line.starts_with('|') => {}
            None => in_fields = false,
        }
    }
    let is = |path: &str, name: &str| path == name || path.ends_with(&format!(".{name}"));
    let unknown: Vec<_> = named.iter().filter(|name| !known.iter().any(|path| is(path, name))).collect();
    assert_eq!(unknown, [""; 0], "no such field");
    let is_above = |path: &str| known.iter().any(|other| other.starts_with(&format!("{path}.")));
    let missing: Vec<_> =
        known.iter().filter(|path| !is_above(path) && !named.iter().any(|name| is(path, name))).collect();
    assert_eq!(missing, [""; 0], "not in the README");
}
