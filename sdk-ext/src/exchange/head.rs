//! Head: the headers of a message that has not gone on.

use super::body::{Body, ReadOnly, Rewrite};
use super::side::{RequestSide, ResponseSide, Side};
use super::{Response, next_response};
use crate::abi::{self, Buffer};
use crate::direction::Direction;
use crate::filter::Filter;
use crate::fused::chain;
use crate::fused::headers as shared;
use crate::handle::{self, Handle};
use crate::headers::{self, HeaderError, HeaderMap, Write};
use crate::matching::{Attributes, Field};
use crate::phases::declared;
use crate::reply::{self, ExchangeError};
use crate::status::HostError;
use std::borrow::Cow;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// The headers of a request or response. They are held as long as the filter works with them, and go on when it
/// awaits what comes behind or returns.
///
/// Each reading call costs, and the whole map of a usual request about as much as the first single header.
pub struct Head<F, S> {
    handle: Handle<F>,
    ends_message: bool,
    side: PhantomData<fn(S)>,
}

impl<F: Filter, S: Side> Head<F, S> {
    pub(crate) fn new(handle: Handle<F>, ends_message: bool) -> Self {
        Self { handle, ends_message, side: PhantomData }
    }

    /// The first line of a header; `name` in lower case.
    ///
    /// It does not show whether there are more lines: for what a policy rests on, use [`Head::joined`] or
    /// [`Head::headers`]. Envoy joins the lines of some headers (`authorization` is one) with a comma before any filter.
    ///
    /// # Errors
    ///
    /// The host refused.
    pub fn header(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        shared::first(&self.handle.stream, S::DIRECTION, name)
    }

    /// All lines of a header, joined with commas: for values that hold no comma of their own, a duplicate shows.
    ///
    /// # Errors
    ///
    /// The host refused.
    pub fn joined(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        shared::joined(&self.handle.stream, S::DIRECTION, name)
    }

    /// All headers, as they are now.
    ///
    /// # Errors
    ///
    /// The host refused, or handed over something that is no header map.
    pub fn headers(&self) -> Result<HeaderMap, HeaderError> {
        shared::all(&self.handle.stream, S::DIRECTION)
    }

    /// Replaces all lines of a header by one. Envoy then chooses the route anew, even when nothing has changed.
    ///
    /// # Errors
    ///
    /// The name or value is not valid in a message, or frames it: see [`HeaderError`].
    pub fn set_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        headers::check(Write::Set, name, value.as_ref())?;
        Ok(shared::set(&self.handle.stream, S::DIRECTION, name, value.as_ref())?)
    }

    /// Adds a line of a header.
    ///
    /// # Errors
    ///
    /// As for [`Head::set_header`].
    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        headers::check(Write::Add, name, value.as_ref())?;
        Ok(shared::add(&self.handle.stream, S::DIRECTION, name, value.as_ref())?)
    }

    /// Removes all lines of a header, which need not be there.
    ///
    /// # Errors
    ///
    /// As for [`Head::set_header`].
    pub fn remove_header(&mut self, name: &str) -> Result<(), HeaderError> {
        headers::check(Write::Remove, name, &[])?;
        Ok(shared::remove(&self.handle.stream, S::DIRECTION, name)?)
    }

    /// Whether the message is complete with these headers: no body and no trailers follow.
    #[must_use]
    pub fn ends_message(&self) -> bool {
        self.ends_message
    }

    /// Goes on to the body, to read it.
    #[must_use]
    pub fn into_body(self) -> Body<F, S, ReadOnly> {
        Body::new(self.handle)
    }

    /// Goes on to the body, to change it. `content-length`, which would no longer be true, is taken away.
    ///
    /// # Errors
    ///
    /// The host refused to take `content-length` away, so that the body must stay as it is.
    pub fn rewrite_body(self) -> Result<Body<F, S, Rewrite>, HostError> {
        if !self.ends_message {
            shared::remove(&self.handle.stream, S::DIRECTION, "content-length")?;
            self.handle.stream.flow(S::DIRECTION).rewrite();
        }
        Ok(Body::new(self.handle))
    }

    /// Lets the whole exchange pass and waits until it is over, in whatever way: answered, broken off, or refused by
    /// another filter. What comes back is the way to the host, which still knows the stream's properties (the
    /// `code` of the `response`, for one), but for those that come from headers.
    pub async fn end(self) -> Handle<F> {
        declared!(F, "end");
        let stream = &self.handle.stream;
        stream.request.release();
        stream.response.release();
        poll_fn(|context| stream.end.poll(context)).await;
        self.handle
    }

    /// The way to the host.
    #[must_use]
    pub fn handle(&self) -> &Handle<F> {
        &self.handle
    }
}

