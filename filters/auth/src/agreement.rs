//! Agreement: what a section's reader takes its JSON Schema accepts, and what has a wrong shape both refuse.

use jsonschema::Validator;
use palisade_sdk::config::{self, FromConfig};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

/// Holds reader and schema of a section together. The first of the good ones has every field; of each field that an object in it
/// has, the absence and the name with a letter more are judged alike, too.
pub(crate) fn assert_agreement<T: FromConfig + JsonSchema>(good: &[Value], bad: &[Value]) {
    let schema = SchemaGenerator::default().into_root_schema_for::<T>();
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    for (configs, expected) in [(good, true), (bad, false)] {
        for config in configs {
            assert_eq!(judged::<T>(&validator, config), (expected, expected), "{config}");
        }
    }
    for config in variants(&good[0]) {
        let (by_reader, by_schema) = judged::<T>(&validator, &config);
        assert_eq!(by_reader, by_schema, "{config}");
    }
}

fn judged<T: FromConfig>(validator: &Validator, config: &Value) -> (bool, bool) {
    (config::parse::<T>(config.to_string().as_bytes()).is_ok(), validator.is_valid(config))
}

/// The config without each of its fields, and with each of them misnamed.
fn variants(config: &Value) -> Vec<Value> {
    let mut variants = Vec::new();
    match config {
        Value::Object(fields) => {
            for (name, value) in fields {
                let mut without = fields.clone();
                without.remove(name);
                variants.push(Value::Object(without.clone()));
                without.insert(format!("{name}x"), value.clone());
                variants.push(Value::Object(without));
                for value in self::variants(value) {
                    let mut with = fields.clone();
                    with.insert(name.clone(), value);
                    variants.push(Value::Object(with));
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                for item in self::variants(item) {
                    let mut with = items.clone();
                    with[index] = item;
                    variants.push(Value::Array(with));
                }
            }
        }
        _ => {}
    }
    variants
}
