//! Place: which of the two messages of an exchange is looked at.

use crate::config::Directions;

/// Where something was found, in metrics.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Request,
    Response,
}

impl Place {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }

    /// Whether what has these directions is in force here.
    pub(super) fn applies(self) -> fn(&Directions) -> bool {
        match self {
            Self::Request => |directions| directions.request,
            Self::Response => |directions| directions.response,
        }
    }

    /// The status of a message that cannot be read.
    pub(super) fn unreadable(self) -> u16 {
        match self {
            Self::Request => 415,
            Self::Response => 502,
        }
    }

    /// The status of a message that cannot be masked.
    pub(super) fn failed(self) -> u16 {
        match self {
            Self::Request => 400,
            Self::Response => 502,
        }
    }
}
