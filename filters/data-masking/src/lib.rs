//! The data masking filter finds personal data and secrets in messages and masks them on the way.
//!
//! What decides is pure: [`detectors`] say what looks like personal data, [`actions`] what stands in its place.

#![forbid(unsafe_code)]

pub mod actions;
pub mod detectors;