impl<F: Filter> Head<F, RequestSide> {
    /// Waits for the whole body and reads it, while the headers are held as well: nothing of the request goes on, and a
    /// refusal leaves no trace at the upstream. It is empty where there is none, and can be read again, or rewritten,
    /// by what the headers go on to.
    ///
    /// Envoy brings a body behind held headers only where the plugin has `allow_on_headers_stop_iteration: true`. Without
    /// it the body never comes, and the request is held until the timeout.
    ///
    /// # Errors
    ///
    /// [`ExchangeError::BodyTooLong`] over `limit` bytes, as soon as that is known; [`ExchangeError::BodyTooLate`] when
    /// the end of the body did not come within `timeout`; the host refused.
    pub async fn body(&self, limit: usize, timeout: Duration) -> Result<Vec<u8>, ExchangeError> {
        declared!(F, "request_body");
        let flow = &self.handle.stream.request;
        let mut timeout = pin!(self.handle.sleep(timeout));
        let piece = poll_fn(|context| match flow.peek_whole(limit, context) {
            Some(Ok(piece)) => Poll::Ready(Ok(piece)),
            Some(Err(_)) => Poll::Ready(Err(ExchangeError::BodyTooLong { limit })),
            None => timeout.as_mut().poll(context).map(|slept| match slept {
                Ok(()) => Err(ExchangeError::BodyTooLate),
                Err(error) => Err(error.into()),
            }),
        })
        .await?;
        if piece.size == 0 {
            return Ok(Vec::new());
        }
        let extent = chain::extent(&self.handle.stream, Direction::Request, piece.size);
        Ok(abi::buffer_bytes(Buffer::RequestBody, extent.start, piece.size)?)
    }

    /// Lets the request go and waits for the response's headers.
    pub async fn response(self) -> Response<F> {
        next_response(self.handle).await
    }

    /// What matchers and selectors may read of this request, now and in later phases, when its headers have gone.
    ///
    /// # Errors
    ///
    /// As for [`Head::headers`].
    pub fn snapshot(&self) -> Result<Snapshot, HeaderError> {
        Ok(Snapshot { headers: self.headers()? })
    }
}

impl<F: Filter> Head<F, ResponseSide> {
    /// The HTTP status, when it is a number.
    ///
    /// # Errors
    ///
    /// The host refused.
    pub fn status(&self) -> Result<Option<u16>, HostError> {
        let status = self.header(":status")?;
        Ok(status.and_then(|status| str::from_utf8(&status).ok()?.parse().ok()))
    }

    /// Sets the HTTP status; one outside of 200 to 599 becomes 500.
    ///
    /// # Errors
    ///
    /// The status is one without a body (204, 205, 304), and the response has one; the host refused.
    pub fn set_status(&mut self, status: u16) -> Result<(), HeaderError> {
        let status = if (200..=599).contains(&status) { status } else { 500 };
        if reply::has_no_body(status) && !self.ends_message {
            return Err(HeaderError::Framing);
        }
        Ok(shared::set(&self.handle.stream, Direction::Response, ":status", status.to_string().as_bytes())?)
    }
}

/// The headers of a request as they were when it was taken.
///
/// Properties are asked of the host when they are needed; those that come from request headers (`request.path`) are gone
/// once the headers went on.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// All headers.
    pub headers: HeaderMap,
}

impl Attributes for Snapshot {
    type Error = HostError;

    fn header(&self, name: &str) -> Result<Field<Cow<'_, [u8]>>, HostError> {
        Ok(self.headers.field(name).map(Cow::Borrowed))
    }

    fn property(&self, path: &[&str]) -> Result<Option<Cow<'_, [u8]>>, HostError> {
        Ok(handle::property(path)?.map(Cow::Owned))
    }
}
