//! Scenarios of `tests/sdk/` again, with the probe between two filters of one module: that others read what it holds, changes
//! and answers makes no difference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[path = "../sdk/bodies.rs"]
mod bodies;
#[path = "../sdk/guests.rs"]
#[expect(dead_code, reason = "these scenarios are the probe's")]
mod guests;
#[path = "../sdk/held.rs"]
mod held;
#[path = "../sdk/mesh.rs"]
#[expect(dead_code, reason = "these scenarios need little")]
mod mesh;
mod ticks;
#[path = "../sdk/together.rs"]
mod together;
#[path = "../sdk/waiting.rs"]
mod waiting;

/// Of each guest's folder, the one whose crate makes its module.
const SHELL: &str = "row";
