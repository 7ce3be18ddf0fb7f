//! Write Proxy-Wasm filters for Envoy and Istio as one async function.
//!
//! ```
//! use palisade_sdk::config::{FromFields, Object};
//! use palisade_sdk::{Exchange, Filter, OnFailure, Phases, Plugin, Reply, config::ConfigErrors, phases};
//!
//! /// Lets a request pass when it knows the word, and tells the client how long the upstream's answer is fresh.
//! struct Doorkeeper {
//!     word: String,
//! }
//!
//! struct Config {
//!     word: String,
//! }
//!
//! impl FromFields for Config {
//!     fn from_fields(object: &mut Object<'_>) -> Option<Self> {
//!         let word = object.required("word");
//!         Some(Self { word: word? })
//!     }
//! }
//!
//! impl Filter for Doorkeeper {
//!     type Config = Config;
//!     const NAME: &'static str = "doorkeeper";
//!     const VERSION: &'static str = "1.0.0";
//!     const PHASES: Phases = phases![request_headers, response_headers];
//!     const ON_FAILURE: OnFailure = OnFailure::Refuse;
//!
//!     fn configure(config: Config, _plugin: Plugin) -> Result<Self, ConfigErrors> {
//!         Ok(Self { word: config.word })
//!     }
//!
//!     async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
//!         let mut request = exchange.request().await; // the headers are here, nothing has gone upstream
//!         if request.header("x-word")?.as_deref() != Some(self.word.as_bytes()) {
//!             return Err(Reply::new(403, "palisade_doorkeeper_wrong_word"));
//!         }
//!         request.remove_header("x-word")?;
//!         let mut response = request.response().await; // the request goes on; the response's headers are here
//!         response.set_header("cache-control", "max-age=60")?;
//!         Ok(()) // finished: the rest of the stream is not our business
//!     }
//! }
//! ```
//!
//! A crate of type `cdylib` makes a module of it with one line,
//! `palisade_sdk::filter!(Doorkeeper, phases: [request_headers, response_headers]);` (see [`filter!`]). What the value in hand allows, and what
//! waiting means for the messages, stands in [`exchange`]; how a configuration is read in [`config`]; which requests a
//! rule is about in [`matching`].
//!
//! # What the SDK takes care of
//!
//! * It never traps: every host call whose answer matters is a `Result`, and there is no `unwrap` to be found here.
//! * Header names and values are bytes, duplicates are visible, and what would split or desynchronise a message
//!   cannot be written.
//! * It owns the pause state: a message is held while the filter works with it, and goes on exactly once.
//! * At the end of a stream its future is dropped, and its timers and callouts with it.
//! * Each plugin configuration has its own state; during an update the old and the new one live side by side.
//! * A module imports the host functions that its filter uses, and exports the callbacks that it declares, no more.

pub mod config;
pub mod digest;
pub mod exchange;
pub mod json;
pub mod matching;
pub mod metrics;
pub mod protobuf;
pub mod random;
#[doc(hidden)]
pub mod shell;
pub mod signature;

mod abi;
mod bytes;
mod direction;
mod event;
mod filter;
mod fused;
mod grpc_call;
mod handle;
mod headers;
mod http_call;
mod log;
mod module;
mod phases;
mod plugin;
mod reply;
mod runtime;
mod shared_data;
mod status;

pub use event::Event;
pub use exchange::{Exchange, Request, Response};
pub use filter::{Filter, OnFailure};
pub use grpc_call::{GrpcAnswer, GrpcCall, GrpcError, GrpcStatus};
pub use handle::{Handle, now};
pub use headers::{HeaderError, HeaderMap};
pub use http_call::{Answer, CallError, HttpCall};
pub use metrics::{Counter, Gauge, Histogram};
pub use phases::Phases;
pub use plugin::Plugin;
pub use reply::{ExchangeError, Reply};
pub use shared_data::{SharedKey, UpdateError, Version};
pub use status::{HostError, Status};
