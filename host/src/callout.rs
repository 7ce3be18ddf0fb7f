//! Callouts: requests that filters send themselves.

use crate::fields::Fields;

/// A callout of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CalloutId {
    /// The VM.
    pub vm: u64,
    /// The token in the VM: its lowest two bits are 0 for HTTP, 1 for a gRPC call, 2 for a gRPC stream.
    pub token: u32,
}

/// A request that a filter sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callout {
    /// The root context that gets the answer.
    pub root: u32,
    /// Where it goes.
    pub cluster: String,
    /// Its headers; those of a gRPC call are its metadata behind `:path` and the like.
    pub headers: Fields,
    /// Its body; of a gRPC call the message, without a frame around it.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Fields,
    /// In how many milliseconds it ends in a timeout; 0 is never.
    pub timeout: u32,
}

/// What a callout gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalloutEvent {
    /// A response to an HTTP callout, which ends it.
    Response {
        /// With `:status`.
        headers: Fields,
        /// The whole body.
        body: Vec<u8>,
        /// The trailers.
        trailers: Fields,
    },
    /// The connection was refused or broke: an HTTP callout gets Envoy's own 503, a gRPC call the status 14.
    Broken(&'static str),
    /// It took too long: an HTTP callout gets Envoy's own 504, a gRPC call the status 14.
    TimedOut,
    /// An HTTP callout fails without a response.
    Failed,
    /// The first metadata of a gRPC stream.
    GrpcInitialMetadata(Fields),
    /// A message of a gRPC call, which ends it, or of a gRPC stream.
    GrpcMessage(Vec<u8>),
    /// The last metadata of a gRPC stream.
    GrpcTrailingMetadata(Fields),
    /// The end of a gRPC call or stream: its status and message.
    GrpcClose(u32, Vec<u8>),
}

/// The kinds of callouts, which are the lowest two bits of their tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalloutKind {
    /// An HTTP request.
    Http = 0,
    /// A unary gRPC call.
    GrpcCall = 1,
    /// A gRPC stream.
    GrpcStream = 2,
}

impl CalloutKind {
    /// The kind of a token.
    #[must_use]
    pub const fn of(token: u32) -> Option<Self> {
        match token & 3 {
            0 => Some(Self::Http),
            1 => Some(Self::GrpcCall),
            2 => Some(Self::GrpcStream),
            _ => None,
        }
    }
}
