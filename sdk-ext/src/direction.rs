//! Direction: which way a message goes, and what the host calls its parts.

use crate::abi::{Buffer, Map};
use crate::phases::Phases;

/// The direction of a message, by its number in the ABI's `proxy_continue_stream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Direction {
    /// To the upstream.
    Request = 0,
    /// To the client.
    Response = 1,
}

impl Direction {
    /// The name of the message in property paths.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }

    pub(crate) const fn headers(self) -> Map {
        match self {
            Self::Request => Map::RequestHeaders,
            Self::Response => Map::ResponseHeaders,
        }
    }

    pub(crate) const fn trailers(self) -> Map {
        match self {
            Self::Request => Map::RequestTrailers,
            Self::Response => Map::ResponseTrailers,
        }
    }

    pub(crate) const fn body(self) -> Buffer {
        match self {
            Self::Request => Buffer::RequestBody,
            Self::Response => Buffer::ResponseBody,
        }
    }

    pub(crate) const fn headers_phase(self) -> Phases {
        match self {
            Self::Request => Phases::named("request_headers"),
            Self::Response => Phases::named("response_headers"),
        }
    }

    pub(crate) const fn body_phase(self) -> Phases {
        match self {
            Self::Request => Phases::named("request_body"),
            Self::Response => Phases::named("response_body"),
        }
    }

    pub(crate) const fn trailers_phase(self) -> Phases {
        match self {
            Self::Request => Phases::named("request_trailers"),
            Self::Response => Phases::named("response_trailers"),
        }
    }
}
