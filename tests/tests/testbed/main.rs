//! The testbed itself: what the other tests take for granted.

#![allow(clippy::unwrap_used)] // a test that cannot start its mesh has failed

mod envoy;
mod servers;

use palisade_testbed::envoy::Builder;
use palisade_testbed::{Envoy, Upstream};

/// An Envoy without any module in front of this upstream.
fn proxy(upstream: &Upstream) -> Builder {
    let bootstrap = Envoy::from_yaml(include_str!("proxy.yaml")).unwrap();
    let bootstrap = bootstrap.cluster("upstream", upstream.addr()).unwrap();
    bootstrap.cluster("upstream_http2", upstream.addr()).unwrap()
}
