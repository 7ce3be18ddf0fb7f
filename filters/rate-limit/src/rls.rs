//! Global limits: counted by a rate limit service (RLS) for all Envoys, asked over Envoy's own protocol.
//!
//! A limit with `rls` is asked after all local ones have admitted a request: [`question`] is what, read from the request,
//! [`Rls::call`] asks it, and [`Rls::verdict`] reads the answer. A refusal that says how long it holds is remembered for
//! that long ([`Rls::remembered`]), so that the service is not asked again. Where the service gives no answer, its
//! [`FailureMode`](crate::config::FailureMode) decides; with `local` the limit's own `rate` (with its `burst` and `key`) holds meanwhile.

mod answer;
mod client;
mod config;
mod descriptors;
mod message;
mod refusals;

pub(crate) use answer::Answer;
pub(crate) use client::{Rls, Verdict};
pub(crate) use config::RlsConfig;
pub(crate) use descriptors::{Asked, Question, question};
