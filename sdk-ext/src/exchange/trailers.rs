//! Trailers: what stands behind a message's body.

use super::side::{RequestSide, Side};
use super::{Response, next_response};
use crate::abi;
use crate::filter::Filter;
use crate::handle::Handle;
use crate::headers::{self, HeaderError, HeaderMap, Write};
use crate::reply::ExchangeError;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::task::Poll;

/// The trailers of a message, which have not gone on.
pub struct Trailers<F, S> {
    handle: Handle<F>,
    side: PhantomData<fn(S)>,
}

impl<F: Filter, S: Side> Trailers<F, S> {
    /// All trailers.
    ///
    /// # Errors
    ///
    /// The host refused, or handed over something that is no header map.
    pub fn fields(&self) -> Result<HeaderMap, HeaderError> {
        HeaderMap::from_pairs(abi::header_map_pairs(S::DIRECTION.trailers())?)
    }

    /// Replaces all lines of a trailer by one.
    ///
    /// # Errors
    ///
    /// The name or value is not valid in a message, or frames it: see [`HeaderError`].
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        headers::check_trailer(Write::Set, name, value.as_ref())?;
        Ok(abi::replace_header_map_value(S::DIRECTION.trailers(), name, value.as_ref())?)
    }

    /// Removes all lines of a trailer, which need not be there.
    ///
    /// # Errors
    ///
    /// As for [`Trailers::set`].
    pub fn remove(&mut self, name: &str) -> Result<(), HeaderError> {
        headers::check_trailer(Write::Remove, name, &[])?;
        Ok(abi::remove_header_map_value(S::DIRECTION.trailers(), name)?)
    }
}

impl<F: Filter> Trailers<F, RequestSide> {
    /// Lets the request go and waits for the response's headers.
    pub async fn response(self) -> Response<F> {
        next_response(self.handle).await
    }
}

/// Lets the rest of the body pass and waits for the trailers, if there are any.
pub(super) async fn next_trailers<F: Filter, S: Side>(
    handle: Handle<F>,
) -> Result<Option<Trailers<F, S>>, ExchangeError> {
    const {
        assert!(
            F::PHASES.has(S::DIRECTION.trailers_phase()),
            "the filter reads trailers: declare `request_trailers` or `response_trailers` in Filter::PHASES and in filter!"
        );
    }
    let flow = handle.stream.flow(S::DIRECTION);
    match poll_fn(|context| flow.take_trailers(context).map_or(Poll::Pending, Poll::Ready)).await {
        Ok(there) => Ok(there.then_some(Trailers { handle, side: PhantomData })),
        Err(_) => Err(ExchangeError::Overtaken),
    }
}
