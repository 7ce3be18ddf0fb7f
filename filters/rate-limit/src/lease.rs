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

use crate::policy::Taken;

/// How many keys a worker holds tokens of.
const PLACES: usize = 1024;

/// The tokens that one worker holds.
#[derive(Debug, Default)]
pub struct Leases(OnceCell<Vec<Cell<Lease>>>);

/// What a worker holds of one key, and knows about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// The tokens, as they were taken.
    pub tokens: Taken,
    /// The key's TAT when it was last asked about.
    pub tat: u64,
    /// A demand that was refused; 0 where none was.
    pub refused: u64,
    /// Until when.
    pub refused_until: u64,
}

impl Leases {
    /// What is held of a key.
    pub fn of(&self, fingerprint: u64) -> Lease {
        let place = self.0.get().and_then(|places| places.get(number(fingerprint)));
        let held = place.map(Cell::get).filter(|lease| lease.tokens.fingerprint == fingerprint);
        held.unwrap_or(Lease { tokens: Taken { fingerprint, ..Taken::default() }, ..Lease::default() })
    }

    /// Whether there is a place for what is held of a key.
    pub fn has_place(&self, fingerprint: u64, now: u64) -> bool {
        self.place(fingerprint).map(Cell::get).is_some_and(|lease| {
            lease.tokens.fingerprint == fingerprint || lease.tokens.amount == 0 || lease.tat <= now
        })
    }

    /// Whether two keys have the same place.
    pub fn collide(one: u64, other: u64) -> bool {
        number(one) == number(other)
    }

    /// Keeps what is held of a key, if there is a place.
    pub fn keep(&self, lease: Lease, now: u64) {
        if self.has_place(lease.tokens.fingerprint, now)
            && let Some(place) = self.place(lease.tokens.fingerprint)
        {
            place.set(lease);
        }
    }

    /// Forgets what was refused: the clock was set back, and nobody knows until when.
    pub fn forget_refusals(&self) {
        for place in self.0.get().into_iter().flatten() {
            place.set(Lease { refused: 0, ..place.get() });
        }
    }

    /// The places are there from the first on that may be used.
    fn place(&self, fingerprint: u64) -> Option<&Cell<Lease>> {
        let places = self.0.get_or_init(|| vec![Cell::default(); PLACES]);
        places.get(number(fingerprint))
    }
}

fn number(fingerprint: u64) -> usize {
    (fingerprint as usize) & PLACES.saturating_sub(1)
}

impl Lease {
    /// Until when a demand is known to be refused still.
    pub fn refusal(&self, need: u64, now: u64) -> Option<u64> {
        (self.refused > 0 && need >= self.refused && now < self.refused_until).then_some(self.refused_until)
    }

    /// Whether these tokens, or more, were taken together with those.
    pub fn is_of(&self, tokens: Taken) -> bool {
        tokens.until > 0 && Taken { amount: 0, ..self.tokens } == Taken { amount: 0, ..tokens }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_tokens_and_its_place_while_they_are_worth_something() {
        let leases = Leases::default();
        let [one, other] = [1, 2].map(|number| Lease {
            tokens: Taken { fingerprint: PLACES as u64 * number, amount: 5, ..Taken::default() },
            tat: 100,
            ..Lease::default()
        });
        let [first, second] = [one, other].map(|lease| lease.tokens.fingerprint);
        let held = || [first, second].map(|fingerprint| leases.of(fingerprint).tokens.amount);
        assert!(Leases::collide(first, second) && !Leases::collide(first, second + 1));
        leases.keep(one, 50);
        leases.keep(other, 99);
        assert!(!leases.has_place(second, 99));
        assert_eq!(held(), [5, 0]);
        leases.keep(other, 100);
        assert_eq!(held(), [0, 5]);
        leases.keep(Lease { tokens: Taken { amount: 0, ..other.tokens }, ..other }, 100);
        assert!(leases.has_place(first, 0));
    }

    #[test]
    fn a_worker_has_64_kib_for_leases_and_none_without() {
        assert_eq!(size_of::<Cell<Lease>>() * PLACES, 64 << 10);
        let leases = Leases::default();
        assert_eq!(leases.of(1).tokens.amount, 0);
        leases.forget_refusals();
        assert!(leases.0.get().is_none());
    }

    #[test]
    fn where_nothing_was_taken_nothing_comes_back() {
        let nothing = Leases::default().of(1);
        assert!(!nothing.is_of(Taken { amount: 5, ..nothing.tokens }));
        let lease = Lease { tokens: Taken { until: 1, ..nothing.tokens }, ..nothing };
        assert!(lease.is_of(Taken { amount: 5, ..lease.tokens }));
    }

    #[test]
    fn a_refusal_holds_for_as_much_or_more_until_its_time() {
        let lease = Lease { refused: 3, refused_until: 100, ..Lease::default() };
        assert_eq!(lease.refusal(3, 99), Some(100));
        assert_eq!(lease.refusal(4, 99), Some(100));
        assert_eq!(lease.refusal(2, 99), None);
        assert_eq!(lease.refusal(3, 100), None);
        let leases = Leases::default();
        leases.keep(lease, 0);
        leases.forget_refusals();
        assert_eq!(leases.of(0).refusal(3, 99), None);
    }
}
