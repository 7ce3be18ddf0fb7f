//! gRPC call: a unary call that the filter itself makes to one of the host's clusters, and its answer.
//!
//! Envoy ends each call by exactly one callback on the root context: `proxy_on_grpc_receive` with the message where the
//! status is 0, else `proxy_on_grpc_close`. After a cancel none comes. For a call that it refuses it closes one whose
//! token nobody has, once the running callback has returned. The callbacks for metadata and trailers are for streams.

pub(crate) mod service;
mod status;

use crate::abi::{self, Buffer};
use crate::headers::{self, HeaderError, Write};
use crate::runtime::calls::deadline;
use crate::runtime::stream::Stream;
use crate::shell::{self, GrpcRequest};
use crate::status::{HostError, Status};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

pub use status::GrpcStatus;

/// A unary call to one of the host's clusters, to be sent with [`GrpcCall::send`].
///
/// Without further ado its message is empty (as in Protocol Buffers one with defaults alone is); it has a deadline of
/// one second, which the server is told, and room for an answer of 64 KiB. Messages are bytes: the host puts them into
/// their frames, uncompressed, and shows neither metadata nor trailers of the answer.
///
/// ```
/// # use palisade_sdk::{Filter, GrpcError, Handle};
/// # use std::time::Duration;
/// # async fn ask<F: Filter>(handle: &Handle<F>, request: Vec<u8>) -> Result<Vec<u8>, GrpcError> {
/// let call = handle.grpc_call("quota", "envoy.service.ratelimit.v3.RateLimitService", "ShouldRateLimit");
/// let answer = call.message(request).timeout(Duration::from_millis(20)).send().await?;
/// # Ok(answer.message)
/// # }
/// ```
#[must_use = "nothing is sent before `send`"]
pub struct GrpcCall {
    stream: Rc<Stream>,
    cluster: String,
    service: String,
    method: String,
    metadata: Vec<(String, Vec<u8>)>,
    message: Vec<u8>,
    timeout: Duration,
    max_message: usize,
}

impl GrpcCall {
    pub(crate) fn new(stream: Rc<Stream>, cluster: &str, service: &str, method: &str) -> Self {
        Self {
            stream,
            cluster: cluster.to_owned(),
            service: service.to_owned(),
            method: method.to_owned(),
            metadata: Vec::new(),
            message: Vec::new(),
            timeout: Duration::from_secs(1),
            max_message: 64 * 1024,
        }
    }

    /// Adds a line of metadata. A value whose name ends in `-bin` goes out as it is: encode it in Base64.
    ///
    /// # Errors
    ///
    /// The name or value is not valid in a message, or it is gRPC's own (`content-type`, `grpc-*`): see
    /// [`HeaderError`].
    pub fn metadata(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, HeaderError> {
        if name == "content-type" || name.starts_with("grpc-") {
            return Err(HeaderError::Framing);
        }
        headers::check(Write::Add, name, value.as_ref())?;
        self.metadata.push((name.to_owned(), value.as_ref().to_vec()));
        Ok(self)
    }

    /// Sets the message; the host puts it into its frame.
    pub fn message(mut self, message: impl Into<Vec<u8>>) -> Self {
        self.message = message.into();
        self
    }

    /// Sets the deadline for the whole call: at least a millisecond (0 would be none) and at most 24 days.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the most that the answer's message may be, in bytes. The host reads no further than that.
    pub fn max_message(mut self, max_message: usize) -> Self {
        self.max_message = max_message;
        self
    }

    /// Sends the message and waits for the answer. To drop the future cancels the call: the server sees a reset. (In a module
    /// of the `proxy-wasm` crate, the call goes on to its deadline, and its answer finds nobody.)
    ///
    /// # Errors
    ///
    /// There is no message with status 0: [`GrpcError::is_temporary`] says whether it may help to try again.
    pub async fn send(self) -> Result<GrpcAnswer, GrpcError> {
        let path = format!("/{}/{}", self.service, self.method);
        // The host would write it into the request line of a cluster that speaks HTTP/1.1.
        headers::check(Write::Set, ":path", path.as_bytes()).map_err(|_| GrpcError::Name)?;
        let token = self.dispatch().map_err(GrpcError::NotSent)?;
        self.stream.root.grpc_calls.answer(token, self.max_message, || self.cancel(token)).await
    }

    fn dispatch(&self) -> Result<u32, HostError> {
        shell::grpc_call(&GrpcRequest {
            root: self.stream.root.id,
            cluster: &self.cluster,
            service: &self.service,
            method: &self.method,
            metadata: &self.metadata,
            message: &self.message,
            timeout_ms: deadline(self.timeout),
            max_message: self.max_message,
        })
    }

    fn cancel(&self, token: u32) {
        match shell::grpc_cancel(token) {
            // The host was faster: the answer is on its way, and will find nobody.
            Err(error) if error.status != Status::NotFound => self.stream.root.report(&error),
            _ => {}
        }
    }
}

/// What a server answered with status 0.
#[derive(Clone, PartialEq, Eq)]
pub struct GrpcAnswer {
    /// The message without its frame; the last one where a server sends several.
    pub message: Vec<u8>,
}

/// Without the message, which may hold what no log should.
impl fmt::Debug for GrpcAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrpcAnswer({} bytes)", self.message.len())
    }
}

