//! Exchange: one request and its response, as a filter meets them, phase by phase.
//!
//! The value in hand says what may still be changed. While a filter holds a [`Head`], its headers have not gone on;
//! to await what comes behind (the body, the trailers, the response) lets them go. A body can be changed only through
//! [`Head::rewrite_body`], which takes `content-length` away while that is still possible.

mod body;
mod head;
mod side;
mod trailers;

pub use body::{Body, Chunk, Pieces, ReadOnly, Rewrite};
pub use head::{Head, Snapshot};
pub use side::{RequestSide, ResponseSide, Side};
pub use trailers::Trailers;

use crate::filter::Filter;
use crate::handle::Handle;
use crate::phases::declared;
use crate::runtime::stream::Stream;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// The headers of a request that has not gone to the upstream.
pub type Request<F> = Head<F, RequestSide>;

/// The headers of a response that has not gone to the client.
pub type Response<F> = Head<F, ResponseSide>;

/// One request and its response, of which nothing has been looked at.
pub struct Exchange<F> {
    handle: Handle<F>,
}

impl<F: Filter> Exchange<F> {
    pub(crate) fn new(stream: Rc<Stream>) -> Self {
        Self { handle: Handle::new(stream) }
    }

    /// Waits for the request's headers.
    pub async fn request(self) -> Request<F> {
        declared!(F, "request_headers");
        next_head(self.handle).await
    }

    /// Lets the request pass and waits for the response's headers.
    pub async fn response(self) -> Response<F> {
        next_response(self.handle).await
    }

    /// The way to the host.
    #[must_use]
    pub fn handle(&self) -> &Handle<F> {
        &self.handle
    }
}

/// Lets the rest of the request pass and waits for the response's headers.
async fn next_response<F: Filter>(handle: Handle<F>) -> Response<F> {
    declared!(F, "response_headers");
    handle.stream.request.release();
    next_head(handle).await
}

async fn next_head<F: Filter, S: Side>(handle: Handle<F>) -> Head<F, S> {
    let ends_message = poll_fn(|context| match handle.stream.flow(S::DIRECTION).take_headers(context) {
        Some(ends_message) => Poll::Ready(ends_message),
        None => Poll::Pending,
    })
    .await;
    Head::new(handle, ends_message)
}
