//! Clock: the host's wall clock, as far as it goes forward.

use std::cell::Cell;

/// How far back the clock may jump without being believed, in nanoseconds.
const MINUTE: u64 = 60_000_000_000;

/// The latest time that a worker has seen.
///
/// A clock that is corrected by a little must not seem to run backwards, for then it runs through the same time again.
/// One that is set back by more than a minute was wrong before; to wait for it could take days.
#[derive(Debug, Default)]
pub struct Clock(Cell<u64>);

impl Clock {
    /// The time, in nanoseconds since the Unix epoch, given what the host says; and whether it was set back.
    pub fn at(&self, host: u64) -> (u64, bool) {
        let latest = self.0.get();
        let now = going_on(latest, host);
        self.0.set(now);
        (now, now < latest)
    }
}

/// The time after the latest that is known, given what the host says. It stands still while the host is behind by up to a minute.
pub fn going_on(latest: u64, host: u64) -> u64 {
    if latest.saturating_sub(host) > MINUTE { host } else { latest.max(host) }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]
mod tests {
    use super::*;

    #[test]
    fn a_small_step_back_is_not_believed_and_a_large_one_is() {
        let clock = Clock::default();
        assert_eq!(clock.at(100 * MINUTE), (100 * MINUTE, false));
        assert_eq!(clock.at(99 * MINUTE), (100 * MINUTE, false));
        assert_eq!(clock.at(101 * MINUTE), (101 * MINUTE, false));
        assert_eq!(clock.at(50 * MINUTE), (50 * MINUTE, true));
        assert_eq!(clock.at(50 * MINUTE - 1), (50 * MINUTE, false));
    }
}
