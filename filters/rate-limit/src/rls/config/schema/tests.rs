use super::*;
use palisade_sdk::config;
use serde_json::{Value, json};

#[test]
fn reader_and_schema_accept_the_same_shapes() {
    let schema: Value = SchemaGenerator::default().into_root_schema_for::<RlsConfig>().into();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let entry = json!({"key": "user", "value": {"claim": "sub", "or": {"client_ip": {}}}});
    let full = json!({
        "cluster": "rls", "domain": "shop", "descriptors": [[entry], [entry, entry]],
        "timeout": "20ms", "failure_mode": "local", "remember": "1h",
    });
    let mut shapes = vec![(full.clone(), true), (json!({}), false)];
    for (field, value, accepted) in [
        ("cluster", json!(""), false),
        ("cluster", json!("a".repeat(257)), false),
        ("domain", json!(1), false),
        ("descriptors", json!([]), false),
        ("descriptors", json!([[]]), false),
        ("descriptors", json!([entry]), false),
        ("descriptors", json!([[{"key": "user"}]]), false),
        ("descriptors", json!([[{"key": "", "value": {"claim": "sub"}}]]), false),
        ("descriptors", json!([[{"key": "user", "value": {"clam": "sub"}}]]), false),
        ("descriptors", json!([[{"key": "user", "value": {"claim": "sub"}, "limit": 1}]]), false),
        ("descriptors", json!(vec![[&entry]; 17]), false),
        ("timeout", json!(20), false),
        ("failure_mode", json!("allow"), true),
        ("failure_mode", json!("open"), false),
        ("remember", json!("1"), false),
        ("unknown", json!(1), false),
    ] {
        let mut shape = full.clone();
        shape.as_object_mut().unwrap().insert(field.to_owned(), value);
        shapes.push((shape, accepted));
    }
    for (shape, accepted) in shapes {
        assert_eq!(validator.is_valid(&shape), accepted, "the schema: {shape}");
        assert_eq!(config::parse::<RlsConfig>(shape.to_string().as_bytes()).is_ok(), accepted, "{shape}");
    }
}

#[test]
fn the_readme_names_every_field_and_no_other() {
    let schema: Value = SchemaGenerator::default().into_root_schema_for::<RlsConfig>().into();
    let known: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
    let readme = include_str!("../../../../README.md");
    let section = readme.split("## Global limits").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut named: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    named.sort_unstable();
    assert_eq!(named, known);
}
