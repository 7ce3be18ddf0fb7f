//! Shell: what brings the host's callbacks to the runtime.
//!
//! There are two: the exports of [`filter!`](crate::filter), and the crate `palisade-proxy-wasm`, in whose modules the
//! callbacks come by way of another crate's [`Dispatcher`]. The log is the shell's business, since a module has one
//! logger.

use crate::grpc_call::service;
use crate::runtime::stream::Stream;
use crate::status::HostError;
use crate::{abi, headers};
use std::cell::Cell;

pub use crate::abi::{allocate, log as write_log, set_effective_context};
pub use crate::fused::{End, Fusion, Link, Parts};
pub use crate::runtime::Runtime;

/// The allocator of a module.
#[cfg(target_arch = "wasm32")]
pub use crate::abi::memory::ModuleMemory;

/// The `log` crate's macros and panics, in the host's log.
pub mod log {
    pub use crate::log::{follow, install, refresh};
}

/// An HTTP call of a filter.
pub struct HttpRequest<'a> {
    /// The root context of its filter.
    pub root: u32,
    /// The host's cluster.
    pub cluster: &'a str,
    /// All headers, `:method` and the like among them.
    pub headers: &'a [(String, Vec<u8>)],
    /// The body.
    pub body: &'a [u8],
    /// From 1 to `i32::MAX`.
    pub timeout_ms: u32,
}

/// A gRPC call of a filter.
pub struct GrpcRequest<'a> {
    /// The root context of its filter.
    pub root: u32,
    /// The host's cluster.
    pub cluster: &'a str,
    /// The service's name.
    pub service: &'a str,
    /// The method's name.
    pub method: &'a str,
    /// The metadata.
    pub metadata: &'a [(String, Vec<u8>)],
    /// The message.
    pub message: &'a [u8],
    /// From 1 to `i32::MAX`.
    pub timeout_ms: u32,
    /// How long the answer may be, in bytes.
    pub max_message: usize,
}

/// What has the exports of a module in which the SDK has not. It knows each call that waits for its answer, and brings
/// that answer to the context in whose callback the call was sent; if that context is gone, the answer is lost. A call that
/// the host was told to cancel, it would know for ever.
pub trait Dispatcher {
    /// The context whose callback is running.
    fn running(&self) -> u32;

    /// Sends an HTTP call and returns its token.
    ///
    /// # Errors
    ///
    /// The host refused, or the dispatcher cannot express the call.
    fn http_call(&self, request: &HttpRequest<'_>) -> Result<u32, HostError>;

    /// Sends a gRPC call and returns its token.
    ///
    /// # Errors
    ///
    /// The host refused, or the dispatcher cannot express the call.
    fn grpc_call(&self, request: &GrpcRequest<'_>) -> Result<u32, HostError>;
}

thread_local! {
    /// Nothing sets it in a module of `filter!`, so that the linker takes it for the constant that it is there.
    static DISPATCHER: Cell<Option<&'static dyn Dispatcher>> = const { Cell::new(None) };
}

/// Lets all calls go through a dispatcher.
pub fn dispatch_through(dispatcher: &'static dyn Dispatcher) {
    DISPATCHER.set(Some(dispatcher));
}

/// The context whose callback a dispatcher is running.
pub(crate) fn running() -> Option<u32> {
    DISPATCHER.get().map(Dispatcher::running)
}

/// Whether the answer to a call that is sent now comes as long as the stream lives: it comes to the stream itself or to
/// its root.
pub(crate) fn answers(stream: &Stream) -> bool {
    running().is_none_or(|running| running == stream.id || running == stream.root.id)
}

pub(crate) fn http_call(request: &HttpRequest<'_>) -> Result<u32, HostError> {
    match DISPATCHER.get() {
        Some(dispatcher) => dispatcher.http_call(request),
        None => abi::http_call(request.cluster, &encode(request.headers), request.body, request.timeout_ms),
    }
}

pub(crate) fn grpc_call(request: &GrpcRequest<'_>) -> Result<u32, HostError> {
    match DISPATCHER.get() {
        Some(dispatcher) => dispatcher.grpc_call(request),
        None => abi::grpc_call(
            &service::encode(request.cluster, request.max_message),
            request.service,
            request.method,
            &encode(request.metadata),
            request.message,
            request.timeout_ms,
        ),
    }
}

/// Gives up a gRPC call, unless a dispatcher has to see its end.
pub(crate) fn grpc_cancel(token: u32) -> Result<(), HostError> {
    match DISPATCHER.get() {
        Some(_) => Ok(()),
        None => abi::grpc_cancel(token),
    }
}

fn encode(lines: &[(String, Vec<u8>)]) -> Vec<u8> {
    headers::encode(lines.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
}
