//! Ready: the contexts whose futures have something new to look at.
//!
//! A future may be woken by anything in its VM: an answer, a timer, another future. Its waker puts its context here,
//! and the runtime polls it before the running callback returns.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};

thread_local! {
    static READY: RefCell<VecDeque<u32>> = const { RefCell::new(VecDeque::new()) };
}

/// The waker of a context's future.
pub(crate) fn waker(id: u32) -> Waker {
    Arc::new(Context(id)).into()
}

/// Takes a context off the list: whether it was there.
pub(crate) fn take(id: u32) -> bool {
    READY.with_borrow_mut(|ready| {
        let before = ready.len();
        ready.retain(|other| *other != id);
        ready.len() < before
    })
}

/// Takes the next context that is not this one.
pub(crate) fn take_other_than(id: u32) -> Option<u32> {
    READY.with_borrow_mut(|ready| {
        let place = ready.iter().position(|other| *other != id)?;
        ready.remove(place)
    })
}

struct Context(u32);

impl Wake for Context {
    fn wake(self: Arc<Self>) {
        let Self(id) = *self;
        READY.with_borrow_mut(|ready| {
            if !ready.contains(&id) {
                ready.push_back(id);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_ready_once_however_often_it_was_woken() {
        let (first, second) = (waker(7), waker(8));
        first.wake_by_ref();
        second.wake_by_ref();
        first.wake_by_ref();
        assert!(take(7));
        assert!(!take(7));
        assert_eq!(take_other_than(7), Some(8));
        assert_eq!(take_other_than(7), None);
    }
}
