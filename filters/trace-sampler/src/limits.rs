//! Limits: how many traces a second a tier takes at least, and at most, in all workers of a process.
//!
//! A reservoir takes what the probability leaves, until the second has its share; a cap refuses what the probability
//! samples, once the second has had it. One count serves both: the traces that the tier took this second, however
//! they were sampled. It is no longer kept once a larger one would change nothing, so that a second costs no more
//! updates of the shared value than its largest limit, however many requests come.

use std::cell::Cell;

use crate::decision::{KnownThreshold, Reason, Verdict};

mod window;

use window::{TierId, Window};

/// How many traces a tier takes in each second of the wall clock. A reservoir is no larger than its cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The least, if as many requests come; 0 leaves it to the probability.
    pub reservoir: u32,
    /// The most; `None` leaves it to the probability.
    pub cap: Option<u32>,
}

/// The limits of one tier in one worker, which it holds together with the other workers.
#[derive(Clone, Debug)]
pub struct Limiter {
    tier: TierId,
    limits: Limits,
    /// A second, and how many traces all workers had taken in it when this one looked last.
    known: Cell<(u64, u32)>,
}

/// What the workers of one process share.
pub trait Process {
    /// The wall clock, in whole seconds.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    fn second(&self) -> Result<u64, Unavailable>;

    /// Replaces the one value that they share by what `change` makes of it, which runs anew when another worker was
    /// faster.
    ///
    /// # Errors
    ///
    /// When the host refuses, or other workers are faster time and again.
    fn update(&self, change: Change<'_>) -> Result<(), Unavailable>;
}

/// What to make of the shared value, if it was ever set; `None` leaves it as it is.
pub type Change<'a> = &'a mut dyn FnMut(Option<&[u8]>) -> Option<Vec<u8>>;

/// What the workers share is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// What the limits say about a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ruling {
    /// The probability's decision holds.
    Stands,
    /// It is taken although the probability has not sampled it.
    Reservoir,
    /// It is dropped although the probability has sampled it.
    Cap,
}

// === impl Limits ===

impl Limits {
    /// The ruling about a trace when so many were taken before it in the same second, if any larger number would lead
    /// to the same; else the trace is to be taken and counted.
    fn settled(self, sampled: bool, taken: u32) -> Option<Ruling> {
        match self.cap {
            Some(cap) if sampled => (taken >= cap).then_some(Ruling::Cap),
            _ => (taken >= self.reservoir).then_some(Ruling::Stands),
        }
    }
}

// === impl Limiter ===

impl Limiter {
    /// The limiter of the tier with this name; `None` where there is nothing to limit.
    pub fn new(tier: &str, limits: Limits) -> Option<Self> {
        (limits != Limits::default()).then(|| Self { tier: window::tier_id(tier), limits, known: Cell::default() })
    }

    /// Holds a verdict to the limits. They are about what the probability decides, and nothing else.
    ///
    /// # Errors
    ///
    /// When what the workers share is not to be had; the verdict is to stand then.
    pub fn hold(&self, verdict: Verdict, process: &impl Process) -> Result<Verdict, Unavailable> {
        if verdict.reason != Reason::Probability {
            return Ok(verdict);
        }
        let threshold = KnownThreshold::Unknown;
        Ok(match self.rule(verdict.sampled, process)? {
            Ruling::Stands => verdict,
            Ruling::Reservoir => Verdict { sampled: true, reason: Reason::Reservoir, threshold, ..verdict },
            Ruling::Cap => Verdict { sampled: false, reason: Reason::Cap, threshold, ..verdict },
        })
    }

    fn rule(&self, sampled: bool, process: &impl Process) -> Result<Ruling, Unavailable> {
        if let Some(ruling) = self.limits.settled(sampled, 0) {
            return Ok(ruling);
        }
        let mut second = process.second()?;
        let (known, taken) = self.known.get();
        if let Some(ruling) = self.limits.settled(sampled, taken).filter(|_| known == second) {
            return Ok(ruling);
        }
        let mut outcome = Err(Unavailable); // of the last try
        process.update(&mut |value| {
            outcome = Err(Unavailable);
            let window = Window::read(value);
            if window.second != second {
                // Only who reads the clock between reading and replacing the value may begin a window: it then follows
                // the one before in time, whichever worker was slow, and also if the clock has been set back.
                second = process.second().ok()?;
            }
            let taken = window.taken(second, self.tier);
            match self.limits.settled(sampled, taken) {
                Some(ruling) => {
                    outcome = Ok((ruling, taken));
                    None
                }
                None => {
                    let ruling = if sampled { Ruling::Stands } else { Ruling::Reservoir };
                    let taken = taken.saturating_add(1);
                    outcome = Ok((ruling, taken));
                    Some(window.set(second, self.tier, taken))
                }
            }
        })?;
        let (ruling, taken) = outcome?;
        self.known.set((second, taken));
        Ok(ruling)
    }
}

#[cfg(test)]
mod tests;
