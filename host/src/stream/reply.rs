//! A local reply: what the client is answered in the upstream's place.

use super::Direction;
use crate::fields::Fields;

/// An answer in the upstream's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// The status, which nobody checks.
    pub status: u32,
    /// The body, or the message of a gRPC status.
    pub body: Vec<u8>,
    /// More headers.
    pub headers: Fields,
    /// The gRPC status, in place of the one that goes with the HTTP status.
    pub grpc_status: Option<u32>,
    /// Why, in Envoy's words.
    pub details: String,
}

impl LocalReply {
    fn new(status: u32, body: &str, details: &str) -> Self {
        let (body, details) = (body.as_bytes().to_vec(), details.to_owned());
        Self { status, body, headers: Fields::new(), grpc_status: None, details }
    }

    /// Of a filter whose VM is gone.
    pub(crate) fn failed() -> Self {
        Self { grpc_status: Some(14), ..Self::new(503, "", "wasm_fail_stream") }
    }

    /// Of a message that a filter held back beyond the limit.
    pub(crate) fn too_large(direction: Direction) -> Self {
        match direction {
            Direction::Request => Self::new(413, "Payload Too Large", "request_payload_too_large"),
            Direction::Response => Self::new(500, "Internal Server Error", "response_payload_too_large"),
        }
    }

    /// Of a request that no route fits.
    pub(crate) fn no_route() -> Self {
        Self::new(404, "", "route_not_found")
    }

    /// Of a request that filters took a header from that it needs.
    pub(crate) fn missing_request_header(name: &str) -> Self {
        Self::invalid_request_header(&format!("missing required header: {name}"))
    }

    /// Of a request to which filters gave a header that cannot be sent.
    pub(crate) fn invalid_request_header(why: &str) -> Self {
        let details = format!("filter_removed_required_request_headers{{{}}}", why.replace(' ', "_"));
        Self::new(503, why, &details)
    }

    /// Of a request whose upstream breaks off before it answers.
    pub(crate) fn upstream_reset() -> Self {
        let body = "upstream connect error or disconnect/reset before headers. reset reason: connection termination";
        Self::upstream_failure(body, "upstream_reset_before_response_started{connection_termination}")
    }

    /// Of a response without a status.
    pub(crate) fn no_status() -> Self {
        Self::new(502, "missing required header: :status", "filter_removed_required_response_headers")
    }

    /// Of a request whose upstream cannot be reached or breaks off before it answers.
    pub(crate) fn upstream_failure(body: &str, details: &str) -> Self {
        Self { grpc_status: Some(14), ..Self::new(503, body, details) }
    }
}

/// The gRPC status that goes with an HTTP status.
pub(crate) const fn grpc_status(status: u32) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}
