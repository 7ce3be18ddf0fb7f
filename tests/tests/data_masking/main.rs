//! The data masking filter on real Envoy: what Hurl cannot say in `tests/suites/data-masking/`.

// Tests panic where something is not as it should be.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod encodings;
mod mesh;
mod refusals;
mod streams;
