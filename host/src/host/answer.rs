//! Answers of an upstream or a cluster, as a test scripts them.

use crate::callout::{CalloutEvent, CalloutId, CalloutKind};
use crate::fields::Fields;
use crate::worker::{UpstreamFailure, Worker};
use std::time::Duration;

/// What an upstream or a cluster answers, and when.
#[derive(Clone, Debug)]
pub struct Answer {
    after: Duration,
    outcome: Option<Outcome>,
}

/// What comes.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Response { headers: Fields, chunks: Vec<Vec<u8>>, trailers: Option<Fields> },
    Failure(UpstreamFailure),
    GrpcMessage(Vec<u8>),
    GrpcStatus(u32, Vec<u8>),
}

impl Answer {
    /// A response without a body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let headers = [(":status", status.to_string())].into_iter().collect();
        Self::new(Outcome::Response { headers, chunks: Vec::new(), trailers: None })
    }

    /// No connection.
    #[must_use]
    pub fn refused() -> Self {
        Self::new(Outcome::Failure(UpstreamFailure::Refused))
    }

    /// A connection that breaks.
    #[must_use]
    pub fn reset() -> Self {
        Self::new(Outcome::Failure(UpstreamFailure::Reset))
    }

    /// No answer at all.
    #[must_use]
    pub const fn never() -> Self {
        Self { after: Duration::ZERO, outcome: None }
    }

    /// The message of a gRPC call.
    #[must_use]
    pub fn grpc(message: impl AsRef<[u8]>) -> Self {
        Self::new(Outcome::GrpcMessage(message.as_ref().to_vec()))
    }

    /// A gRPC call that fails.
    #[must_use]
    pub fn grpc_status(status: u32, message: &str) -> Self {
        Self::new(Outcome::GrpcStatus(status, message.as_bytes().to_vec()))
    }

    fn new(outcome: Outcome) -> Self {
        Self { after: Duration::ZERO, outcome: Some(outcome) }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Some(Outcome::Response { headers, .. }) = &mut self.outcome {
            headers.add(name, value);
        }
        self
    }

    /// With one more piece of a body.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        if let Some(Outcome::Response { chunks, .. }) = &mut self.outcome {
            chunks.push(body.as_ref().to_vec());
        }
        self
    }

    /// With one more trailer.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Some(Outcome::Response { trailers, .. }) = &mut self.outcome {
            trailers.get_or_insert_default().add(name, value);
        }
        self
    }

    /// Only when this time has passed.
    #[must_use]
    pub const fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }

    pub(super) fn outcomes(self) -> Vec<(Duration, Outcome)> {
        self.outcome.into_iter().map(|outcome| (self.after, outcome)).collect()
    }

    /// What a callout of this id gets.
    pub(super) fn events(self, id: CalloutId) -> Vec<(Duration, CalloutEvent)> {
        let after = self.after;
        let events = self.outcome.map(|outcome| outcome.events(CalloutKind::of(id.token))).unwrap_or_default();
        events.into_iter().map(|event| (after, event)).collect()
    }
}

// === impl Outcome ===

impl Outcome {
    fn events(self, kind: Option<CalloutKind>) -> Vec<CalloutEvent> {
        match self {
            Self::Response { headers, chunks, trailers } => {
                let (body, trailers) = (chunks.concat(), trailers.unwrap_or_default());
                vec![CalloutEvent::Response { headers, body, trailers }]
            }
            Self::Failure(UpstreamFailure::TimedOut) => vec![CalloutEvent::TimedOut],
            Self::Failure(UpstreamFailure::Refused) => vec![CalloutEvent::Broken("remote connection failure")],
            Self::Failure(UpstreamFailure::Reset) => vec![CalloutEvent::Broken("connection termination")],
            Self::GrpcMessage(message) if kind == Some(CalloutKind::GrpcStream) => vec![
                CalloutEvent::GrpcInitialMetadata(grpc_headers()),
                CalloutEvent::GrpcMessage(message),
                CalloutEvent::GrpcTrailingMetadata([("grpc-status", "0")].into_iter().collect()),
                CalloutEvent::GrpcClose(0, b"via_upstream".to_vec()),
            ],
            Self::GrpcMessage(message) => vec![CalloutEvent::GrpcMessage(message)],
            Self::GrpcStatus(status, message) => vec![CalloutEvent::GrpcClose(status, message)],
        }
    }

    /// Lets a worker see it as the upstream's answer, as over HTTP/1: each piece of the body as a frame, and the end by itself.
    pub(super) fn play(self, worker: &mut Worker, stream: u64) {
        match self {
            Self::Response { headers, chunks, trailers } => {
                let bare = chunks.is_empty() && trailers.is_none();
                worker.response_headers(stream, headers, bare);
                for chunk in chunks {
                    worker.response_data(stream, chunk, false);
                }
                match trailers {
                    Some(trailers) => worker.response_trailers(stream, trailers),
                    None if bare => {}
                    None => worker.response_data(stream, Vec::new(), true),
                }
            }
            Self::Failure(failure) => worker.upstream_failed(stream, failure),
            Self::GrpcMessage(_) | Self::GrpcStatus(..) => {}
        }
    }
}

/// What Envoy shows of the response to a gRPC call.
fn grpc_headers() -> Fields {
    let headers = [(":status", "200"), ("content-type", "application/grpc"), ("x-envoy-upstream-service-time", "0")];
    headers.into_iter().collect()
}
