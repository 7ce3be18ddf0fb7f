//! A mesh on loopback: real Envoy, upstreams, a module server, and clients that say exactly what they send.
//!
//! Everything is blocking for its user and lives until it is dropped; servers share one runtime in the background.
//! Every port is bound by its owner, which is asked for the number, so that any number of meshes run side by side.
//!
//! ```no_run
//! use palisade_testbed::{Envoy, Request, Upstream, http1};
//!
//! let upstream = Upstream::start()?;
//! let envoy = Envoy::pinned("trace-sampler.propagate.yaml")?
//!     .cluster("upstream", upstream.addr())?
//!     .start()?;
//! let response = http1::exchange(envoy.addr("ingress")?, &Request::get("/users"))?;
//! assert_eq!(response.echo()?.path, "/users");
//! # anyhow::Ok(())
//! ```

// A testbed is not guest code: it runs natively, on input that its own tests choose.
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::disallowed_types)]

pub mod checkout;
pub mod client;
mod collector;
pub mod effort;
pub mod envoy;
pub mod grpc;
pub mod http1;
pub mod http2;
pub mod idp;
pub mod interrupt;
pub mod load;
mod message;
mod module_server;
mod process;
mod raw_upstream;
mod server;
pub mod upstream;
mod wire;

pub use collector::{Collector, Export};
pub use envoy::Envoy;
pub use idp::Idp;
pub use message::{Echo, EchoBody, Field, Headers, Request, Response};
pub use module_server::{ModuleServer, sha256};
/// OTLP as its authors define it.
pub use opentelemetry_proto::tonic as otlp;
pub use process::Process;
pub use raw_upstream::RawUpstream;
pub use upstream::{Answer, Received, Upstream};
