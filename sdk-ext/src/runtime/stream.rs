//! Stream: the two flows of one exchange and the future that works on them.

use super::end::End;
use super::flow::Flow;
use super::ready::Signal;
use super::root::RootState;
use crate::abi;
use crate::direction::Direction;
use crate::fused::chain;
use crate::reply::Reply;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What an exchange's future shares with the runtime.
pub(crate) struct Stream {
    /// The context's id; a root context's background task is a stream of which no message ever comes.
    pub(crate) id: u32,
    pub(crate) root: Rc<RootState>,
    pub(crate) request: Flow,
    pub(crate) response: Flow,
    pub(crate) end: End,
}

impl Stream {
    pub(crate) fn new(id: u32, root: Rc<RootState>) -> Self {
        Self { id, root, request: Flow::default(), response: Flow::default(), end: End::default() }
    }

    /// Whether it is that of a root context's background task.
    pub(crate) fn is_background(&self) -> bool {
        self.id == self.root.id
    }

    pub(crate) fn flow(&self, direction: Direction) -> &Flow {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    /// Lets every held flow but that of the running callback go on, if it may.
    ///
    /// In its own callback a flow goes on by the return value alone: to continue it there as well would send the
    /// message twice.
    pub(crate) fn resume(&self, own: Option<Direction>) {
        for direction in [Direction::Request, Direction::Response] {
            let flow = self.flow(direction);
            if own != Some(direction) && flow.is_held() && flow.may_go() {
                flow.go();
                if chain::continues(self, direction) {
                    continue;
                }
                if let Err(error) = abi::continue_stream(direction as u32) {
                    self.root.report(&error);
                }
            }
        }
    }
}

pub(crate) type ExchangeFuture = Pin<Box<dyn Future<Output = Result<(), Reply>>>>;

/// An exchange that is not finished.
pub(crate) struct Task {
    pub(crate) stream: Rc<Stream>,
    /// `None` once the filter is done and a flow must be held all the same: the host would not send the refusal, the
    /// rest of a rewritten request may not pass, or a flow can go on only in a later callback.
    pub(crate) future: Option<ExchangeFuture>,
    signal: Option<Arc<Signal>>,
    waker: Waker,
}

impl Task {
    pub(crate) fn new(stream: Rc<Stream>, future: Option<ExchangeFuture>) -> Self {
        let signal = Signal::new(stream.root.part, stream.id);
        Self { stream, future, waker: signal.clone().into(), signal: Some(signal) }
    }

    /// A task that is polled once and need not be woken.
    pub(crate) fn at_once(stream: Rc<Stream>, future: ExchangeFuture) -> Self {
        Self { stream, future: Some(future), signal: None, waker: Waker::noop().clone() }
    }

    /// Whether somebody has woken the future since it was polled.
    pub(crate) fn is_woken(&self) -> bool {
        self.signal.as_ref().is_some_and(|signal| signal.take())
    }

    /// Wakes whoever waits for what has come, and polls the future.
    pub(crate) fn poll(&mut self) -> Poll<Result<(), Reply>> {
        self.stream.request.wake();
        self.stream.response.wake();
        self.is_woken();
        self.stream.request.before_poll();
        self.stream.response.before_poll();
        match &mut self.future {
            Some(future) => future.as_mut().poll(&mut Context::from_waker(&self.waker)),
            None => Poll::Pending,
        }
    }
}
