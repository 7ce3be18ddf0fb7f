//! Calls: the HTTP callouts of one root context that have not been answered yet.

use crate::http_call::{Answer, CallError};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// One callout: who waits for it, and its answer once that is there.
pub(crate) struct Call {
    /// The context whose future waits.
    pub(crate) waiter: u32,
    /// The most of the answer's body that is taken, in bytes.
    pub(crate) max_body: usize,
    pub(crate) answer: Cell<Option<Result<Answer, CallError>>>,
}

/// By the host's token. A call leaves the table with its answer or when its future is dropped, so that nothing of
/// a stream outlives it; an answer that comes later finds nobody.
#[derive(Default)]
pub(crate) struct Calls {
    waiting: RefCell<BTreeMap<u32, Rc<Call>>>,
}

impl Calls {
    pub(crate) fn insert(&self, token: u32, call: Rc<Call>) {
        self.waiting.borrow_mut().insert(token, call);
    }

    pub(crate) fn remove(&self, token: u32) -> Option<Rc<Call>> {
        self.waiting.borrow_mut().remove(&token)
    }
}
