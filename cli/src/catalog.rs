//! The filters that this project ships.

use palisade_auth::config::Config as Auth;
use palisade_data_masking::config::Config as DataMasking;
use palisade_rate_limit::config::{Config as RateLimitGlobal, LocalConfig as RateLimit};
use palisade_sdk::OnFailure;
use palisade_sdk::config::{self, ConfigErrors, FromConfig};
use palisade_trace_sampler::config::Config as TraceSampler;
use palisade_trace_sampler::span_export::WithSpanExport;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

/// Every filter, by name.
pub const FILTERS: &[Filter] = &[
    Filter::new::<Auth>("auth", "filters/auth/module", OnFailure::Refuse),
    Filter::new::<DataMasking>("data-masking", "filters/data-masking/module", OnFailure::Refuse),
    Filter::new::<RateLimit>("rate-limit", "filters/rate-limit/module", OnFailure::Refuse),
    Filter::new::<RateLimitGlobal>("rate-limit-global", "filters/rate-limit/module-global", OnFailure::Refuse),
    Filter::new::<TraceSampler>("trace-sampler", "filters/trace-sampler/module", OnFailure::Pass),
    Filter::new::<WithSpanExport>(
        "trace-sampler-span-export",
        "filters/trace-sampler/module-span-export",
        OnFailure::Pass,
    ),
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
    /// Reads a config in JSON as the filter does, and reports everything that is wrong with it.
    pub check: fn(&[u8]) -> Result<(), ConfigErrors>,
    /// What the filter does with an exchange where it could not do its work: whether it protects or observes.
    pub on_failure: OnFailure,
}

impl Filter {
    const fn new<C: FromConfig + JsonSchema>(
        name: &'static str,
        module_crate: &'static str,
        on_failure: OnFailure,
    ) -> Self {
        Self { name, module_crate, schema: schema_of::<C>, check: check::<C>, on_failure }
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
    use palisade_sdk::Filter as _;

    use super::*;

    #[test]
    fn the_catalog_knows_what_each_filter_does_when_it_fails() {
        for (name, on_failure) in [
            ("auth", palisade_auth::Auth::ON_FAILURE),
            ("data-masking", palisade_data_masking::DataMasking::ON_FAILURE),
            ("rate-limit", palisade_rate_limit::RateLimit::ON_FAILURE),
            ("rate-limit-global", palisade_rate_limit::GlobalRateLimit::ON_FAILURE),
            ("trace-sampler", palisade_trace_sampler::TraceSampler::ON_FAILURE),
            ("trace-sampler-span-export", palisade_trace_sampler::SpanExportingTraceSampler::ON_FAILURE),
        ] {
            assert_eq!(find(name).unwrap().on_failure, on_failure, "{name}");
        }
    }

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
