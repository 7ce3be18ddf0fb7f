//! Fusing: several filters of this project in one module, in the order in which requests meet them.

use std::path::Path;

use anyhow::{Result, ensure};
use palisade_sdk::Phases;
use serde_json::{Map, Value, json};

use crate::catalog::Filter;
use crate::compile::ModuleCrate;

/// The crate that becomes such a module, below the workspace root.
const CRATE: &str = "filters/fused";

/// The name of such a module.
pub(crate) const MODULE: &str = "fused";

/// The variable in which the crate gets its one line.
const LINE: &str = "PALISADE_FUSE";

/// The crate of a module of these filters.
///
/// # Errors
///
/// As for [`ensure_distinct`].
pub(crate) fn module_crate(root: &Path, filters: &[&Filter]) -> Result<ModuleCrate> {
    ensure_distinct(filters)?;
    Ok(ModuleCrate {
        directory: root.join(CRATE),
        features: filters.iter().map(|filter| filter.name).collect(),
        environment: vec![(LINE, line(filters))],
    })
}

/// Whether these filters can be fused.
///
/// # Errors
///
/// There are no two of them, or two that read the same section of the config.
pub(crate) fn ensure_distinct(filters: &[&Filter]) -> Result<()> {
    ensure!(
        filters.len() > 1,
        "one filter is not to be fused with anything: name at least two, or build it by --filter"
    );
    for (place, filter) in filters.iter().enumerate() {
        let same = filters.iter().take(place).find(|other| other.section == filter.section);
        if let Some(other) = same {
            anyhow::bail!(
                "{} and {} cannot be fused: both are configured by `{}`",
                other.name,
                filter.name,
                filter.section
            );
        }
    }
    Ok(())
}

/// The JSON Schema of the config: that of each filter under its name.
pub(crate) fn schema(filters: &[&Filter]) -> Value {
    let sections: Vec<_> = filters.iter().map(|filter| filter.section).collect();
    let schemas = filters.iter().map(|filter| {
        let mut schema = (filter.schema)();
        if let Some(schema) = schema.as_object_mut() {
            // What it refers to is in itself.
            schema.insert("$id".to_owned(), format!("urn:palisade:{}", filter.name).into());
        }
        (filter.section.to_owned(), schema)
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Config",
        "description": "The config of each filter of the module.",
        "type": "object",
        "properties": schemas.collect::<Map<_, _>>(),
        "required": sections,
        "additionalProperties": false,
    })
}

fn line(filters: &[&Filter]) -> String {
    let phases = filters.iter().map(|filter| filter.phases).reduce(Phases::beside).unwrap_or(Phases::NONE);
    let phases: Vec<_> = phases.names().collect();
    let types: Vec<_> = filters.iter().map(|filter| filter.path).collect();
    format!("palisade_sdk::fuse!([{}], phases: [{}]);\n", types.join(", "), phases.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::find;

    fn all(names: &[&str]) -> Vec<&'static Filter> {
        names.iter().map(|name| find(name).unwrap()).collect()
    }

    #[test]
    fn a_module_of_several_filters_declares_what_they_declare() {
        assert_eq!(
            line(&all(&["trace-sampler", "rate-limit"])),
            "palisade_sdk::fuse!([palisade_trace_sampler::TraceSampler, palisade_rate_limit::RateLimit], \
             phases: [request_headers, response_headers, end]);\n"
        );
        let observing = line(&all(&["trace-sampler-span-export", "rate-limit"]));
        assert!(observing.contains("end, background, http_call, sleep]"), "{observing}");
        let waiting = line(&all(&["trace-sampler-span-export", "auth"]));
        assert!(waiting.contains("[request_headers, request_body, end, http_call, sleep]"), "{waiting}");
    }

    #[test]
    fn filters_of_one_section_are_not_fused() {
        let refused = |names| module_crate(Path::new("/w"), &all(names)).map(|_| ()).unwrap_err().to_string();
        assert!(refused(&["auth"]).contains("at least two"));
        assert!(refused(&["auth", "auth"]).contains("configured by `auth`"));
        assert!(refused(&["rate-limit", "auth", "rate-limit-global"]).contains("configured by `rate_limit`"));
    }

    #[test]
    fn the_schema_takes_each_filters_config_under_its_name_and_no_other() {
        let schema = jsonschema::validator_for(&schema(&all(&["auth", "trace-sampler"]))).unwrap();
        let (auth, trace_sampler) = (json!({"default": {"allow": "anonymous"}}), json!({"default": {"sample": "1%"}}));
        assert!(schema.is_valid(&json!({"auth": auth, "trace_sampler": trace_sampler})));
        assert!(!schema.is_valid(&json!({"auth": auth})));
        assert!(!schema.is_valid(&json!({"auth": auth, "trace_sampler": {"default": {"sample": 1}}})));
        assert!(!schema.is_valid(&json!({"auth": auth, "trace_sampler": trace_sampler, "rate_limit": {}})));
    }
}
