//! The filters that this project ships.

use std::path::PathBuf;

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

/// Every filter, by name.
pub const FILTERS: &[Filter] =
    &[Filter { name: "trace-sampler", schema: schema_of::<palisade_trace_sampler::config::Config> }];

/// A filter of this project. Its module is built from the crate `filters/<name>/module`.
#[derive(Debug)]
pub struct Filter {
    /// The name, as in its directory.
    pub name: &'static str,
    /// The JSON Schema of its config.
    pub schema: fn() -> Value,
}

impl Filter {
    /// The name of its module, as in `modules/<module>.wasm`.
    #[must_use]
    pub fn module(&self) -> String {
        self.name.replace('-', "_")
    }

    /// The directory of its module's crate, below the workspace root.
    pub(crate) fn module_crate(&self) -> PathBuf {
        ["filters", self.name, "module"].iter().collect()
    }
}

/// The filter called `name`.
///
/// # Errors
///
/// Names the filters there are, if it is none of them.
pub fn find(name: &str) -> Result<&'static Filter, String> {
    FILTERS.iter().find(|filter| filter.name == name).ok_or_else(|| {
        let names: Vec<_> = FILTERS.iter().map(|filter| filter.name).collect();
        format!("no such filter; there is {}", names.join(", "))
    })
}

fn schema_of<Config: JsonSchema>() -> Value {
    SchemaGenerator::default().into_root_schema_for::<Config>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_has_a_schema_of_an_object() {
        for filter in FILTERS {
            let schema = (filter.schema)();
            assert_eq!(schema.get("type"), Some(&Value::from("object")), "{}", filter.name);
        }
    }

    #[test]
    fn an_unknown_filter_is_answered_with_the_names_of_all() {
        let message = find("trace_smapler").unwrap_err();
        assert!(message.contains("trace-sampler"), "{message}");
    }
}
