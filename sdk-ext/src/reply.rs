//! Reply: what the client gets in place of the upstream's answer.

use crate::headers::{self, HeaderError, Write};
use crate::status::HostError;
use std::borrow::Cow;
use std::fmt;

/// An answer to the client, made by the filter; or the report that the filter could not do its work.
///
/// A filter returns it as the error of [`Filter::exchange`](crate::Filter::exchange), so that `?` answers the
/// client. A reply made from an [`ExchangeError`] answers as [`Filter::ON_FAILURE`](crate::Filter::ON_FAILURE) says.
///
/// A gRPC request is answered in gRPC's way: HTTP status 200 with `grpc-status`, which Envoy derives from the HTTP
/// status unless [`Reply::grpc_status`] names one.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    pub(crate) kind: Kind,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Answer(Box<Answer>),
    Failure(ExchangeError),
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) details: Cow<'static, str>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) grpc_status: Option<u8>,
}

impl Reply {
    /// An empty answer. A status outside of 200 to 599 becomes 500: Envoy would send it as it is.
    ///
    /// `details` is the reason that Envoy's access log and `%RESPONSE_CODE_DETAILS%` show; by convention
    /// `palisade_<filter>_<reason>`.
    #[must_use]
    pub fn new(status: u16, details: impl Into<Cow<'static, str>>) -> Self {
        let status = if (200..=599).contains(&status) { status } else { 500 };
        let answer =
            Answer { status, details: details.into(), headers: Vec::new(), body: Vec::new(), grpc_status: None };
        Self { kind: Kind::Answer(Box::new(answer)) }
    }

    /// Adds a header.
    ///
    /// # Errors
    ///
    /// The name or value is not valid in a message, or frames it: see [`HeaderError`].
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, HeaderError> {
        self.add_header(name, value)?;
        Ok(self)
    }

    /// Adds a header in place: a reply that refuses this one stays as it was.
    ///
    /// # Errors
    ///
    /// As for [`Reply::header`].
    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        headers::check(Write::Add, name, value.as_ref())?;
        if let Kind::Answer(answer) = &mut self.kind {
            answer.headers.push((name.to_owned(), value.as_ref().to_vec()));
        }
        Ok(())
    }

    /// Sets the body. It is left out where a message has none (204, 205 and 304).
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        if let Kind::Answer(answer) = &mut self.kind
            && !has_no_body(answer.status)
        {
            answer.body = body.into();
        }
        self
    }

    /// Sets the `grpc-status` that a gRPC client gets; a number above 16 becomes 2, unknown.
    #[must_use]
    pub fn grpc_status(mut self, status: u8) -> Self {
        if let Kind::Answer(answer) = &mut self.kind {
            answer.grpc_status = Some(if status <= 16 { status } else { 2 });
        }
        self
    }
}

/// Without the body and the header values, which may hold what no log should.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Answer(answer) => write!(f, "Reply({}, {})", answer.status, answer.details),
            Kind::Failure(error) => write!(f, "Reply({error:?})"),
        }
    }
}

/// Whether a message with this status ends with its headers (RFC 9110, section 6.4.1).
pub(crate) fn has_no_body(status: u16) -> bool {
    matches!(status, 204 | 205 | 304)
}

/// Something that a filter could not do with an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExchangeError {
    /// A host call failed.
    Host(HostError),
    /// A header could not be read or written.
    Header(HeaderError),
    /// The body is longer than the filter wanted to hold.
    BodyTooLong {
        /// The most that the filter wanted, in bytes.
        limit: usize,
    },
    /// The body did not end within the time that the filter gave it.
    BodyTooLate,
    /// The message ended before what was awaited: the response overtook the request.
    Overtaken,
    /// The filter waits for nothing that could ever come: it does not declare what it waits for.
    Stalled,
}

impl From<HostError> for ExchangeError {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl From<HeaderError> for ExchangeError {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(error) => error.fmt(f),
            Self::Header(error) => error.fmt(f),
            Self::BodyTooLong { limit } => write!(f, "the body is longer than {limit} bytes"),
            Self::BodyTooLate => f.write_str(
                "the body did not end in time; if none ever comes, the plugin lacks allow_on_headers_stop_iteration: true",
            ),
            Self::Overtaken => f.write_str("the response came before the request was complete"),
            Self::Stalled => f.write_str("the filter waits for nothing that could come"),
        }
    }
}

impl std::error::Error for ExchangeError {}

impl From<ExchangeError> for Reply {
    fn from(error: ExchangeError) -> Self {
        Self { kind: Kind::Failure(error) }
    }
}

impl From<HostError> for Reply {
    fn from(error: HostError) -> Self {
        ExchangeError::from(error).into()
    }
}

impl From<HeaderError> for Reply {
    fn from(error: HeaderError) -> Self {
        ExchangeError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(reply: Reply) -> Answer {
        match reply.kind {
            Kind::Answer(answer) => *answer,
            Kind::Failure(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_header_that_cannot_be_written_leaves_the_reply_as_it_was() {
        let mut reply = Reply::new(429, "test");
        assert!(reply.add_header("x-a", "1").is_ok());
        assert!(reply.add_header("x-b", "1\r\n").is_err());
        assert_eq!(answer(reply).headers, [("x-a".to_owned(), b"1".to_vec())]);
    }

    #[test]
    fn a_status_that_is_none_becomes_500() {
        for status in [0, 99, 100, 199, 600, 999] {
            assert_eq!(answer(Reply::new(status, "test")).status, 500);
        }
        assert_eq!(answer(Reply::new(429, "test")).status, 429);
    }

    #[test]
    fn a_reply_without_content_has_no_body() {
        assert_eq!(answer(Reply::new(204, "test").body("x")).body, b"");
        assert_eq!(answer(Reply::new(403, "test").body("x")).body, b"x");
    }

    #[test]
    fn a_reply_header_cannot_split_the_response() {
        assert_eq!(Reply::new(403, "test").header("x", "a\r\nset-cookie: b"), Err(HeaderError::Value));
    }
}
