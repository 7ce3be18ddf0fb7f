use palisade_sdk::config;
use serde_json::{Value, json};

use super::*;

fn schema<T: JsonSchema>() -> Value {
    SchemaGenerator::default().into_root_schema_for::<T>().into()
}

fn with(span_export: &Value) -> Value {
    json!({"span_export": span_export, "parent_id": "always", "default": {"sample": "1%"}})
}

#[test]
fn reader_and_schema_accept_the_same_shapes() {
    let validator = jsonschema::validator_for(&schema::<WithSpanExport>()).unwrap();
    let full = json!({
        "cluster": "otel", "path": "/v1/traces", "service_name": "edge", "queue": 2048, "batch": 512,
        "interval": "1s", "timeout": "10s",
    });
    let mut shapes = vec![(full.clone(), true), (json!({"cluster": "otel"}), true), (json!({}), false)];
    for (field, value, accepted) in [
        ("cluster", json!(""), false),
        ("cluster", json!(["otel"]), false),
        ("path", json!("/"), true),
        ("path", json!("v1/traces"), false),
        ("path", json!("/a b"), false),
        ("service_name", json!(""), false),
        ("service_name", json!("a".repeat(257)), false),
        ("queue", json!(0), false),
        ("queue", json!(65_537), false),
        ("queue", json!(4096.0), true),
        ("batch", json!("512"), false),
        ("interval", json!(1), false),
        ("timeout", json!("10"), false),
        ("unknown", json!(1), false),
    ] {
        let mut shape = full.clone();
        shape.as_object_mut().unwrap().insert(field.to_owned(), value);
        shapes.push((shape, accepted));
    }
    for (shape, accepted) in shapes {
        let config = with(&shape);
        assert_eq!(validator.is_valid(&config), accepted, "the schema: {config}");
        assert_eq!(config::parse::<WithSpanExport>(config.to_string().as_bytes()).is_ok(), accepted, "{config}");
    }
}

#[test]
fn it_is_the_schema_of_the_sampler_and_one_field() {
    let (mut with, without) = (schema::<WithSpanExport>(), schema::<Config>());
    let fields = with["properties"].as_object_mut().unwrap();
    assert!(fields.remove("span_export").is_some());
    assert_eq!(with["properties"], without["properties"]);
    assert_eq!(with["required"], without["required"]);
}

#[test]
fn the_readme_names_every_field_and_no_other() {
    let schema = schema::<SpanExport>();
    let mut known: Vec<_> =
        schema["properties"].as_object().unwrap().keys().map(|name| format!("span_export.{name}")).collect();
    known.sort_unstable();
    let readme = include_str!("../../../../README.md");
    let section = readme.split("## Span export").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut named: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("| `span_export.")).collect();
    named.sort_unstable();
    let named: Vec<_> = named.iter().map(|line| format!("span_export.{}", line.split('`').next().unwrap())).collect();
    assert_eq!(named, known);
}
