//! GCRA, the generic cell rate algorithm (ITU-T I.371): a rate and a burst, held by one number for each key.
//!
//! That number is the theoretical arrival time, TAT: when the key will have regained all that it took. It is a bucket of
//! `burst` tokens that is full at the TAT and gains one each `interval`. All times are nanoseconds since the Unix epoch, and
//! all arithmetic is of integers.

use crate::decision::Decision;

/// No bucket takes longer than this to fill: ten years.
const LONGEST: u64 = 10 * 366 * 86_400 * SECOND;

/// The shortest interval. It is rounded up to whole nanoseconds, so that a rate is never exceeded; a hundred of them keep the error below
/// one percent.
const SHORTEST: u64 = 100;

/// How far costs that are known only after the response can indebt a key.
const DEEPEST_DEBT: u64 = 86_400 * SECOND;

/// The furthest in the future that the TAT of any rate can lie.
pub const FURTHEST: u64 = LONGEST + DEEPEST_DEBT;

const SECOND: u64 = 1_000_000_000;

/// One rate with its burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// From one token to the next.
    interval: u64,
    /// The most tokens that can be taken at once.
    burst: u64,
    /// The time that an empty bucket takes to fill.
    tolerance: u64,
    /// The furthest in the future to which a charge can lead.
    deepest: u64,
}

/// Why there is no such rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The period is zero.
    NoPeriod,
    /// Nothing can ever be taken.
    NoBurst,
    /// More than ten million a second.
    TooFast,
    /// An empty bucket would take more than ten years to fill.
    TooSlow,
}

impl Gcra {
    /// So many tokens in a period of so many nanoseconds, and `burst` of them at once. A key that may go into debt can be
    /// charged for what it has not got.
    ///
    /// # Errors
    ///
    /// [`Unfit`] says why there is no such rate.
    pub fn new(count: u64, period: u64, burst: u64, debt: bool) -> Result<Self, Unfit> {
        if period == 0 {
            return Err(Unfit::NoPeriod);
        }
        if burst == 0 {
            return Err(Unfit::NoBurst);
        }
        let interval = match count {
            // Nothing is ever regained, and nothing is taken: see `Gcra::decide`.
            0 => return Ok(Self { interval: 1, burst: 0, tolerance: 0, deepest: 0 }),
            _ => period.div_ceil(count),
        };
        if interval < SHORTEST {
            return Err(Unfit::TooFast);
        }
        let tolerance = interval.checked_mul(burst).filter(|tolerance| *tolerance <= LONGEST).ok_or(Unfit::TooSlow)?;
        let beyond = if debt { DEEPEST_DEBT } else { 0 };
        Ok(Self { interval, burst, tolerance, deepest: tolerance.saturating_add(beyond) })
    }

    /// The most tokens that can be taken at once.
    pub fn burst(&self) -> u64 {
        self.burst
    }

    /// What tells this rate from another: the interval, in nanoseconds, and the burst.
    pub fn parameters(&self) -> [u64; 2] {
        [self.interval, self.burst]
    }

    /// The TAT of an empty bucket.
    pub fn empty(&self, now: u64) -> u64 {
        now.saturating_add(self.tolerance)
    }

    /// Whether so many tokens are there, and the TAT after `take` of them were taken; it stays as it is when they are not.
    ///
    /// `tat` is 0 for a key that holds nothing against its owner.
    pub fn decide(&self, tat: u64, now: u64, need: u64, take: u64) -> (Decision, u64) {
        let tat = tat.max(now);
        let missing = match self.cost(need) {
            Some(cost) => tat.saturating_add(cost).saturating_sub(self.empty(now)),
            None => return (self.state(tat, now, false, None), tat),
        };
        if missing > 0 {
            return (self.state(tat, now, false, Some(missing)), tat);
        }
        let tat = tat.saturating_add(self.cost(take).unwrap_or_default());
        (self.state(tat, now, true, None), tat)
    }

    /// The TAT after a cost that is not asked about: the key may end up in debt.
    pub fn charge(&self, tat: u64, now: u64, cost: u64) -> u64 {
        let most = now.saturating_add(self.deepest);
        tat.max(now).saturating_add(self.interval.saturating_mul(cost)).min(most)
    }

    /// By how much the TAT falls when so many tokens come back unused, of what was taken at a time and led to the TAT `reached`.
    /// `returned` is by how much it has fallen since, for what else came back.
    ///
    /// Only what was not regained meanwhile comes back: it would be had twice. Tokens are regained in the order in which they were taken.
    /// What else came back is held to have been taken before these; but no more is regained than time has passed. So no more comes
    /// back than is owed, in whatever order, and all where it comes back in the order in which it was taken.
    pub fn refund(&self, now: u64, tokens: u64, at: u64, reached: u64, returned: u64) -> u64 {
        let Some(passed) = now.checked_sub(at) else { return 0 };
        let cost = self.interval.saturating_mul(tokens);
        let ahead = reached.saturating_sub(returned).saturating_sub(now);
        cost.saturating_sub(passed).max(cost.min(ahead))
    }

    /// How many units of time this is, rounded up. As many as fit 32 bits are at least 32 times the time that an empty bucket takes
    /// to fill.
    pub fn units(&self, time: u64) -> u32 {
        u32::try_from(time.div_ceil(self.unit())).unwrap_or(u32::MAX)
    }

    /// The time of so many units.
    pub fn time(&self, units: u32) -> u64 {
        u64::from(units).saturating_mul(self.unit())
    }

    fn unit(&self) -> u64 {
        (self.tolerance >> 26).saturating_add(1)
    }

    /// How many more tokens could be taken now.
    pub fn remaining(&self, tat: u64, now: u64) -> u64 {
        let used = tat.saturating_sub(now);
        self.tolerance.saturating_sub(used).checked_div(self.interval).unwrap_or_default().min(self.burst)
    }

    /// The time that so many tokens take to be regained; `None` for more than there ever are.
    fn cost(&self, tokens: u64) -> Option<u64> {
        if tokens > self.burst { None } else { self.interval.checked_mul(tokens) }
    }

    fn state(&self, tat: u64, now: u64, admitted: bool, retry: Option<u64>) -> Decision {
        Decision { admitted, remaining: self.remaining(tat, now), reset: tat.saturating_sub(now), retry }
    }
}

#[cfg(test)]
mod tests;
