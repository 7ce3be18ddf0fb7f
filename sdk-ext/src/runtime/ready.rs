//! Ready: the contexts whose futures have something new to look at.
//!
//! A future may be woken by anything in its VM: an answer, a timer, another future. Its signal stands in line here, and
//! the runtime polls it before the running callback returns.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

thread_local! {
    static LINE: RefCell<VecDeque<Arc<Signal>>> = const { RefCell::new(VecDeque::new()) };
}

/// Whether a context's future was woken; it stands in line at most once.
pub(crate) struct Signal {
    id: u32,
    raised: AtomicBool,
}

impl Signal {
    pub(crate) fn new(id: u32) -> Arc<Self> {
        Arc::new(Self { id, raised: AtomicBool::new(false) })
    }

    /// Lowers the signal: whether it was raised.
    pub(crate) fn take(&self) -> bool {
        self.raised.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        if !self.raised.swap(true, Ordering::Relaxed) {
            LINE.with_borrow_mut(|line| line.push_back(self));
        }
    }
}

/// The waker of a context that has no task yet.
pub(crate) fn waker(id: u32) -> Waker {
    Signal::new(id).into()
}

/// The next context in line. The signal of `own`, whose future is being polled, stays raised.
pub(crate) fn next_other_than(own: u32) -> Option<u32> {
    loop {
        let signal = LINE.with_borrow_mut(VecDeque::pop_front)?;
        if signal.id != own && signal.take() {
            return Some(signal.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_in_line_once_however_often_it_was_woken() {
        let (first, second) = (waker(7), waker(8));
        first.wake_by_ref();
        second.wake_by_ref();
        first.wake_by_ref();
        assert_eq!((next_other_than(0), next_other_than(0), next_other_than(0)), (Some(7), Some(8), None));
        first.wake_by_ref();
        assert_eq!(next_other_than(0), Some(7));
    }

    #[test]
    fn the_running_context_keeps_its_signal() {
        let own = Signal::new(7);
        own.clone().wake();
        assert_eq!(next_other_than(7), None);
        assert!(own.take());
        assert!(!own.take());
    }
}
