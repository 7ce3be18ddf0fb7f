//! Global limits: counted by a rate limit service (RLS) for all Envoys, asked over Envoy's own protocol.
//!
//! A limit with `rls` is asked after all local ones have admitted a request, by [`Rls::question`] (what the service is asked, read
//! from the request) and [`Rls::ask`]. A refusal that says how long it holds is remembered for that long, so that the
//! service is not asked again. Where the service gives no answer, [`Rls::failure_mode`] decides; with
//! [`FailureMode::Local`] the limit's own `rate` (with its `burst` and `key`) holds meanwhile.

mod answer;
mod client;
mod config;
mod descriptors;
mod message;
mod protobuf;
mod refusals;

pub(crate) use answer::Answer;
pub(crate) use client::{Rls, Verdict};
pub(crate) use config::{FailureMode, RlsConfig};
pub(crate) use descriptors::Asked;
