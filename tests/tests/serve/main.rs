//! `palisade serve` on the wire: what its connections, its files and its peers do to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod admin;
mod connections;
mod framing;
mod gaps;
mod grpc;
mod setup;
mod timeouts;
mod watch;
