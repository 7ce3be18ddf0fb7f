//! Runs Palisade filters in a module that is built on the [`proxy-wasm`](proxy_wasm) crate.
//!
//! [`filter!`](palisade_sdk::filter) makes a module of one filter, with exports of its own: prefer that. This crate is for
//! teams that have a module on the `proxy-wasm` crate already, whose exports a module can have only once. There, a
//! [`Root`] is a root context and an [`Http`] an HTTP context like any other:
//!
//! ```no_run
//! use palisade_proxy_wasm::{Root, log_to_host};
//! use palisade_sdk::config::{ConfigErrors, FromFields, Object};
//! use palisade_sdk::{Exchange, Filter, OnFailure, Phases, Plugin, Reply, phases};
//! use std::time::Duration;
//!
//! proxy_wasm::main! {{
//!     log_to_host();
//!     proxy_wasm::set_root_context(|id| Box::new(Root::<Doorkeeper>::new(id)));
//! }}
//!
//! /// Lets a request pass when a cluster says so.
//! struct Doorkeeper {
//!     cluster: String,
//! }
//!
//! struct Config {
//!     cluster: String,
//! }
//!
//! impl FromFields for Config {
//!     fn from_fields(object: &mut Object<'_>) -> Option<Self> {
//!         Some(Self { cluster: object.required("cluster")? })
//!     }
//! }
//!
//! impl Filter for Doorkeeper {
//!     type Config = Config;
//!     const NAME: &'static str = "doorkeeper";
//!     const VERSION: &'static str = "1.0.0";
//!     const PHASES: Phases = phases![request_headers, http_call];
//!     const ON_FAILURE: OnFailure = OnFailure::Refuse;
//!
//!     fn configure(config: Config, _plugin: Plugin) -> Result<Self, ConfigErrors> {
//!         Ok(Self { cluster: config.cluster })
//!     }
//!
//!     async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
//!         let request = exchange.request().await;
//!         let call = request.handle().http_call(&self.cluster).timeout(Duration::from_millis(200));
//!         match call.send().await {
//!             Ok(answer) if answer.status == 200 => Ok(()),
//!             _ => Err(Reply::new(403, "palisade_doorkeeper_refused")),
//!         }
//!     }
//! }
//! ```
//!
//! The crate that holds it is a `cdylib`; `cargo palisade build --guest DIR --out DIR` builds it.
//!
//! # Beside code of your own
//!
//! A root context of yours holds a [`Root`] and hands on to it `on_configure`, `on_tick` and the answers to calls
//! (`on_http_call_response`, `on_grpc_call_response`); an HTTP context of yours holds an [`Http`] and hands on the callbacks of
//! request and response, whose [`Action`] it answers, and the answers to calls. Tokens of calls that are yours, they ignore. Both
//! end with their contexts, when they are dropped.
//!
//! ```no_run
//! # use palisade_proxy_wasm::Http;
//! # use palisade_sdk::Filter;
//! use proxy_wasm::traits::{Context, HttpContext};
//! use proxy_wasm::types::Action;
//!
//! struct Ours<F: Filter> {
//!     palisade: Http<F>, // Http::new(context_id, root_context_id)
//! }
//!
//! impl<F: Filter> HttpContext for Ours<F> {
//!     fn on_http_request_headers(&mut self, headers: usize, end_of_stream: bool) -> Action {
//!         // What is yours goes here, and the rest of the callbacks below.
//!         self.palisade.on_http_request_headers(headers, end_of_stream)
//!     }
//! }
//!
//! impl<F: Filter> Context for Ours<F> {
//!     fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, trailers: usize) {
//!         self.palisade.on_http_call_response(token, headers, body, trailers);
//!     }
//!
//!     fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
//!         self.palisade.on_grpc_call_response(token, status, size);
//!     }
//! }
//! ```
//!
//! * All of the body and trailers callbacks must be handed on, even if the filter declares none of those phases: with them
//!   it holds what follows a request's headers while it waits.
//! * One of the two may hold a message, the filter or your code. Neither knows what the other holds: it would let it go.
//!   For the same reason, two filters go into two modules.
//! * The tick belongs to the filter, which sets its period.
//! * A module has one logger: call [`log_to_host`] or `proxy_wasm::set_log_level`, never both.
//!
//! # What differs from a module of `filter!`
//!
//! * Its contexts are trait objects, so that it imports and exports everything that the `proxy-wasm` crate knows. The list
//!   of capabilities says no more what the filter does.
//! * Header values of an HTTP call must be UTF-8: that crate takes no others. A call with other bytes is
//!   [not sent](palisade_sdk::CallError::NotSent). Nor is a gRPC call to a cluster with a name of more than 110 bytes.
//! * A gRPC call goes on to its deadline when its future is dropped: that crate would keep the token of a cancelled one for
//!   ever.
//! * That crate brings the answer to a callout to the exchange in whose callback it was sent. A future that something else
//!   than its own exchange or its root wakes is therefore polled in the root's next tick, at least a millisecond later. A call that one
//!   exchange begins for another (a shared future) is [unreachable](palisade_sdk::CallError::Unreachable), which can be
//!   tried again, once the exchange that began it has gone.
//! * Without `proxy_set_effective_context` among the capabilities that crate would panic at the first answer. A filter that
//!   makes callouts then refuses its configuration.
//! * That crate does not tell a gRPC call's end with status 0 and no message, which Envoy never gives, from an empty answer.
//! * The order of a filter's phases is not checked: `background` makes all events the background task's.
//! * What that crate does by itself is as it is there: it panics when memory runs out, and when a host answers
//!   `proxy_http_call` or `proxy_grpc_call` with a status that it does not expect; and code that reads headers with it panics at bytes that are no
//!   text.
//!
//! [`Action`]: proxy_wasm::types::Action

mod calls;
mod context;
mod dispatcher;
mod http;
mod log;
mod root;
mod text;

pub use http::Http;
pub use log::log_to_host;
pub use root::Root;
