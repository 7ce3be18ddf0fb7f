//! Timers: the sleeping futures of one root context, over the one tick that the host gives it.

use std::cell::{Cell, RefCell};
use std::mem;
use std::task::Waker;
use std::time::Duration;

/// The deadlines, on a clock that never goes back, and who waits for them.
#[derive(Default)]
pub struct Timers {
    /// In the order of sleepers. A list: a `BTreeMap` would add 7 KiB to a module.
    deadlines: RefCell<Vec<(Sleeper, Waker)>>,
    next: Cell<u32>,
    /// The host's clock when it was last read, and how far it has gone back in all.
    read: Cell<Duration>,
    set_back: Cell<Duration>,
    /// When the host's tick is due.
    tick: Cell<Option<Duration>>,
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

    pub(crate) fn insert(&self, deadline: Duration, waker: Waker) -> Sleeper {
        let sleeper = (deadline, self.next.get());
        self.next.set(self.next.get().wrapping_add(1));
        let place = self.place(sleeper).unwrap_or_else(|place| place);
        self.deadlines.borrow_mut().insert(place, (sleeper, waker));
        sleeper
    }

    /// Whether the sleeper still sleeps; if so, this is whom to wake.
    pub(crate) fn sleeps(&self, sleeper: Sleeper, waker: &Waker) -> bool {
        let Ok(place) = self.place(sleeper) else { return false };
        let waker = waker.clone();
        let former = self.deadlines.borrow_mut().get_mut(place).map(|(_, waiting)| mem::replace(waiting, waker));
        former.is_some()
    }

    pub(crate) fn remove(&self, sleeper: Sleeper) {
        if let Ok(place) = self.place(sleeper) {
            let removed = self.deadlines.borrow_mut().remove(place);
            drop(removed);
        }
    }

    /// Wakes everybody whose deadline has passed.
    pub(crate) fn wake_due(&self, now: Duration) {
        let mut deadlines = self.deadlines.take();
        let due = deadlines.partition_point(|((deadline, _), _)| *deadline <= now);
        let later = deadlines.split_off(due);
        self.deadlines.replace(later);
        for (_, waker) in deadlines {
            waker.wake();
        }
    }

    /// The tick period to ask the host for; `None` where its tick comes early enough. To ask anew would put it off, and
    /// for ever where somebody does so again and again.
    pub(crate) fn change(&self, now: Duration) -> Option<u32> {
        let period = self.period(now);
        let comes_early = self.tick.get().is_some_and(|tick| tick <= due(now, period));
        (period == 0 || !comes_early).then_some(period)
    }

    /// The host ticks with this period from now on.
    pub(crate) fn armed(&self, now: Duration, period: u32) {
        self.tick.set((period > 0).then_some(due(now, period)));
    }

    /// The host's tick has come.
    pub(crate) fn ticked(&self) {
        self.tick.set(None);
    }

    fn place(&self, sleeper: Sleeper) -> Result<usize, usize> {
        self.deadlines.borrow().binary_search_by_key(&sleeper, |(sleeper, _)| *sleeper)
    }

    /// The tick period that meets the next deadline, in milliseconds; 0 when nobody sleeps.
    fn period(&self, now: Duration) -> u32 {
        match self.deadlines.borrow().first() {
            Some(((deadline, _), _)) => {
                let wait = deadline.saturating_sub(now).saturating_add(Duration::from_nanos(999_999)).as_millis();
                u32::try_from(wait).unwrap_or(u32::MAX).clamp(1, i32::MAX.unsigned_abs())
            }
            None => 0,
        }
    }
}

fn due(now: Duration, period: u32) -> Duration {
    now.saturating_add(Duration::from_millis(period.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::ready;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_tick_that_comes_early_enough_is_not_put_off() {
        let timers = Timers::default();
        assert_eq!(timers.change(SECOND), Some(0), "nobody sleeps");
        let at = |milliseconds| SECOND + Duration::from_millis(milliseconds);
        timers.insert(at(5), ready::waker(0, 7));
        assert_eq!(timers.change(SECOND), Some(5));
        timers.armed(SECOND, 5);
        timers.insert(at(6), ready::waker(0, 8));
        for overdue in 0..20 {
            assert_eq!(timers.change(at(overdue)), None, "{overdue} ms later");
        }
        timers.insert(at(1), ready::waker(0, 9));
        assert_eq!(timers.change(SECOND), Some(1), "an earlier deadline");
        timers.ticked();
        assert_eq!(timers.change(at(20)), Some(1), "the tick has come");
    }

    #[test]
    fn everybody_whose_deadline_has_passed_is_woken_and_nobody_else() {
        let timers = Timers::default();
        for (deadline, id) in [(SECOND * 2, 7), (SECOND, 8), (SECOND, 9)] {
            timers.insert(deadline, ready::waker(0, id));
        }
        timers.wake_due(SECOND / 2);
        assert_eq!(ready::next_other_than(0, 0), None);
        timers.wake_due(SECOND);
        assert_eq!((ready::next_other_than(0, 0), ready::next_other_than(0, 0)), (Some(8), Some(9)));
        assert_eq!(ready::next_other_than(0, 0), None);
        assert_eq!(timers.period(SECOND), 1000);
        timers.wake_due(SECOND * 3);
        assert_eq!(ready::next_other_than(0, 0), Some(7));
        assert_eq!(timers.period(SECOND), 0);
    }

    #[test]
    fn a_period_is_never_zero_and_never_too_large_for_the_host() {
        let timers = Timers::default();
        let sleeper = timers.insert(Duration::from_nanos(1), Waker::noop().clone());
        assert_eq!(timers.period(SECOND), 1);
        timers.remove(sleeper);
        timers.insert(Duration::MAX, Waker::noop().clone());
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
