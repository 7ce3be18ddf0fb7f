//! The templates of `envoy/`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do without")]

use std::fs;
use std::path::Path;

use palisade::catalog;
use palisade_sdk::config;
use palisade_trace_sampler::config::Config;
use serde_json::Value;

#[test]
fn every_filter_config_is_one_that_its_filter_reads_and_its_schema_accepts() {
    let schema = (catalog::find("trace-sampler").unwrap().schema)();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let template: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for config in filter_configs(&template) {
            if let Err(errors) = config::parse::<Config>(config.to_string().as_bytes()) {
                panic!("{}: {errors}", path.display());
            }
            if let Err(error) = schema.validate(config) {
                panic!("{}: {error}", path.display());
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}

/// The `configuration.value` of each plugin, a `Struct`.
fn filter_configs(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(object) => {
            let own = object.get("configuration").and_then(|configuration| configuration.get("value"));
            own.into_iter().chain(object.values().flat_map(filter_configs)).collect()
        }
        Value::Array(items) => items.iter().flat_map(filter_configs).collect(),
        _ => Vec::new(),
    }
}
