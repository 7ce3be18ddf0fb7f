//! Body: the pieces of a message's body, or all of it at once.

use super::Response;
use super::next_response;
use super::side::{RequestSide, Side};
use super::trailers::{Trailers, next_trailers};
use crate::abi;
use crate::direction::Direction;
use crate::filter::Filter;
use crate::fused::chain;
use crate::fused::passage::Extent;
use crate::handle::Handle;
use crate::reply::ExchangeError;
use crate::runtime::flow::{Flow, NotComing, Piece};
use crate::runtime::stream::Stream;
use crate::status::HostError;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::task::Poll;

/// A body that passes as it is.
pub enum ReadOnly {}

/// A body that may be changed: its message has no `content-length`.
pub enum Rewrite {}

/// The body of a message whose headers may have gone on.
pub struct Body<F, S, A> {
    handle: Handle<F>,
    kind: PhantomData<fn(S, A)>,
}

impl<F: Filter, S: Side, A> Body<F, S, A> {
    pub(crate) fn new(handle: Handle<F>) -> Self {
        const {
            assert!(
                F::PHASES.has(S::DIRECTION.body_phase()),
                "the filter reads a body: declare `request_body` or `response_body` in Filter::PHASES and in filter!"
            );
        }
        Self { handle, kind: PhantomData }
    }

    /// Lets the headers and all former pieces go and waits for the next piece; `None` when the body has ended.
    ///
    /// The last piece may be empty. A body that ends with trailers has no last piece unless the one before was
    /// [kept](Chunk::keep).
    ///
    /// # Errors
    ///
    /// [`ExchangeError::Overtaken`] when the upstream's response comes before the request is complete, in a filter that
    /// declares `response_headers`: it does not serve protocols that talk both ways at once.
    pub async fn chunk(&mut self) -> Result<Option<Chunk<'_, A>>, ExchangeError> {
        next_chunk(&self.handle.stream, S::DIRECTION).await
    }

    /// Its pieces, for what is done to the bodies of requests and responses alike: that is compiled once.
    pub fn pieces(&mut self) -> Pieces<'_, A> {
        Pieces { stream: &self.handle.stream, direction: S::DIRECTION, access: PhantomData }
    }

    /// Lets the headers go and waits for the whole body, which is held until the filter goes on; `None` for a message
    /// that has no body, where there is nothing to read and no place to write to.
    ///
    /// # Errors
    ///
    /// [`ExchangeError::BodyTooLong`] over `limit` bytes; [`ExchangeError::Overtaken`] when the response came first.
    pub async fn whole(&mut self, limit: usize) -> Result<Option<Chunk<'_, A>>, ExchangeError> {
        let stream = &self.handle.stream;
        let flow = stream.flow(S::DIRECTION);
        let piece = poll_fn(|context| flow.take_whole(limit, context).map_or(Poll::Pending, Poll::Ready)).await;
        Chunk::of(stream, S::DIRECTION, piece, limit)
    }

    /// Lets the rest of the body pass and waits for the trailers; `None` when the message has none.
    ///
    /// # Errors
    ///
    /// As for [`Body::chunk`].
    pub async fn trailers(self) -> Result<Option<Trailers<F, S>>, ExchangeError> {
        next_trailers(self.handle).await
    }

    /// The way to the host.
    #[must_use]
    pub fn handle(&self) -> &Handle<F> {
        &self.handle
    }
}

/// To let the rest pass as it is.
impl<F, S> From<Body<F, S, Rewrite>> for Body<F, S, ReadOnly> {
    fn from(body: Body<F, S, Rewrite>) -> Self {
        Self { handle: body.handle, kind: PhantomData }
    }
}

impl<F: Filter, A> Body<F, RequestSide, A> {
    /// Lets the rest of the body pass and waits for the trailers; a request that has none goes on, up to the response's
    /// headers.
    ///
    /// # Errors
    ///
    /// As for [`Body::chunk`].
    pub async fn trailers_or_response(self) -> Result<Result<Trailers<F, RequestSide>, Response<F>>, ExchangeError> {
        match next_trailers(self.handle.clone()).await? {
            Some(trailers) => Ok(Ok(trailers)),
            None => Ok(Err(self.response().await)),
        }
    }

