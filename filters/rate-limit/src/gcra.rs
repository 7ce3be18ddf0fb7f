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

/// How far a TAT lies behind what requests alone can reach, before it counts as left over from a clock that has been set
/// back since.
const MINUTE: u64 = 60 * SECOND;

/// How far costs that are known only after the response can indebt a key.
const DEEPEST_DEBT: u64 = 86_400 * SECOND;

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
    /// The furthest that a TAT can lie in the future.
    horizon: u64,
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
            0 => return Ok(Self { interval: 1, burst: 0, tolerance: 0, horizon: MINUTE }),
            _ => period.div_ceil(count),
        };
        if interval < SHORTEST {
            return Err(Unfit::TooFast);
        }
        let tolerance = interval.checked_mul(burst).filter(|tolerance| *tolerance <= LONGEST).ok_or(Unfit::TooSlow)?;
        let beyond = if debt { DEEPEST_DEBT } else { MINUTE };
        Ok(Self { interval, burst, tolerance, horizon: tolerance.saturating_add(beyond) })
    }

    /// The most tokens that can be taken at once.
    pub fn burst(&self) -> u64 {
        self.burst
    }

    /// What tells this rate from another: the interval, in nanoseconds, and the burst.
    pub fn parameters(&self) -> [u64; 2] {
        [self.interval, self.burst]
    }

    /// The furthest that a TAT can lie in the future.
    pub fn horizon(&self) -> u64 {
        self.horizon
    }

    /// Whether so many tokens are there, and the TAT after `take` of them were taken; it stays as it is when they are not.
    ///
    /// `tat` is 0 for a key that holds nothing against its owner.
    pub fn decide(&self, tat: u64, now: u64, need: u64, take: u64) -> (Decision, u64) {
        let tat = self.plausible(tat, now).max(now);
        let missing = match self.cost(need) {
            Some(cost) => tat.saturating_add(cost).saturating_sub(now.saturating_add(self.tolerance)),
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
        let tat = self.plausible(tat, now).max(now);
        tat.saturating_add(self.interval.saturating_mul(cost)).min(now.saturating_add(self.horizon))
    }

    /// The TAT after `taken` tokens come back unused. `reached` is the TAT to which taking them had led.
    ///
    /// They come back only while the bucket has not been full again meanwhile, for they would then be regained twice.
    pub fn give_back(&self, tat: u64, now: u64, taken: u64, reached: u64) -> u64 {
        if reached <= now || tat < reached {
            return tat;
        }
        tat.saturating_sub(self.interval.saturating_mul(taken))
    }

    /// How many more tokens could be taken now.
    pub fn remaining(&self, tat: u64, now: u64) -> u64 {
        let used = self.plausible(tat, now).saturating_sub(now);
        self.tolerance.saturating_sub(used).checked_div(self.interval).unwrap_or_default().min(self.burst)
    }

    /// Whether no request can have led to a TAT: it is left over from a clock that has been set back.
    pub fn is_left_over(&self, tat: u64, now: u64) -> bool {
        tat > now.saturating_add(self.horizon)
    }

    /// Of a TAT that is left over, the key has used up all, but is not to wait for that clock.
    fn plausible(&self, tat: u64, now: u64) -> u64 {
        if self.is_left_over(tat, now) { now.saturating_add(self.tolerance) } else { tat }
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
