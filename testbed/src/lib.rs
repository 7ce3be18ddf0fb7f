//! A mesh on loopback: real Envoy, upstreams, a module server.
