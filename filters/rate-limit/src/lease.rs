//! Lease: tokens that a worker has taken ahead of the requests that will spend them.
//!
//! They are counted when they are taken, so that all workers together never spend more than the limit allows; but a token
//! may be spent later than it was taken. In any stretch of time, workers may admit what they held at its beginning more
//! than the limit allows: at most one token less than a batch each.
//!
//! A worker has a fixed number of places. A key that comes to the place of another drops its tokens, which is to the
//! disadvantage of that key alone.

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

    /// Keeps what is held of a key.
    pub fn keep(&self, lease: Lease) {
        if let Some(place) = self.place(lease.fingerprint) {
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
    /// Whether a demand is known to be refused still, and until when.
    pub fn refusal(&self, need: u64, now: u64) -> Option<u64> {
        self.refused.filter(|(refused, until)| need >= *refused && now < *until).map(|(_, until)| until)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_takes_anothers_place_takes_none_of_its_tokens() {
        let leases = Leases::default();
        let place = PLACES as u64;
        leases.keep(Lease { fingerprint: place, tokens: 5, ..Lease::default() });
        assert_eq!(leases.of(place).tokens, 5);
        assert_eq!(leases.of(place * 2).tokens, 0);
        leases.keep(leases.of(place * 2));
        assert_eq!(leases.of(place).tokens, 0);
    }

    #[test]
    fn a_worker_has_48_kib_for_leases_and_none_without() {
        assert_eq!(size_of::<Cell<Lease>>() * PLACES, 48 << 10);
        assert!(Leases::default().0.get().is_none());
    }

    #[test]
    fn a_refusal_holds_for_as_much_or_more_until_its_time() {
        let lease = Lease { refused: Some((3, 100)), ..Lease::default() };
        assert_eq!(lease.refusal(3, 99), Some(100));
        assert_eq!(lease.refusal(4, 99), Some(100));
        assert_eq!(lease.refusal(2, 99), None);
        assert_eq!(lease.refusal(3, 100), None);
    }
}
