//! Policy: what one limit allows each of its keys, and what it keeps about them in a table.

use crate::calendar::{self, Unit};
use crate::decision::Decision;
use crate::gcra::Gcra;
use crate::table::{Full, Room, Slot, Table};

/// So many generations of leases a key has at a time: the more, the sooner a lost lease ends after its time.
const GENERATIONS: u64 = 8;

const HOUR: u64 = 3_600_000_000_000;

/// What one limit allows each of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// So many in any time of a length, by GCRA.
    Rate(Gcra),
    /// So many in each hour, day or month of the calendar.
    Quota {
        /// How many.
        count: u32,
        /// In which time.
        unit: Unit,
    },
    /// So many at a time.
    Concurrency {
        /// How many.
        count: u32,
        /// When one counts as lost, in nanoseconds.
        max_duration: u64,
    },
}

/// What is asked of a limit for one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// How much must be there.
    pub need: u64,
    /// How much of it is taken.
    pub take: u64,
    /// How much more of a rate is taken, if it is there, all of it or in part.
    pub spare: u64,
}

/// The answer to a demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// What was taken.
    pub taken: Taken,
    /// Whether the key's time was left over from a clock that has been set back, and was brought back in the table,
    /// whatever the decision is.
    pub brought_back: bool,
}

/// What was taken of a key, and where it is to come back to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The key.
    pub fingerprint: u64,
    /// How much.
    pub amount: u64,
    /// The time in the key's slot after it.
    pub until: u64,
    /// The key's slot.
    pub generation: u32,
}

// === impl Policy ===

impl Policy {
    /// The most that can be taken at once.
    pub fn capacity(&self) -> u64 {
        match self {
            Self::Rate(gcra) => gcra.burst(),
            Self::Quota { count, .. } | Self::Concurrency { count, .. } => u64::from(*count),
        }
    }

    /// The furthest in the future that the time in a slot of this policy can lie.
    pub fn horizon(&self) -> u64 {
        match self {
            Self::Rate(gcra) => gcra.horizon(),
            Self::Quota { .. } => 31 * 86_400 * 1_000_000_000,
            Self::Concurrency { max_duration, .. } => max_duration.saturating_mul(2),
        }
    }

    /// Answers a demand, and keeps in the table what was taken.
    ///
    /// # Errors
    ///
    /// [`Full`] when something would have to be kept, now or after the response, and there is no room; the table is as it was.
    pub fn ask(
        &self,
        table: &mut Table,
        fingerprint: u64,
        demand: Demand,
        now: u64,
        room: Room,
    ) -> Result<Answer, Full> {
        let mut brought_back = false;
        let (decision, slot, amount) = match self {
            Self::Rate(gcra) => {
                let tat = tat(table, fingerprint, now);
                brought_back = gcra.is_left_over(tat, now);
                rate(gcra, tat, fingerprint, demand, now)
            }
            Self::Quota { count, unit } => quota(*count, *unit, table, fingerprint, demand, now),
            Self::Concurrency { count, max_duration } => {
                concurrency(*count, *max_duration, table, fingerprint, demand, now)
            }
        };
        if decision.admitted && amount > 0 || brought_back {
            table.put(slot, now, room)?;
        } else if decision.admitted && demand.take == 0 {
            // What it costs is charged later, and is to have a place then.
            table.has_room(slot, now, room)?;
        }
        let taken = Taken { fingerprint, amount, until: slot.until, generation: slot.generation };
        Ok(Answer { decision, taken: if decision.admitted { taken } else { Taken::default() }, brought_back })
    }

    /// Brings back a key's time that is left over from a clock that has been set back: all is used up as of now.
    pub fn bring_back(&self, table: &mut Table, fingerprint: u64, now: u64, room: Room) {
        if matches!(self, Self::Rate(gcra) if gcra.is_left_over(tat(table, fingerprint, now), now)) {
            // It has its place already.
            let _ = self.charge(table, fingerprint, 0, now, room);
        }
    }

    /// Takes what was not asked for, into debt if need be.
    ///
    /// # Errors
    ///
    /// [`Full`] when there is no room to keep it.
    pub fn charge(&self, table: &mut Table, fingerprint: u64, cost: u64, now: u64, room: Room) -> Result<(), Full> {
        let slot = match self {
            Self::Rate(gcra) => {
                let tat = tat(table, fingerprint, now);
                Slot { until: gcra.charge(tat, now, cost), fingerprint, ..Slot::default() }
            }
            Self::Quota { unit, .. } => {
                let slot = current(*unit, table, fingerprint, now);
                Slot { count: slot.count.saturating_add(clamp(cost)), ..slot }
            }
            Self::Concurrency { .. } => return Ok(()),
        };
        table.put(slot, now, room)
    }

