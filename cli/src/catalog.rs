//! The filters that this project ships.

use palisade_auth::config::Config as Auth;
use palisade_data_masking::config::Config as DataMasking;
use palisade_rate_limit::config::{Config as RateLimitGlobal, WithoutGlobal as RateLimit};
use palisade_trace_sampler::config::Config as TraceSampler;
use palisade_trace_sampler::span_export::WithSpanExport;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

/// Every filter, by name.
pub const FILTERS: &[Filter] = &[
    Filter { name: "auth", module_crate: "filters/auth/module", schema: schema_of::<Auth> },
    Filter { name: "data-masking", module_crate: "filters/data-masking/module", schema: schema_of::<DataMasking> },
    Filter { name: "rate-limit", module_crate: "filters/rate-limit/module", schema: schema_of::<RateLimit> },
    Filter {
        name: "rate-limit-global",
        module_crate: "filters/rate-limit/module-global",
        schema: schema_of::<RateLimitGlobal>,
    },
    Filter { name: "trace-sampler", module_crate: "filters/trace-sampler/module", schema: schema_of::<TraceSampler> },
    Filter {
        name: "trace-sampler-span-export",
        module_crate: "filters/trace-sampler/module-span-export",
        schema: schema_of::<WithSpanExport>,
    },
];

/// A filter of this project.
#[derive(Debug)]
pub struct Filter {
    /// The name, that of its module with `-` for `_`.
    pub name: &'static str,
    /// The directory of its module's crate, below the workspace root.
    pub(crate) module_crate: &'static str,
    /// The JSON Schema of its config.
    pub schema: fn() -> Value,
}

impl Filter {
    /// The name of its module, as in `modules/<module>.wasm`.
    #[must_use]
    pub fn module(&self) -> String {
        self.name.replace('-', "_")
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

fn schema_of<C: JsonSchema>() -> Value {
    SchemaGenerator::default().into_root_schema_for::<C>().into()
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
