//! End: when all of a stream is over, the request, the response and what the host does about them.

use std::cell::Cell;
use std::task::{Context, Poll, Waker};

/// Whether the end has come, and who waits for it.
#[derive(Default)]
pub(crate) struct End {
    came: Cell<bool>,
    awaited: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl End {
    /// The host reports the end. Returns whether somebody waits for it.
    pub(crate) fn came(&self) -> bool {
        self.came.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        self.awaited.get()
    }

    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        if self.came.get() {
            return Poll::Ready(());
        }
        self.awaited.set(true);
        self.waker.set(Some(context.waker().clone()));
        Poll::Pending
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.get()
    }
}
