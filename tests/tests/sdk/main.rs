//! The SDK against real Envoy: the probe uses each ability, and each hazard of the host is provoked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod abilities;
mod bodies;
mod hazards;
mod mesh;
mod waiting;
