//! The trace sampler decides, per request and by business rule, whether a distributed trace is recorded.
//!
//! [`TraceSampler`] is the filter; with `entropy` and `shared_window` it asks the host for headers, for entropy and for what
//! its workers share. What decides is pure: [`config`] reads the configuration, [`decision`] reaches a verdict, [`limits`] holds it to what a tier
//! takes in a second, [`propagation`] or [`envoy_decision`] turns it into an
//! [`action::Action`], and [`sampler`] joins them for one request.
//!
//! With the feature `span_export` there is a second filter beside it, which also exports a span for each sampled request.

#![forbid(unsafe_code)]

pub mod action;
pub mod config;
pub mod context;
pub mod decision;
mod entropy;
pub mod envoy_decision;
mod filter;
pub mod force;
pub mod formats;
pub mod limits;
mod lower_hex;
mod ows;
pub mod probability;
pub mod propagation;
pub mod sampler;
mod shared_window;
#[cfg(feature = "span_export")]
pub mod span_export;
pub mod traceparent;
pub mod tracestate;
pub mod trust;

pub use filter::TraceSampler;
#[cfg(feature = "span_export")]
pub use span_export::SpanExportingTraceSampler;

#[cfg(test)]
mod fake;
