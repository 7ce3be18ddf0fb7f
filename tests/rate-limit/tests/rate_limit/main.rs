//! The rate limit filter on real Envoy, with the config that ships: what Hurl cannot say in `tests/suites/rate-limit/`.

// Tests panic where something is not as it should be.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod calls;
mod charges;
mod client_ip;
mod concurrency;
mod configurations;
mod exactness;
mod fields;
mod global;
mod keys;
mod limitador;
mod mesh;
mod outages;
mod parts;
mod scripted;
mod shadow;
mod times;
mod updates;
