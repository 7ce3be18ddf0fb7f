//! The filters that this project ships.

use palisade_auth::Auth;
use palisade_data_masking::DataMasking;
use palisade_rate_limit::{GlobalRateLimit, RateLimit};
use palisade_sdk::config::{self, ConfigErrors, FromConfig};
use palisade_sdk::{OnFailure, Phases};
use palisade_trace_sampler::{SpanExportingTraceSampler, TraceSampler};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

/// A filter by its name, its type and the directory of its module's crate.
macro_rules! filter {
    ($name:literal, $krate:ident::$filter:ident, $module_crate:literal) => {
        Filter::new::<$filter>($name, concat!(stringify!($krate), "::", stringify!($filter)), $module_crate)
    };
}

/// Every filter, by name.
pub const FILTERS: &[Filter] = &[
    filter!("auth", palisade_auth::Auth, "filters/auth/module"),
    filter!("data-masking", palisade_data_masking::DataMasking, "filters/data-masking/module"),
    filter!("rate-limit", palisade_rate_limit::RateLimit, "filters/rate-limit/module"),
    filter!("rate-limit-global", palisade_rate_limit::GlobalRateLimit, "filters/rate-limit/module-global"),
    filter!("trace-sampler", palisade_trace_sampler::TraceSampler, "filters/trace-sampler/module"),
    filter!(
        "trace-sampler-span-export",
        palisade_trace_sampler::SpanExportingTraceSampler,
        "filters/trace-sampler/module-span-export"
    ),
];

/// A filter of this project.
#[derive(Debug)]
pub struct Filter {
    /// The name, that of its module with `-` for `_`.
    pub name: &'static str,
    /// Its type, as other crates name it.
    pub(crate) path: &'static str,
    /// The directory of its module's crate, below the workspace root.
    pub(crate) module_crate: &'static str,
    /// The name of its config, where one file has those of several filters.
    pub section: &'static str,
    /// The callbacks that it declares.
    pub(crate) phases: Phases,
    /// The JSON Schema of its config.
    pub schema: fn() -> Value,
    /// Reads a config in JSON as the filter does, and reports everything that is wrong with it.
    pub check: fn(&[u8]) -> Result<(), ConfigErrors>,
    /// What the filter does with an exchange where it could not do its work: whether it protects or observes.
    pub on_failure: OnFailure,
}

impl Filter {
    const fn new<F>(name: &'static str, path: &'static str, module_crate: &'static str) -> Self
    where
        F: palisade_sdk::Filter,
        F::Config: JsonSchema,
    {
        Self {
            name,
            path,
            module_crate,
            section: F::NAME,
            phases: F::PHASES,
            schema: schema_of::<F::Config>,
            check: check::<F::Config>,
            on_failure: F::ON_FAILURE,
        }
    }

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

fn check<C: FromConfig>(config: &[u8]) -> Result<(), ConfigErrors> {
    config::parse::<C>(config).map(drop)
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
