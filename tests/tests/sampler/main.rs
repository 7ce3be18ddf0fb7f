//! The trace sampler on real Envoy, with the configs that ship: what Hurl cannot say in `tests/suites/trace-sampler/`.

// Tests panic where something is not as it should be.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod capabilities;
mod configurations;
mod consistency;
mod envoy_decision;
mod formats;
mod hostile;
mod kill_switch;
mod limits;
mod mesh;
mod metrics;
mod rates;
mod routes;
mod sidecar;
mod span_export;
mod tampered;
mod topologies;
mod trace;
mod traced;
mod trust;
mod two_passes;
mod updates;
mod upstream;
mod without_effect;
