//! The templates of `envoy/`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do without")]

use std::fs;
use std::path::{Path, PathBuf};

use palisade::catalog;
use palisade_auth::config::Config as Auth;
use palisade_data_masking::config::Config as DataMasking;
use palisade_rate_limit::config::{Config as RateLimitGlobal, LocalConfig as RateLimit};
use palisade_sdk::config;
use palisade_trace_sampler::{config::Config, span_export::WithSpanExport};
use serde_json::Value;

#[test]
fn every_filter_config_is_one_that_its_filter_reads_and_its_schema_accepts() {
    let mut seen = 0;
    for (path, template) in templates() {
        for (module, config) in filter_configs(&template) {
            let text = with_secrets(config).to_string();
            let read = match module {
                "auth" => config::parse::<Auth>(text.as_bytes()).map(drop),
                "data_masking" => config::parse::<DataMasking>(text.as_bytes()).map(drop),
                "rate_limit" => config::parse::<RateLimit>(text.as_bytes()).map(drop),
                "rate_limit_global" => config::parse::<RateLimitGlobal>(text.as_bytes()).map(drop),
                "trace_sampler" => config::parse::<Config>(text.as_bytes()).map(drop),
                "trace_sampler_span_export" => config::parse::<WithSpanExport>(text.as_bytes()).map(drop),
                other => panic!("{}: no filter is called {other}", path.display()),
            };
            if let Err(errors) = read {
                panic!("{}: {errors}", path.display());
            }
            let filter = catalog::FILTERS.iter().find(|filter| filter.module() == module).unwrap();
            let schema = jsonschema::validator_for(&(filter.schema)()).unwrap();
            if let Err(error) = schema.validate(config) {
                panic!("{}: {error}", path.display());
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 15);
}

#[test]
fn every_config_shows_the_labels_of_metrics() {
    for (path, template) in templates() {
        let loads_a_module = !filter_configs(&template).is_empty();
        let stats_tags = template.pointer("/stats_config/stats_tags");
        assert_eq!(stats_tags.is_some_and(|tags| tags == "labels"), loads_a_module, "{}", path.display());
    }
}

/// A filter that protects must not be passed by when its module is gone.
#[test]
fn an_auth_filter_that_fails_lets_nobody_in() {
    let mut seen = 0;
    for (path, template) in templates() {
        for plugin in plugins(&template).into_iter().filter(|plugin| module_of(plugin) == "auth") {
            let policy = plugin.get("failure_policy").and_then(Value::as_str);
            assert!(matches!(policy, Some("FAIL_CLOSED" | "FAIL_RELOAD")), "{}: {policy:?}", path.display());
            assert_eq!(plugin.get("fail_open"), None, "{}", path.display());
            // Without it, no body comes while it is held, and signed requests wait for theirs in vain.
            let holds = plugin.get("allow_on_headers_stop_iteration");
            assert_eq!(holds, Some(&Value::Bool(true)), "{}", path.display());
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}

/// The YAML files of `envoy/`.
fn templates() -> Vec<(PathBuf, Value)> {
    let folder = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy")).unwrap();
    let files = folder.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.map(|path| (path.clone(), serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap())).collect()
}

/// The module and the `configuration.value`, a `Struct`, of each plugin.
fn filter_configs(value: &Value) -> Vec<(&str, &Value)> {
    let configured = |plugin| Some((module_of(plugin), plugin.pointer("/configuration/value")?));
    plugins(value).into_iter().filter_map(configured).collect()
}

/// The config as it is where each variable that it names is set.
fn with_secrets(config: &Value) -> Value {
    match config {
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("env") => Value::from("a secret of a test"),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), with_secrets(value))).collect(),
        Value::Array(items) => items.iter().map(with_secrets).collect(),
        _ => config.clone(),
    }
}

/// Each `PluginConfig`, wherever it stands.
fn plugins(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(object) => {
            let own = object.contains_key("vm_config").then_some(value);
            own.into_iter().chain(object.values().flat_map(plugins)).collect()
        }
        Value::Array(items) => items.iter().flat_map(plugins).collect(),
        _ => Vec::new(),
    }
}

/// The module that a plugin loads.
fn module_of(plugin: &Value) -> &str {
    let pinned = plugin.get("vm_config").and_then(Value::as_str).unwrap_or_default();
    pinned.split(' ').next().unwrap_or_default()
}
