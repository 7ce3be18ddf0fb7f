//! Policy: what one limit allows each of its keys, and what it keeps about them in a table.

use crate::calendar::{self, Unit};
use crate::decision::Decision;
use crate::gcra::Gcra;
use crate::table::{Full, Kind, Names, Slot, Table};

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
}

/// Of what a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of its own.
    Own,
    /// Of what it shares with others that find no room.
    Shared,
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
    /// When it was taken, in the time of the table.
    pub at: u64,
    /// The key's slot.
    pub generation: u32,
    /// What had come back of a rate before: see [`Gcra::units`].
    pub returned: u32,
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

    /// Answers a demand, and keeps in the table what was taken.
    ///
    /// # Errors
    ///
    /// [`Full`] when something would have to be kept, now or after the response, and there is no room; the table is as it was.
    pub fn ask(
        &self,
        table: &mut Table,
        names: Names,
        whose: Whose,
        demand: Demand,
        slots: usize,
    ) -> Result<Answer, Full> {
        let now = table.now();
        let (decision, slot, amount) = match self {
            Self::Rate(gcra) => rate(gcra, bucket(gcra, table, names, whose), demand, now),
            Self::Quota { count, unit } => quota(*count, window(*unit, table, names, whose), demand, now),
            Self::Concurrency { count, max_duration } => {
                concurrency(*count, *max_duration, table, names, whose, demand)
            }
        };
        if decision.admitted && amount > 0 {
            table.put(slot, slots)?;
        } else if decision.admitted && demand.take == 0 || whose.inherits(names, table) {
            // What it costs is charged later, and is to have a place then; or it is refused for what others took, because there
            // was no place.
            table.has_room(slot, slots)?;
        }
        let Slot { until, fingerprint, generation, count } = slot;
        let taken = Taken { fingerprint, amount, until, at: now, generation, returned: count };
        Ok(Answer { decision, taken: if decision.admitted { taken } else { Taken::default() } })
    }

    /// Takes what was not asked for, into debt if need be.
    ///
    /// # Errors
    ///
    /// [`Full`] when there is no room to keep it.
    pub fn charge(&self, table: &mut Table, names: Names, whose: Whose, cost: u64, slots: usize) -> Result<(), Full> {
        let slot = match self {
            Self::Rate(gcra) => {
                let slot = bucket(gcra, table, names, whose);
                Slot { until: gcra.charge(slot.until, table.now(), cost), ..slot }
            }
            Self::Quota { unit, .. } => {
                let slot = window(*unit, table, names, whose);
                Slot { count: slot.count.saturating_add(clamp(cost)), ..slot }
            }
            Self::Concurrency { .. } => return Ok(()),
        };
        table.put(slot, slots)
    }

    /// Gives back what was taken, as far as it still counts.
    pub fn give_back(&self, table: &mut Table, taken: Taken, slots: usize) {
        let Some(slot) = table.get(taken.fingerprint, taken.generation) else { return };
        let slot = match self {
            Self::Rate(gcra) => {
                let returned = gcra.time(slot.count.saturating_sub(taken.returned));
                let refund = gcra.refund(table.now(), taken.amount, taken.at, taken.until, returned);
                let after = Slot { until: slot.until.saturating_sub(refund), ..slot };
                match slot.count.checked_add(gcra.units(refund)) {
                    Some(count) => Slot { count, ..after },
                    // Begun anew, the sum would say of what was taken before that nothing else has come back since.
                    None => return table.replace(slot, after.renewed()),
                }
            }
            Self::Quota { .. } => Slot { count: slot.count.saturating_sub(clamp(taken.amount)), ..slot },
            Self::Concurrency { .. } => {
                let count = slot.count.saturating_sub(clamp(taken.amount));
                Slot { count, until: if count == 0 { 0 } else { slot.until }, ..slot }
            }
        };
        // It has its place already.
        let _ = table.put(slot, slots);
    }
}

// === impl Whose ===

impl Whose {
    fn fingerprint(self, names: Names) -> u64 {
        match self {
            Self::Own => names.own,
            Self::Shared => names.shared,
        }
    }

    /// A key that finds a place of its own begins with what those that share have left, for nobody knows how much of that it took.
    fn heir(self, names: Names) -> Option<u64> {
        (self == Self::Own).then_some(names.shared)
    }

