//! Lease: tokens that a worker has taken ahead of the requests that will spend them.
//!
//! They are counted when they are taken, so that all workers together never spend more than the limit allows; but a token
//! may be spent later than it was taken. In any stretch of time, workers may admit what they held at its beginning more
//! than the limit allows: at most one token less than a batch each.
//!
//! A worker has a fixed number of places. A key whose place is another's is counted without a lease: no flood of keys can make
//! those who hold tokens lose them. The place is free when the other has none left, or has regained all that it took, for
//! then its tokens are worth nothing.

use std::cell::{Cell, OnceCell};

/// How many keys a worker holds tokens of.
const PLACES: usize = 1024;

/// The tokens that one worker holds.
#[derive(Debug, Default)]
pub struct Leases(OnceCell<Vec<Cell<Lease>>>);

/// What a worker holds of one key, and knows about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// The key.
    pub fingerprint: u64,
    /// The tokens.
    pub tokens: u64,
    /// The key's TAT when they were taken.
    pub tat: u64,
    /// A demand that was refused, and until when.
    pub refused: Option<(u64, u64)>,
}

impl Leases {
    /// What is held of a key.
    pub fn of(&self, fingerprint: u64) -> Lease {
        let held = self.place(fingerprint).map(Cell::get).filter(|lease| lease.fingerprint == fingerprint);
        held.unwrap_or(Lease { fingerprint, ..Lease::default() })
    }

    /// Whether there is a place for what is held of a key.
    pub fn has_place(&self, fingerprint: u64, now: u64) -> bool {
        self.place(fingerprint)
            .map(Cell::get)
            .is_some_and(|lease| lease.fingerprint == fingerprint || lease.tokens == 0 || lease.tat <= now)
    }

    /// Keeps what is held of a key, if there is a place.
    pub fn keep(&self, lease: Lease, now: u64) {
        if self.has_place(lease.fingerprint, now)
            && let Some(place) = self.place(lease.fingerprint)
        {
            place.set(lease);
        }
    }

    /// The places are there from the first use on.
    fn place(&self, fingerprint: u64) -> Option<&Cell<Lease>> {
        let places = self.0.get_or_init(|| vec![Cell::default(); PLACES]);
        places.get((fingerprint as usize) & PLACES.saturating_sub(1))
    }
}

impl Lease {
    /// Whether a demand is known to be refused still, and until when. No refusal lasts longer than `longest`: one that
    /// seems to is left over from a clock that has been set back.
    pub fn refusal(&self, need: u64, now: u64, longest: u64) -> Option<u64> {
        let (refused, until) = self.refused?;
        let holds = now < until && until.saturating_sub(now) <= longest;
        (need >= refused && holds).then_some(until)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_tokens_and_its_place_while_they_are_worth_something() {
        let leases = Leases::default();
        let [one, other] =
            [1, 2].map(|number| Lease { fingerprint: PLACES as u64 * number, tokens: 5, tat: 100, ..Lease::default() });
        leases.keep(one, 50);
        leases.keep(other, 99);
        assert!(!leases.has_place(other.fingerprint, 99));
        assert_eq!((leases.of(one.fingerprint).tokens, leases.of(other.fingerprint).tokens), (5, 0));
        leases.keep(other, 100);
        assert_eq!((leases.of(one.fingerprint).tokens, leases.of(other.fingerprint).tokens), (0, 5));
        leases.keep(Lease { tokens: 0, ..other }, 100);
        assert!(leases.has_place(one.fingerprint, 0));
    }

    #[test]
    fn a_worker_has_48_kib_for_leases_and_none_without() {
        assert_eq!(size_of::<Cell<Lease>>() * PLACES, 48 << 10);
        assert!(Leases::default().0.get().is_none());
    }

    #[test]
    fn a_refusal_holds_for_as_much_or_more_until_its_time() {
        let lease = Lease { refused: Some((3, 100)), ..Lease::default() };
        assert_eq!(lease.refusal(3, 99, 50), Some(100));
        assert_eq!(lease.refusal(4, 99, 50), Some(100));
        assert_eq!(lease.refusal(2, 99, 50), None);
        assert_eq!(lease.refusal(3, 100, 50), None);
    }

    #[test]
    fn a_clock_that_is_set_back_ends_a_refusal() {
        let lease = Lease { refused: Some((3, 100)), ..Lease::default() };
        assert_eq!(lease.refusal(3, 50, 50), Some(100));
        assert_eq!(lease.refusal(3, 49, 50), None);
    }
}
