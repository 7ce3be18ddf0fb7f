//! Steps: how many bytes detectors have looked at, on this thread.

use std::cell::Cell;

thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn reset() {
    STEPS.set(0);
}

pub(crate) fn add(steps: usize) {
    STEPS.set(STEPS.get().saturating_add(steps));
}

pub(crate) fn count() -> usize {
    STEPS.get()
}
