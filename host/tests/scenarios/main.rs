//! Scenarios with guests in the text format, each a fact that was seen on Envoy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod gaps;
mod hostile;
mod outside;
mod phases;
mod races;
mod support;
mod vms;
