//! The commands of `palisade`, on directories of their own.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "tests"
)]

mod build;
mod check;
mod house;
mod image;
mod kubernetes;
mod pin;
mod provenance;
mod rebuild;
mod registry;
mod sbom;
mod serve;
mod signature;
mod size;
mod verify;
mod verify_mesh;
mod verify_together;
