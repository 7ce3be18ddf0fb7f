//! The data masking filter finds personal data and secrets in messages and masks them on the way.
//!
//! [`DataMasking`] is the filter; with `headers` and `reading` it takes messages from the host and puts what is masked in their place. What
//! decides is pure: [`detectors`] say what looks like personal data, [`actions`] what stands in its place, [`scan`] finds
//! the matches of all detectors of a rule in one pass, [`masking`] is what a rule does to one value, and [`json`] finds the values.

#![forbid(unsafe_code)]
// Tests run natively, on numbers that they choose.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

pub mod actions;
pub mod body;
pub mod coding;
pub mod config;
pub mod detectors;
mod filter;
mod headers;
pub mod json;
pub mod masking;
mod parts;
pub mod path;
mod reading;
pub mod scan;
pub mod splice;

pub use filter::DataMasking;

#[cfg(test)]
mod fake;
