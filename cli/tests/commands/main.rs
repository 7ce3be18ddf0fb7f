//! The commands of `palisade`, on directories of their own.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "tests"
)]

mod check;
mod house;
mod image;
mod kubernetes;
mod pin;
mod rebuild;
mod registry;
mod signature;
mod size;
mod verify;
