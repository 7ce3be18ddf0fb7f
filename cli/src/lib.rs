//! What stands between a filter's source and a request in somebody's mesh: building its module, and pinning that
//! module, by SHA-256 and capability list, in every config that loads it.
//!
//! Envoy verifies no signature and checks a module's hash only where its config names one, so what writes that hash
//! must have verified the module first. [`build`] records what each module is in the [`lock`]; [`pin`] compares the
//! modules with the lock, writes the configs, and refuses a config that would let traffic pass unfiltered. [`oci`] carries
//! modules to registries and back.
//!
//! The binary `palisade` (`cargo palisade` in the workspace) is a thin shell around this library.
#![allow(clippy::disallowed_types, reason = "a native program: std's hashers are seeded here")]

pub mod budget;
pub mod build;
pub mod catalog;
pub mod check;
pub mod command;
pub mod lock;
pub mod new;
pub mod oci;
pub mod pin;
pub mod rebuild;
pub mod refusal;
pub mod signature;
pub mod terminal;
pub mod verify;
pub mod wasm;

mod compile;
mod file;
mod fuse;
mod git;
mod hash;
mod inspect;
mod provenance;
mod sbom;
mod serve;
mod workspace;
mod yaml;
