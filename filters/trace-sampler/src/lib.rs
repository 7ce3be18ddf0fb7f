//! The trace sampler decides, per request and by business rule, whether a distributed trace is recorded.
//!
//! [`TraceSampler`] is the filter; it asks the host for headers and for entropy. Every other module is pure: [`config`]
//! reads the configuration, [`decision`] reaches a verdict, [`propagation`] or [`envoy_decision`] turns it into an
//! [`action::Action`], and [`sampler`] joins them for one request.

#![forbid(unsafe_code)]

pub mod action;
pub mod config;
pub mod context;
pub mod decision;
mod entropy;
pub mod envoy_decision;
mod filter;
pub mod force;
mod lower_hex;
mod ows;
pub mod probability;
pub mod propagation;
pub mod sampler;
pub mod traceparent;
pub mod tracestate;
pub mod trust;

pub use filter::TraceSampler;

#[cfg(test)]
mod fake;
