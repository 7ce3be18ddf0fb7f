//! HTTP call: a request that the filter itself sends to one of the host's clusters, and its answer.

use crate::abi::{self, Buffer, Map};
use crate::headers::{self, HeaderError, HeaderMap, Write};
use crate::matching::Field;
use crate::runtime::calls::deadline;
use crate::runtime::stream::Stream;
use crate::shell::{self, HttpRequest};
use crate::status::{HostError, Status};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// A request to one of the host's clusters, to be sent with [`HttpCall::send`].
///
/// Without further ado it is `GET /` with the cluster's name as authority, a deadline of one second and room for an
/// answer of 64 KiB.
#[must_use = "nothing is sent before `send`"]
pub struct HttpCall {
    stream: Rc<Stream>,
    cluster: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout: Duration,
    max_body: usize,
}

impl HttpCall {
    pub(crate) fn new(stream: Rc<Stream>, cluster: &str) -> Self {
        let pseudo = [(":method", "GET"), (":path", "/"), (":authority", cluster), (":scheme", "http")];
        Self {
            stream,
            cluster: cluster.to_owned(),
            headers: pseudo.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into(),
            body: Vec::new(),
            timeout: Duration::from_secs(1),
            max_body: 64 * 1024,
        }
    }

    /// Sets a header; `:method`, `:path`, `:authority` and `:scheme` are headers here.
    ///
    /// # Errors
    ///
    /// The name or value is not valid in a message: see [`HeaderError`].
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, HeaderError> {
        headers::check(Write::Set, name, value.as_ref())?;
        self.headers.retain(|(set, _)| set != name);
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        Ok(self)
    }

    /// Sets the body; the host adds its length.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the deadline for the whole call: at least a millisecond (0 would be none) and at most 24 days.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the most of the answer's body that is taken, in bytes.
    pub fn max_body(mut self, max_body: usize) -> Self {
        self.max_body = max_body;
        self
    }

    /// Sends the request and waits for the answer. To drop the future gives up the answer.
    ///
    /// # Errors
    ///
    /// There is no answer of the cluster's: [`CallError`] says whether it may help to try again.
    pub async fn send(self) -> Result<Answer, CallError> {
        let token = self.dispatch().map_err(CallError::NotSent)?;
        // The host has no way to cancel an HTTP call.
        self.stream.root.http_calls.answer(token, self.max_body, || {}).await
    }

    fn dispatch(&self) -> Result<u32, HostError> {
        shell::http_call(&HttpRequest {
            root: self.stream.root.id,
            cluster: &self.cluster,
            headers: &self.headers,
            body: &self.body,
            timeout_ms: deadline(self.timeout),
        })
    }
}

/// What a cluster answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// All headers, `:status` among them.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Without the body, which may hold what no log should.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

/// Why a call has no answer of the cluster's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The host did not send it: there is no such cluster, it has no endpoints, or the capability is withheld.
    NotSent(HostError),
    /// The deadline passed.
    Timeout,
    /// No endpoint took the request, or the connection broke before there was an answer.
    Unreachable,
    /// The answer's body is longer than [`HttpCall::max_body`].
    TooLong,
    /// What the host handed over cannot be read.
    Malformed,
}

impl CallError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        match self {
            Self::Timeout | Self::Unreachable => true,
            // Envoy's answer for a cluster without endpoints.
            Self::NotSent(error) => error.status == Status::InternalFailure,
            Self::TooLong | Self::Malformed => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(error) => write!(f, "the call was not sent: {error}; is there such a cluster?"),
            Self::Timeout => f.write_str("the call timed out"),
            Self::Unreachable => f.write_str("the cluster could not be reached"),
            Self::TooLong => f.write_str("the answer is too long"),
            Self::Malformed => f.write_str("the answer cannot be read"),
        }
    }
}

impl std::error::Error for CallError {}

/// Reads the answer in the callback that brings it.
pub(crate) fn read_answer(headers: usize, body_size: usize, max_body: usize) -> Result<Answer, CallError> {
    if headers == 0 {
        return Err(CallError::Unreachable);
    }
    if body_size > max_body {
        return Err(CallError::TooLong);
    }
    let headers = abi::header_map_pairs(Map::HttpCallHeaders).map_err(|_| CallError::Malformed)?;
    let headers = HeaderMap::from_pairs(headers).map_err(|_| CallError::Malformed)?;
    let body = abi::buffer_bytes(Buffer::HttpCallBody, 0, body_size).map_err(|_| CallError::Malformed)?;
    judge(headers, body)
}

/// Tells an answer of the cluster's from one that Envoy makes up when there is none: a 504 at the deadline, a 503
/// otherwise, and no `x-envoy-upstream-service-time`, which the router adds to what an upstream has answered.
fn judge(headers: HeaderMap, body: Vec<u8>) -> Result<Answer, CallError> {
    let Field::One(status) = headers.field(":status") else { return Err(CallError::Malformed) };
    let status = str::from_utf8(status).ok().and_then(|status| status.parse().ok()).ok_or(CallError::Malformed)?;
    let made_up = headers.field("x-envoy-upstream-service-time") == Field::Absent;
    match status {
        504 if made_up => Err(CallError::Timeout),
        503 if made_up => Err(CallError::Unreachable),
        _ => Ok(Answer { status, headers, body }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lines: &[(&str, &str)]) -> Result<Answer, CallError> {
        judge(HeaderMap::from_lines(lines.iter().map(|(name, value)| (*name, value.as_bytes()))), Vec::new())
    }

    #[test]
    fn what_the_host_makes_up_is_no_answer() {
        assert_eq!(judged(&[(":status", "503")]), Err(CallError::Unreachable));
        assert_eq!(judged(&[(":status", "504")]), Err(CallError::Timeout));
        assert_eq!(judged(&[(":status", "x")]), Err(CallError::Malformed));
        assert_eq!(judged(&[]), Err(CallError::Malformed));
    }

    #[test]
    fn an_upstreams_own_503_is_an_answer() {
        let answer = judged(&[(":status", "503"), ("x-envoy-upstream-service-time", "1")]).unwrap();
        assert_eq!(answer.status, 503);
    }
}