    fn inherits(self, names: Names, table: &Table) -> bool {
        let holds = |fingerprint| table.of(fingerprint).next().is_some();
        self.heir(names).is_some_and(holds) && !holds(names.own)
    }
}

/// The slot of a key under a rate. It stays the same until all its tokens are regained.
fn bucket(gcra: &Gcra, table: &Table, names: Names, whose: Whose) -> Slot {
    let held = |fingerprint| table.of(fingerprint).next();
    let fingerprint = whose.fingerprint(names);
    held(fingerprint).unwrap_or_else(|| {
        let now = table.now();
        let until = whose.heir(names).and_then(held).map_or(0, |shared| shared.until.min(gcra.empty(now)));
        Slot { until, fingerprint, generation: Kind::Rate.generation(now), count: 0 }
    })
}

fn rate(gcra: &Gcra, slot: Slot, demand: Demand, now: u64) -> (Decision, Slot, u64) {
    let (mut decision, mut until) = gcra.decide(slot.until, now, demand.need, demand.take);
    let mut amount = demand.take;
    // No more than half of what is left, so that no worker keeps it all from the others.
    let spare = demand.spare.min(decision.remaining >> 1);
    if decision.admitted && spare > 0 {
        (decision, until) = gcra.decide(until, now, spare, spare);
        amount = amount.saturating_add(spare);
    }
    (decision, Slot { until, ..slot }, amount)
}

/// The slot of the running hour, day or month.
fn window(unit: Unit, table: &Table, names: Names, whose: Whose) -> Slot {
    let (_, end) = calendar::window(unit, table.now());
    let generation = Kind::Date.generation(end.checked_div(HOUR).unwrap_or_default());
    let fingerprint = whose.fingerprint(names);
    table.get(fingerprint, generation).unwrap_or_else(|| {
        let shared = whose.heir(names).and_then(|shared| table.get(shared, generation));
        Slot { until: end, fingerprint, generation, count: shared.map_or(0, |shared| shared.count) }
    })
}

fn quota(count: u32, slot: Slot, demand: Demand, now: u64) -> (Decision, Slot, u64) {
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

/// Places of one generation end together, so that a key has few slots however many places; and each ends, if it is not
/// given back, at most an eighth of its time too late.
///
/// What those hold that share counts against each of them: one that finds a place of its own may be one of them.
fn concurrency(
    count: u32,
    max_duration: u64,
    table: &Table,
    names: Names,
    whose: Whose,
    demand: Demand,
) -> (Decision, Slot, u64) {
    /// One comes free at any time; to try more often than once a second would be for nothing.
    const RETRY: u64 = 1_000_000_000;

    let now = table.now();
    let length = max_duration.checked_div(GENERATIONS).unwrap_or_default().max(1);
    let number = now.checked_div(length).unwrap_or_default();
    let until = number.saturating_add(1).saturating_mul(length).saturating_add(max_duration);
    let slots = table.of(names.own).chain(table.of(names.shared));
    let held = slots.fold(0_u64, |held, slot| held.saturating_add(u64::from(slot.count)));
    let left = u64::from(count).saturating_sub(held);
    let fingerprint = whose.fingerprint(names);
    let slot = table.of(fingerprint).find(|slot| slot.until == until).unwrap_or_else(|| {
        let generation = new_generation(table, fingerprint);
        Slot { until, fingerprint, generation, count: 0 }
    });
    if demand.need > left {
        return (Decision { admitted: false, remaining: left, reset: 0, retry: Some(RETRY) }, slot, 0);
    }
    let slot = Slot { count: slot.count.saturating_add(clamp(demand.take)), ..slot };
    (Decision { admitted: true, remaining: left.saturating_sub(demand.take), reset: 0, retry: None }, slot, demand.take)
}

/// A generation that none of a key's slots has, nor had lately.
fn new_generation(table: &Table, fingerprint: u64) -> u32 {
    let mut generations =
        (0..=GENERATIONS.saturating_mul(4)).map(|more| Kind::Places.generation(table.now().wrapping_add(more)));
    let is_new = |generation: &u32| table.get(fingerprint, *generation).is_none();
    generations.find(is_new).unwrap_or_default()
}

fn clamp(amount: u64) -> u32 {
    u32::try_from(amount).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
