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
    /// The filter of a fused module whose future it is.
    part: u8,
    id: u32,
    raised: AtomicBool,
}

impl Signal {
    pub(crate) fn new(part: u8, id: u32) -> Arc<Self> {
        Arc::new(Self { part, id, raised: AtomicBool::new(false) })
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
pub(crate) fn waker(part: u8, id: u32) -> Waker {
    Signal::new(part, id).into()
}

/// The next context in line, of those that wait for this part. The signal of `own`, whose future is being polled, stays
/// raised.
pub(crate) fn next_other_than(part: u8, own: u32) -> Option<u32> {
    loop {
        let signal = LINE.with_borrow_mut(|line| {
            let place = line.iter().position(|signal| signal.part == part)?;
            line.remove(place)
        })?;
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
        let (first, second) = (waker(0, 7), waker(0, 8));
        first.wake_by_ref();
        second.wake_by_ref();
        first.wake_by_ref();
        assert_eq!((next_other_than(0, 0), next_other_than(0, 0), next_other_than(0, 0)), (Some(7), Some(8), None));
        first.wake_by_ref();
        assert_eq!(next_other_than(0, 0), Some(7));
    }

    #[test]
    fn each_part_of_a_fused_module_has_a_line_of_its_own() {
        let (first, second) = (waker(1, 7), waker(0, 7));
        first.wake_by_ref();
        second.wake_by_ref();
        assert_eq!((next_other_than(0, 0), next_other_than(0, 0)), (Some(7), None));
        assert_eq!((next_other_than(1, 0), next_other_than(1, 0)), (Some(7), None));
    }

    #[test]
    fn the_running_context_keeps_its_signal() {
        let own = Signal::new(0, 7);
        own.clone().wake();
        assert_eq!(next_other_than(0, 7), None);
        assert!(own.take());
        assert!(!own.take());
    }
}
