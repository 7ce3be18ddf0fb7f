//! Timers: the sleeping futures of one root context, over the one tick that the host gives it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

/// The deadlines, on a clock that never goes back, and the contexts that wait for them.
#[derive(Default)]
pub(crate) struct Timers {
    deadlines: RefCell<BTreeMap<(Duration, u32), u32>>,
    next: Cell<u32>,
    /// The host's clock when it was last read, and how far it has gone back in all.
    read: Cell<Duration>,
    set_back: Cell<Duration>,
}

/// One sleeper, to be found again.
pub(crate) type Sleeper = (Duration, u32);

impl Timers {
    /// The time on the clock that never goes back, from the host's. A host clock that is set forward lets sleepers
    /// wake early.
    pub(crate) fn advance(&self, host: Duration) -> Duration {
        let back = self.read.get().saturating_sub(host);
        self.set_back.set(self.set_back.get().saturating_add(back));
        self.read.set(host);
        host.saturating_add(self.set_back.get())
    }

    pub(crate) fn insert(&self, deadline: Duration, waiter: u32) -> Sleeper {
        let sleeper = (deadline, self.next.get());
        self.next.set(self.next.get().wrapping_add(1));
        self.deadlines.borrow_mut().insert(sleeper, waiter);
        sleeper
    }

    pub(crate) fn remove(&self, sleeper: Sleeper) {
        self.deadlines.borrow_mut().remove(&sleeper);
    }

    pub(crate) fn contains(&self, sleeper: Sleeper) -> bool {
        self.deadlines.borrow().contains_key(&sleeper)
    }

    /// Takes the next waiter whose deadline has passed.
    pub(crate) fn take_due(&self, now: Duration) -> Option<u32> {
        let mut deadlines = self.deadlines.borrow_mut();
        match deadlines.first_entry() {
            Some(entry) if entry.key().0 <= now => Some(entry.remove()),
            _ => None,
        }
    }

    /// The tick period that meets the next deadline, in milliseconds; 0 when nobody sleeps.
    pub(crate) fn period(&self, now: Duration) -> u32 {
        match self.deadlines.borrow().first_key_value() {
            Some(((deadline, _), _)) => {
                let wait = deadline.saturating_sub(now).as_nanos().div_ceil(1_000_000);
                u32::try_from(wait).unwrap_or(u32::MAX).clamp(1, i32::MAX.unsigned_abs())
            }
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn sleepers_wake_in_the_order_of_their_deadlines() {
        let timers = Timers::default();
        timers.insert(SECOND * 2, 7);
        timers.insert(SECOND, 8);
        timers.insert(SECOND, 9);
        assert_eq!(timers.take_due(SECOND / 2), None);
        assert_eq!(timers.take_due(SECOND), Some(8));
        assert_eq!(timers.take_due(SECOND), Some(9));
        assert_eq!(timers.take_due(SECOND), None);
        assert_eq!(timers.period(SECOND), 1000);
        assert_eq!(timers.take_due(SECOND * 3), Some(7));
        assert_eq!(timers.period(SECOND), 0);
    }

    #[test]
    fn a_period_is_never_zero_and_never_too_large_for_the_host() {
        let timers = Timers::default();
        let sleeper = timers.insert(Duration::from_nanos(1), 1);
        assert_eq!(timers.period(SECOND), 1);
        timers.remove(sleeper);
        timers.insert(Duration::MAX, 1);
        assert_eq!(timers.period(SECOND), i32::MAX.unsigned_abs());
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_lengthen_a_sleep() {
        let timers = Timers::default();
        assert_eq!(timers.advance(SECOND * 10), SECOND * 10);
        assert_eq!(timers.advance(SECOND * 4), SECOND * 10);
        assert_eq!(timers.advance(SECOND * 5), SECOND * 11);
    }
}