    /// Gives back what was taken, as far as it still counts.
    pub fn give_back(&self, table: &mut Table, taken: Taken, now: u64, room: Room) {
        let Some(slot) = table.get(taken.fingerprint, taken.generation, now) else { return };
        let slot = match self {
            Self::Rate(gcra) => {
                let until = gcra.give_back(slot.until, now, taken.amount, taken.until);
                Slot { until, ..slot }
            }
            Self::Quota { .. } => Slot { count: slot.count.saturating_sub(clamp(taken.amount)), ..slot },
            Self::Concurrency { .. } => {
                let count = slot.count.saturating_sub(clamp(taken.amount));
                Slot { count, until: if count == 0 { 0 } else { slot.until }, ..slot }
            }
        };
        // It has its place already.
        let _ = table.put(slot, now, room);
    }
}

/// The TAT of a key under a rate.
fn tat(table: &Table, fingerprint: u64, now: u64) -> u64 {
    table.get(fingerprint, 0, now).map_or(0, |slot| slot.until)
}

fn rate(gcra: &Gcra, tat: u64, fingerprint: u64, demand: Demand, now: u64) -> (Decision, Slot, u64) {
    let (mut decision, mut until) = gcra.decide(tat, now, demand.need, demand.take);
    let mut amount = demand.take;
    // No more than half of what is left, so that no worker keeps it all from the others.
    let spare = demand.spare.min(decision.remaining >> 1);
    if decision.admitted && spare > 0 {
        (decision, until) = gcra.decide(until, now, spare, spare);
        amount = amount.saturating_add(spare);
    }
    (decision, Slot { until, fingerprint, ..Slot::default() }, amount)
}

/// The slot of the running hour, day or month.
fn current(unit: Unit, table: &Table, fingerprint: u64, now: u64) -> Slot {
    let (_, end) = calendar::window(unit, now);
    let generation = end.checked_div(HOUR).unwrap_or_default() as u32; // told apart, not compared
    table.get(fingerprint, generation, now).unwrap_or(Slot { until: end, fingerprint, generation, count: 0 })
}

fn quota(count: u32, unit: Unit, table: &Table, fingerprint: u64, demand: Demand, now: u64) -> (Decision, Slot, u64) {
    let slot = current(unit, table, fingerprint, now);
    let left = u64::from(count.saturating_sub(slot.count));
    let reset = slot.until.saturating_sub(now);
    let admitted = demand.need <= left;
    if !admitted {
        let retry = (demand.need <= u64::from(count)).then_some(reset);
        return (Decision { admitted, remaining: left, reset, retry }, slot, 0);
    }
    let slot = Slot { count: slot.count.saturating_add(clamp(demand.take)), ..slot };
    (Decision { admitted, remaining: left.saturating_sub(demand.take), reset, retry: None }, slot, demand.take)
}

/// Leases of one generation end together, so that a key has few slots however many leases; and each ends, if it is not
/// given back, at most an eighth of its time too late.
fn concurrency(
    count: u32,
    max_duration: u64,
    table: &Table,
    fingerprint: u64,
    demand: Demand,
    now: u64,
) -> (Decision, Slot, u64) {
    /// One comes free at any time; to try more often than once a second would be for nothing.
    const RETRY: u64 = 1_000_000_000;

    let length = max_duration.checked_div(GENERATIONS).unwrap_or_default().max(1);
    let number = now.checked_div(length).unwrap_or_default();
    let generation = number as u32; // they are told apart, not compared
    let until = number.saturating_add(1).saturating_mul(length).saturating_add(max_duration);
    let held = table.of(fingerprint, now).fold(0_u64, |held, slot| held.saturating_add(u64::from(slot.count)));
    let left = u64::from(count).saturating_sub(held);
    let slot = table.get(fingerprint, generation, now).unwrap_or(Slot { until, fingerprint, generation, count: 0 });
    if demand.need > left {
        return (Decision { admitted: false, remaining: left, reset: 0, retry: Some(RETRY) }, slot, 0);
    }
    let slot = Slot { until, count: slot.count.saturating_add(clamp(demand.take)), ..slot };
    (Decision { admitted: true, remaining: left.saturating_sub(demand.take), reset: 0, retry: None }, slot, demand.take)
}

fn clamp(amount: u64) -> u32 {
    u32::try_from(amount).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
