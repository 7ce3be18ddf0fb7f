//! A goal: what a chain may cost.

use serde::Deserialize;

/// What a chain may cost.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// In instructions a request, beyond the reference.
    pub instructions: Option<f64>,
    /// In instructions beyond the reference, as a multiple of those of the dearest other chain of ours.
    pub dearest_ratio: Option<f64>,
    /// In CPU time, the whole of it as a multiple of the whole of the native chain.
    pub cpu_ratio: Option<f64>,
    /// In CPU time beyond the reference, as a multiple of the native chain's.
    pub added_ratio: Option<f64>,
    /// In host calls a request that return data.
    pub returned_data: Option<f64>,
    /// In milliseconds of CPU time of the whole of Envoy until the first answer, beyond the reference.
    pub start_ms: Option<f64>,
    /// In KiB of the module's file.
    pub size_kib: Option<f64>,
    /// In KiB of Envoy's memory that come after the first tenth of a million requests.
    pub growth_kib: Option<f64>,
    /// Why it is missed, for the report.
    pub why: Option<String>,
}
