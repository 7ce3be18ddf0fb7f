//! What the parsers of untrusted bytes promise, whatever the bytes are.
//!
//! Each of the [`targets`] is a function that takes bytes and panics where a promise is broken. It runs with a million seeded
//! cases in the tests (`tests/seeded.rs`), always the same ones, and without end under libFuzzer (`libfuzzer/`), which finds
//! new ones by what they reach. Both begin with the [`corpus`].

pub mod corpus;
pub mod mutation;
pub mod targets;
