//! Refusals: what a service has refused, for as long as it said.

use crate::decision::Decision;
use crate::headers::Shown;
use std::cell::RefCell;
use std::time::Duration;

/// How many are remembered, in 128 KiB at most. Of two that fall into one place the later stays; the service is asked
/// about the other, so that a crowd of refused clients costs calls, not memory.
const PLACES: usize = 1024;

/// The refusals that one worker has seen of one limit.
pub(super) struct Refusals {
    /// Made with the first refusal.
    places: RefCell<Vec<Option<Refusal>>>,
    /// No refusal is believed for longer.
    longest: Duration,
}

/// One descriptor that is over its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The descriptor, hashed.
    pub(super) descriptor: u64,
    /// How many hits were refused; fewer may fit.
    pub(super) hits: u32,
    /// Its end, since the Unix epoch.
    pub(super) until: Duration,
    pub(super) standing: Option<(Shown, Decision)>,
}

impl Refusals {
    pub(super) fn new(longest: Duration) -> Self {
        Self { places: RefCell::default(), longest }
    }

    pub(super) fn remember(&self, mut refusal: Refusal, now: Duration) {
        refusal.until = refusal.until.min(now.saturating_add(self.longest));
        if refusal.until <= now {
            return;
        }
        let mut places = self.places.borrow_mut();
        if places.is_empty() {
            places.resize(PLACES, None);
        }
        if let Some(place) = places.get_mut(place(refusal.descriptor)) {
            *place = Some(refusal);
        }
    }

    /// The refusal that still holds for so many hits of this descriptor.
    pub(super) fn find(&self, descriptor: u64, hits: u32, now: Duration) -> Option<Refusal> {
        let refusal = (*self.places.borrow().get(place(descriptor))?)?;
        let left = refusal.until.checked_sub(now)?;
        // A clock that was set back would make it longer than it was.
        let holds = !left.is_zero() && left <= self.longest;
        (refusal.descriptor == descriptor && hits >= refusal.hits && holds).then_some(refusal)
    }
}

fn place(descriptor: u64) -> usize {
    let [low, high, ..] = descriptor.to_le_bytes();
    usize::from(u16::from_le_bytes([low, high])) & PLACES.saturating_sub(1)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn refused(descriptor: u64, hits: u32, lasts: Duration) -> Refusals {
        let refusals = Refusals::new(HOUR);
        refusals.remember(Refusal { descriptor, hits, until: NOW + lasts, standing: None }, NOW);
        refusals
    }

    #[test]
    fn a_refusal_holds_until_its_end_and_no_longer() {
        let refusals = refused(7, 1, seconds(10));
        assert!(refusals.find(7, 1, NOW).is_some());
        assert!(refusals.find(7, 1, NOW + seconds(10) - Duration::from_nanos(1)).is_some());
        assert!(refusals.find(7, 1, NOW + seconds(10)).is_none());
    }

    #[test]
    fn it_is_about_its_descriptor_alone() {
        let refusals = refused(7, 1, seconds(10));
        assert!(refusals.find(8, 1, NOW).is_none());
        let in_the_same_place = 7 + (PLACES as u64);
        assert!(refusals.find(in_the_same_place, 1, NOW).is_none());
    }

    #[test]
    fn fewer_hits_than_were_refused_may_fit() {
        let refusals = refused(7, 5, seconds(10));
        assert!(refusals.find(7, 4, NOW).is_none());
        assert!(refusals.find(7, 5, NOW).is_some());
        assert!(refusals.find(7, 6, NOW).is_some());
    }

    #[test]
    fn no_refusal_is_believed_for_longer_than_the_longest() {
        let refusals = refused(7, 1, Duration::MAX - NOW);
        assert!(refusals.find(7, 1, NOW + HOUR - seconds(1)).is_some());
        assert!(refusals.find(7, 1, NOW + HOUR).is_none());
        let never = Refusals::new(Duration::ZERO);
        never.remember(Refusal { descriptor: 7, hits: 1, until: NOW + HOUR, standing: None }, NOW);
        assert!(never.find(7, 1, NOW).is_none() && never.places.borrow().is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_ends_it() {
        let refusals = refused(7, 1, HOUR);
        assert!(refusals.find(7, 1, NOW).is_some());
        assert!(refusals.find(7, 1, NOW - seconds(1)).is_none());
    }

    #[test]
    fn a_refusal_without_duration_takes_no_memory() {
        assert!(refused(7, 1, Duration::ZERO).places.borrow().is_empty());
    }

    #[test]
    fn a_million_refusals_take_the_memory_of_one() {
        let refusals = refused(7, 1, HOUR);
        for descriptor in 0..1_000_000 {
            refusals.remember(Refusal { descriptor, hits: 1, until: NOW + HOUR, standing: None }, NOW);
        }
        assert_eq!(refusals.places.borrow().capacity(), PLACES);
        assert!(size_of::<Option<Refusal>>() * PLACES <= 128 * 1024, "{}", size_of::<Option<Refusal>>());
        assert!(refusals.find(999_999, 1, NOW).is_some());
    }
}
