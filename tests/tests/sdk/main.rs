//! The SDK against real Envoy: the probe uses each ability, and each hazard of the host is provoked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod abilities;
mod bodies;
mod capabilities;
mod early;
mod ends;
mod exports;
mod failures;
mod grpc;
mod guests;
mod hazards;
mod held;
mod inspection;
mod labels;
mod memory;
mod mesh;
mod secrets;
mod together;
mod updates;
mod verified;
mod waiting;

/// Of each guest's folder, the one whose crate makes its module.
const SHELL: &str = "module";
