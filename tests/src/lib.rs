//! Suites and scenarios that run against real Envoy.
//!
//! The library reads the suites of `tests/suites/` and runs their files; which Envoy they run against is the business of
//! each test target.

pub mod group;
pub mod hurl_file;
