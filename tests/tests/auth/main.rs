//! The auth filter on real Envoy: what Hurl cannot say in `tests/suites/auth/`.

// Tests panic where something is not as it should be.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod capabilities;
mod chain;
mod flood;
mod held;
mod introspection;
mod jwks;
mod jwt;
mod kill_switch;
mod mesh;
mod rollout;
mod routes;
mod secrets;
mod setup;
mod signatures;
mod signing;
mod trap;
mod updates;