    /// Lets the rest of the request pass and waits for the response's headers.
    pub async fn response(self) -> Response<F> {
        next_response(self.handle).await
    }
}

/// The pieces of a body, of a request or a response.
pub struct Pieces<'a, A> {
    stream: &'a Stream,
    direction: Direction,
    access: PhantomData<fn(A)>,
}

impl<A> Pieces<'_, A> {
    /// As [`Body::chunk`].
    ///
    /// # Errors
    ///
    /// As for [`Body::chunk`].
    pub async fn chunk(&mut self) -> Result<Option<Chunk<'_, A>>, ExchangeError> {
        next_chunk(self.stream, self.direction).await
    }
}

async fn next_chunk<A>(stream: &Stream, direction: Direction) -> Result<Option<Chunk<'_, A>>, ExchangeError> {
    let flow = stream.flow(direction);
    let piece = poll_fn(|context| flow.take_piece(context).map_or(Poll::Pending, Poll::Ready)).await;
    Chunk::of(stream, direction, piece, usize::MAX)
}

/// A piece of a body, held by the host until the filter goes on.
pub struct Chunk<'a, A> {
    stream: &'a Stream,
    direction: Direction,
    piece: Piece,
    access: PhantomData<fn(A)>,
}

impl<'a, A> Chunk<'a, A> {
    fn of(
        stream: &'a Stream,
        direction: Direction,
        piece: Result<Option<Piece>, NotComing>,
        limit: usize,
    ) -> Result<Option<Self>, ExchangeError> {
        match piece {
            Ok(piece) => Ok(piece.map(|piece| Self { stream, direction, piece, access: PhantomData })),
            Err(NotComing::TooLong) => Err(ExchangeError::BodyTooLong { limit }),
            Err(NotComing::Overtaken) => Err(ExchangeError::Overtaken),
        }
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.piece.size
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.piece.size == 0
    }

    /// Whether the body ends with it.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.piece.last
    }

    /// Its bytes.
    ///
    /// # Errors
    ///
    /// The host refused.
    pub fn bytes(&self) -> Result<Vec<u8>, HostError> {
        // The last piece is often empty.
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let extent = self.extent();
        abi::buffer_bytes(self.direction.body(), extent.start.saturating_add(self.piece.start), self.piece.size)
    }

    /// Where in the host's buffer stands what this filter has of the body.
    fn extent(&self) -> Extent {
        chain::extent(self.stream, self.direction, self.flow().buffered())
    }

    fn flow(&self) -> &Flow {
        self.stream.flow(self.direction)
    }

    /// Keeps it with the host: the next piece begins with it. The last piece cannot be kept.
    pub fn keep(self) {
        self.flow().keep(self.piece);
    }
}

impl Chunk<'_, Rewrite> {
    /// Puts other bytes in its place.
    ///
    /// # Errors
    ///
    /// The host refused: the piece is unchanged.
    pub fn replace(&mut self, bytes: &[u8]) -> Result<(), HostError> {
        let buffer = self.direction.body();
        let extent = self.extent();
        let start = extent.start.saturating_add(self.piece.start);
        let end = start.saturating_add(self.piece.size);
        if start == 0 && end == extent.buffered {
            abi::set_buffer_bytes(buffer, 0, usize::MAX, bytes)?;
        } else {
            // Envoy replaces nothing but a whole buffer.
            let front = abi::buffer_bytes(buffer, 0, start)?;
            let behind = abi::buffer_bytes(buffer, end, usize::MAX)?;
            abi::set_buffer_bytes(buffer, 0, usize::MAX, &[&front, bytes, &behind].concat())?;
        }
        chain::resized(self.stream, self.direction, self.piece.size, bytes.len());
        self.flow().replaced(self.piece, bytes.len());
        self.piece.size = bytes.len();
        Ok(())
    }
}
