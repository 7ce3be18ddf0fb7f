//! Calls: which context gets the answers to them, and whose they are.
//!
//! The crate's dispatcher brings an answer to the context in whose callback the call was sent, and loses it without a word
//! when that context is gone. So each context keeps the calls of which it gets the answers, to answer them itself when it
//! goes first.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem;
use std::rc::Rc;

thread_local! {
    static RUNNING: RefCell<Option<Rc<Calls>>> = const { RefCell::new(None) };
}

/// The calls that were sent in callbacks of one context.
pub(crate) struct Calls {
    pub(crate) context: u32,
    /// By token, the root context of the filter that waits.
    waiting: RefCell<BTreeMap<u32, u32>>,
}

/// Those of the context whose callback is running.
pub(crate) fn running() -> Option<Rc<Calls>> {
    RUNNING.with_borrow(Clone::clone)
}

impl Calls {
    pub(crate) fn new(context: u32) -> Self {
        Self { context, waiting: RefCell::default() }
    }

    /// Runs a callback of the context.
    pub(crate) fn during<T>(self: &Rc<Self>, callback: impl FnOnce() -> T) -> T {
        let around = RUNNING.replace(Some(self.clone()));
        let answer = callback();
        RUNNING.set(around);
        answer
    }

    pub(crate) fn sent(&self, token: u32, root: u32) {
        self.waiting.borrow_mut().insert(token, root);
    }

    /// Whose call has this token; `None` when another than the filter has sent it.
    pub(crate) fn answered(&self, token: u32) -> Option<u32> {
        self.waiting.borrow_mut().remove(&token)
    }

    /// The tokens, and whose they are, of the calls that will have no answer once the context is gone.
    pub(crate) fn lost(&self) -> impl Iterator<Item = (u32, u32)> {
        mem::take(&mut *self.waiting.borrow_mut()).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_answered_once_or_lost_with_its_context() {
        let calls = Calls::new(7);
        for (token, root) in [(4, 1), (8, 2), (12, 1)] {
            calls.sent(token, root);
        }
        assert_eq!((calls.answered(8), calls.answered(8), calls.answered(16)), (Some(2), None, None));
        assert_eq!(calls.lost().collect::<Vec<_>>(), [(4, 1), (12, 1)]);
        assert_eq!((calls.answered(4), calls.lost().count()), (None, 0));
    }

    #[test]
    fn the_running_context_is_that_of_the_innermost_callback() {
        let context = || running().map(|calls| calls.context);
        let (outer, inner) = (Rc::new(Calls::new(7)), Rc::new(Calls::new(8)));
        assert_eq!(context(), None);
        outer.during(|| {
            assert_eq!(context(), Some(7));
            inner.during(|| assert_eq!(context(), Some(8)));
            assert_eq!(context(), Some(7));
        });
        assert_eq!(context(), None);
    }
}
