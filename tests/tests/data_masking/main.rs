//! The data masking filter on real Envoy: what Hurl cannot say in `tests/suites/data-masking/`.

// Tests panic where something is not as it should be.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod blocks;
mod costs;
mod early;
mod encodings;
mod faults;
mod logs;
mod long;
mod mesh;
mod messages;
mod parts;
mod refusals;
mod streams;
