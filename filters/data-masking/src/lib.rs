//! The data masking filter finds personal data and secrets in messages and masks them on the way.
//!
//! What decides is pure: [`detectors`] say what looks like personal data, [`actions`] what stands in its place.

#![forbid(unsafe_code)]
// Tests run natively, on numbers that they choose.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

pub mod actions;
pub mod detectors;
