//! Suites and scenarios that run against real Envoy.