/// Why a gRPC call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrpcError {
    /// The service or the method is no part of a path.
    Name,
    /// The host did not send it: there is no such cluster, it has no endpoints, or the capability is withheld.
    NotSent(HostError),
    /// The deadline passed, here or at the server (`DEADLINE_EXCEEDED`).
    Timeout,
    /// No endpoint took the call, or the connection broke before its end.
    Unreachable,
    /// The server answered with a status that is not 0. So does Envoy in its place, with a status without a message, where
    /// the answer is not gRPC or has no message (13, or the status that stands for the answer's HTTP status).
    Status(GrpcStatus),
    /// The answer's message is longer than [`GrpcCall::max_message`]; a server's own `RESOURCE_EXHAUSTED` without a message
    /// looks the same.
    TooLong,
    /// What the host handed over cannot be read.
    Malformed,
}

impl GrpcError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Timeout | Self::Unreachable => true,
            // Envoy's answer for a cluster without endpoints, and for one that it does not know (yet).
            Self::NotSent(error) => error.status == Status::InternalFailure,
            Self::Status(status) => status.is_temporary(),
            Self::Name | Self::TooLong | Self::Malformed => false,
        }
    }
}

impl fmt::Display for GrpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("the service or the method is no part of a path"),
            Self::NotSent(error) => write!(f, "the call was not sent: {error}; is there such a cluster?"),
            Self::Timeout => f.write_str("the call timed out"),
            Self::Unreachable => f.write_str("the cluster could not be reached"),
            Self::Status(status) => write!(f, "the server answered with gRPC status {}", status.code),
            Self::TooLong => f.write_str("the answer is too long"),
            Self::Malformed => f.write_str("the answer cannot be read"),
        }
    }
}

impl std::error::Error for GrpcError {}

/// Reads the message in the callback that brings it.
pub(crate) fn read_answer(size: usize, max_message: usize) -> Result<GrpcAnswer, GrpcError> {
    if size > max_message {
        return Err(GrpcError::TooLong);
    }
    let message = abi::buffer_bytes(Buffer::GrpcReceive, 0, size).map_err(|_| GrpcError::Malformed)?;
    Ok(GrpcAnswer { message })
}

/// Reads the status message in the callback that closes a call without an answer.
pub(crate) fn read_close(code: u32) -> GrpcError {
    match abi::status_message() {
        Ok(message) => status::judge(code, &message),
        Err(_) => GrpcError::Malformed,
    }
}
