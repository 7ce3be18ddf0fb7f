//! The scenarios of `tests/sdk/` again, with each guest in a module of the `proxy-wasm` crate.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[path = "../sdk/abilities.rs"]
mod abilities;
#[path = "../sdk/bodies.rs"]
mod bodies;
#[path = "../sdk/capabilities.rs"]
mod capabilities;
mod dispatcher;
#[path = "../sdk/early.rs"]
mod early;
#[path = "../sdk/ends.rs"]
mod ends;
#[path = "../sdk/failures.rs"]
mod failures;
#[path = "../sdk/grpc.rs"]
mod grpc;
#[path = "../sdk/guests.rs"]
mod guests;
#[path = "../sdk/hazards.rs"]
mod hazards;
#[path = "../sdk/held.rs"]
mod held;
#[path = "../sdk/inspection.rs"]
mod inspection;
#[path = "../sdk/labels.rs"]
mod labels;
#[path = "../sdk/memory.rs"]
mod memory;
#[path = "../sdk/mesh.rs"]
mod mesh;
#[path = "../sdk/secrets.rs"]
mod secrets;
#[path = "../sdk/together.rs"]
mod together;
#[path = "../sdk/updates.rs"]
mod updates;
#[path = "../sdk/verified.rs"]
mod verified;
#[path = "../sdk/waiting.rs"]
mod waiting;

/// Of each guest's folder, the one whose crate makes its module.
const SHELL: &str = "proxy-wasm";
