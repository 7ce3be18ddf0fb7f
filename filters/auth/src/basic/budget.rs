//! Budget: how many passwords a worker may hash, since it does nothing else meanwhile.

use std::collections::VecDeque;
use std::time::Duration;

use palisade_sdk::config::Percent;

const SECOND: Duration = Duration::from_secs(1);

/// So many hashes in any second, and so much of a worker's time.
///
/// After a hash that took `d`, with a share of a tenth, the next one waits until ten times `d` are over since it began. So
/// there are never two in a row, and whatever else the worker has to do waits for one hash at most.
pub(crate) struct Budget {
    per_second: usize,
    /// How many times as long as a hash it takes until the next one.
    pause: f64,
    /// When the hashes of the last second began.
    recent: VecDeque<Duration>,
    /// When the last one began.
    began: Duration,
    /// When the share allows the next one.
    free_at: Duration,
}

// === impl Budget ===

impl Budget {
    /// At most `per_second` hashes, and at most this share of the time.
    pub(crate) fn new(per_second: usize, share: Percent) -> Self {
        // A 128-bit division would cost a module a kilobyte.
        let pause = share.denominator() as f64 / share.numerator() as f64;
        Self { per_second, pause, recent: VecDeque::new(), began: Duration::ZERO, free_at: Duration::ZERO }
    }

    /// Takes one hash out of the budget.
    ///
    /// # Errors
    ///
    /// How long to wait for the next one.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        if now < self.began {
            // The clock was set back: what it said before means nothing any more.
            self.recent.clear();
            self.free_at = now;
        }
        while self.recent.front().is_some_and(|first| now.saturating_sub(*first) >= SECOND) {
            self.recent.pop_front();
        }
        if self.free_at > now {
            return Err(self.free_at.saturating_sub(now));
        }
        match self.recent.front() {
            Some(first) if self.recent.len() >= self.per_second => {
                Err(first.saturating_add(SECOND).saturating_sub(now))
            }
            _ => {
                self.began = now;
                self.recent.push_back(now);
                Ok(())
            }
        }
    }

    /// Says when the hash ended that was taken out last.
    pub(crate) fn spent(&mut self, ended: Duration) {
        let busy = ended.saturating_sub(self.began).as_secs_f64();
        let wait = Duration::try_from_secs_f64(busy * self.pause).unwrap_or(Duration::MAX);
        self.free_at = self.began.saturating_add(wait);
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "numbers of a test")]
mod tests {
    use palisade_sdk::config;
    use proptest::prelude::*;

    use super::*;

    fn budget(per_second: usize, share: &str) -> Budget {
        Budget::new(per_second, config::parse(format!("\"{share}\"").as_bytes()).unwrap())
    }

    fn ms(number: u64) -> Duration {
        Duration::from_secs(1_000_000) + Duration::from_millis(number)
    }

    #[test]
    fn there_are_so_many_hashes_in_a_second_and_no_more() {
        let mut budget = budget(2, "100%");
        assert_eq!(budget.take(ms(0)), Ok(()));
        assert_eq!(budget.take(ms(400)), Ok(()));
        assert_eq!(budget.take(ms(999)), Err(Duration::from_millis(1)));
        assert_eq!(budget.take(ms(1_000)), Ok(()));
        assert_eq!(budget.take(ms(1_300)), Err(Duration::from_millis(100)));
    }

    #[test]
    fn a_hash_is_followed_by_time_for_everything_else() {
        let mut budget = budget(100, "10%");
        assert_eq!(budget.take(ms(0)), Ok(()));
        budget.spent(ms(90));
        assert_eq!(budget.take(ms(90)), Err(Duration::from_millis(810)));
        assert_eq!(budget.take(ms(900)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_it() {
        let mut budget = budget(1, "1%");
        assert_eq!(budget.take(ms(3_600_000)), Ok(()));
        budget.spent(ms(3_600_090));
        assert!(budget.take(ms(3_605_000)).is_err());
        assert_eq!(budget.take(ms(0)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_during_a_hash_makes_it_free_of_charge() {
        let mut budget = budget(5, "10%");
        assert_eq!(budget.take(ms(100)), Ok(()));
        budget.spent(ms(0));
        assert_eq!(budget.take(ms(100)), Ok(()));
    }

    proptest! {
        #[test]
        fn no_second_has_more_than_its_budget(per_second in 1_usize..6, gaps in prop::collection::vec(0_u64..400, 0..100)) {
            let mut budget = budget(per_second, "100%");
            let (mut now, mut taken) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                match budget.take(ms(now)) {
                    Ok(()) => taken.push(now),
                    Err(wait) => prop_assert!(budget.take(ms(now) + wait - Duration::from_nanos(1)).is_err()),
                }
            }
            for first in &taken {
                prop_assert!(taken.iter().filter(|at| (*first..first + 1_000).contains(at)).count() <= per_second);
            }
            prop_assert!(budget.recent.len() <= per_second);
        }

        #[test]
        fn hashes_take_no_more_than_their_share(costs in prop::collection::vec((0_u64..50, 1_u64..90), 1..60)) {
            let mut budget = budget(1_000, "25%");
            let (mut now, mut busy) = (0, 0);
            for (gap, cost) in costs {
                now += gap;
                if budget.take(ms(now)).is_ok() {
                    prop_assert!(busy * 4 <= now, "{busy} of {now}");
                    budget.spent(ms(now + cost));
                    (now, busy) = (now + cost, busy + cost);
                }
            }
        }
    }
}
