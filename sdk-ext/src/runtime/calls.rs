//! Calls: the HTTP callouts of one root context that have not been answered yet.

use crate::http_call::{Answer, CallError};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// One callout: its answer once that is there, and who waits for it.
pub(crate) struct Call {
    /// The most of the answer's body that is taken, in bytes.
    pub(crate) max_body: usize,
    answer: Cell<Option<Result<Answer, CallError>>>,
    waker: Cell<Option<Waker>>,
}

impl Call {
    pub(crate) fn new(max_body: usize) -> Self {
        Self { max_body, answer: Cell::new(None), waker: Cell::new(None) }
    }

    pub(crate) fn answer(&self, answer: Result<Answer, CallError>) {
        self.answer.set(Some(answer));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Result<Answer, CallError>> {
        match self.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                self.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

/// By the host's token. A call leaves the table with its answer or when its future is dropped, so that nothing of
/// a stream outlives it; an answer that comes later finds nobody.
#[derive(Default)]
pub(crate) struct Calls {
    waiting: RefCell<BTreeMap<u32, Rc<Call>>>,
}

impl Calls {
    pub(crate) fn insert(&self, token: u32, call: Rc<Call>) {
        let replaced = self.waiting.borrow_mut().insert(token, call);
        drop(replaced);
    }

    pub(crate) fn remove(&self, token: u32) -> Option<Rc<Call>> {
        self.waiting.borrow_mut().remove(&token)
    }
}
