//! Store: the tables of all shards, which the workers of a process share, and how a request takes from several limits at
//! once, all or nothing.

use std::cell::Cell;

use crate::decision::Decision;
use crate::policy::{Answer, Demand, Policy, Taken, Whose};
use crate::table::{Names, Slot, Table};

/// How often a change is tried against other workers.
const TRIES: usize = 16;

/// The shared values, one for each shard.
pub trait Shards {
    /// What tells one version of a value from another.
    type Version;
    /// What goes wrong when the host is asked.
    type Error;

    /// The host's clock, in nanoseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    fn now(&self) -> Result<u64, Self::Error>;

    /// The value of a shard and its version.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    fn read(&self, shard: u32) -> Result<(Vec<u8>, Self::Version), Self::Error>;

    /// Replaces this version of a shard's value. Returns whether it did: not when another worker was faster.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    fn replace(&self, shard: u32, version: Self::Version, value: &[u8]) -> Result<bool, Self::Error>;
}

/// What becomes of a key that is new to a shard without room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// It shares what the limit allows one key with all such keys of the shard.
    #[default]
    Share,
    /// It is refused.
    Deny,
    /// It is admitted and not counted.
    Allow,
}

/// The shards' tables.
#[derive(Clone, Debug)]
pub struct Store {
    /// How many slots for single keys each table has.
    pub slots: usize,
    /// What becomes of a key for which there is no room.
    pub on_full: OnFull,
    /// What happened since this was asked last.
    events: Cell<Events>,
}

/// What a request asks of one limit.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'p> {
    /// The limit's policy.
    pub policy: &'p Policy,
    /// Where its key is.
    pub place: Place,
    /// What is asked.
    pub demand: Demand,
    /// Whether a refusal refuses the request; where it does not, it is only told.
    pub enforced: bool,
}

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The shard.
    pub shard: u32,
    /// The key in its table.
    pub names: Names,
}

/// What came of the demands of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer to each. Where one refuses that is enforced, nothing was taken of any.
    Answered(Vec<Answer>),
    /// Other workers were faster each time, and nothing was taken.
    Contended,
}

/// How often something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// There was no room for a key.
    pub full: u32,
    /// Another worker was faster, and the change was tried anew.
    pub retried: u32,
    /// Something that was taken could not be given back.
    pub lost: u32,
}

/// The tables that one request has to do with, each read once.
struct Loaded<V> {
    tables: Vec<(u32, Table, V)>,
}

// === impl Store ===

impl Store {
    /// A store whose tables have so many slots for single keys.
    pub fn new(slots: usize, on_full: OnFull) -> Self {
        Self { slots, on_full, events: Cell::default() }
    }

    /// Answers all demands from one view of the tables, and takes what they admit: of all, or of none where one refuses that
    /// is enforced.
    ///
    /// # Errors
    ///
    /// When the host refuses. Something may have been taken then.
    pub fn ask<S: Shards>(&self, shards: &S, now: u64, asks: &[Ask<'_>]) -> Result<Outcome, S::Error> {
        for _ in 0..TRIES {
            let mut loaded = Loaded { tables: Vec::with_capacity(asks.len()) };
            let mut answers = Vec::with_capacity(asks.len());
            for ask in asks {
                let (mut table, version) = loaded.take(shards, ask.place.shard, now)?;
                answers.push(self.answer(&mut table, ask));
                loaded.tables.push((ask.place.shard, table, version));
            }
            let refused = asks.iter().zip(&answers).any(|(ask, answer)| ask.enforced && !answer.decision.admitted);
            if refused {
                answers.iter_mut().for_each(|answer| answer.taken = Taken::default());
                return Ok(Outcome::Answered(answers));
            }
            let Some(replaced) = loaded.commit(shards)? else {
                return Ok(Outcome::Answered(answers));
            };
            // Another worker was faster with one table: what was taken from others comes back, and all is asked anew.
            self.happened(|events| events.retried = events.retried.saturating_add(1));
            for (ask, answer) in asks.iter().zip(&answers).filter(|(ask, _)| replaced.contains(&ask.place.shard)) {
                self.give_back(shards, now, ask.policy, ask.place.shard, answer.taken)?;
            }
        }
        Ok(Outcome::Contended)
    }

    /// Takes what was not asked for, into debt if need be. Where there is no room to keep it, the keys that share bear it.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub fn charge<S: Shards>(
        &self,
        shards: &S,
        now: u64,
        policy: &Policy,
        place: Place,
        cost: u64,
    ) -> Result<(), S::Error> {
        let Place { shard, names } = place;
        self.update(shards, shard, now, &|table| {
            if policy.charge(table, names, Whose::Own, cost, self.slots).is_err() {
                self.happened(|events| events.full = events.full.saturating_add(1));
                if self.on_full == OnFull::Share {
                    // When there is no room for that either, the shard refuses all that is new to it.
                    let _ = policy.charge(table, names, Whose::Shared, cost, self.slots);
                }
            }
        })
    }

    /// Gives back what was taken. If other workers are faster time and again, it stays taken.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub fn give_back<S: Shards>(
        &self,
        shards: &S,
        now: u64,
        policy: &Policy,
        shard: u32,
        taken: Taken,
    ) -> Result<(), S::Error> {
        if taken.amount == 0 {
            return Ok(());
        }
        self.update(shards, shard, now, &|table| policy.give_back(table, taken, self.slots))
    }

    /// What happened since this was asked last.
    pub fn take_events(&self) -> Events {
        self.events.take()
    }

    fn update<S: Shards>(&self, shards: &S, shard: u32, now: u64, change: &dyn Fn(&mut Table)) -> Result<(), S::Error> {
        for _ in 0..TRIES {
            let (mut table, version) = open(shards, shard, now)?;
            change(&mut table);
            match table.changed() {
                Some(value) if !shards.replace(shard, version, value)? => {}
                _ => return Ok(()),
            }
        }
        self.happened(|events| events.lost = events.lost.saturating_add(1));
        Ok(())
    }

    fn answer(&self, table: &mut Table, ask: &Ask<'_>) -> Answer {
        let Ask { policy, place, demand, .. } = ask;
        if let Ok(answer) = policy.ask(table, place.names, Whose::Own, *demand, self.slots) {
            return answer;
        }
        self.happened(|events| events.full = events.full.saturating_add(1));
        match self.on_full {
            OnFull::Allow => without_room(true, policy),
            OnFull::Deny => without_room(false, policy),
            OnFull::Share => {
                let demand = Demand { spare: 0, ..*demand };
                let shared = policy.ask(table, place.names, Whose::Shared, demand, self.slots);
                shared.unwrap_or_else(|_| without_room(false, policy))
            }
        }
    }

    fn happened(&self, count: impl FnOnce(&mut Events)) {
        let mut events = self.events.get();
        count(&mut events);
        self.events.set(events);
    }
}

/// The answer where nothing is known about a key and nothing can be kept about it.
fn without_room(admitted: bool, policy: &Policy) -> Answer {
    /// Whether there is room then, nobody knows.
    const RETRY: u64 = 1_000_000_000;

    let remaining = if admitted { policy.capacity() } else { 0 };
    let retry = (!admitted).then_some(RETRY);
    Answer {
        decision: Decision { admitted, remaining, reset: retry.unwrap_or_default(), retry },
        taken: Taken::default(),
    }
}

/// The table of a shard. One whose clock was set back is kept at once, so that time goes on from there, whatever becomes of the request.
fn open<S: Shards>(shards: &S, shard: u32, now: u64) -> Result<(Table, S::Version), S::Error> {
    let mut tries = 1..TRIES;
    loop {
        let (value, version) = shards.read(shard)?;
        // Who has stood still since he looked at the clock is behind the others, although nobody has set it back.
        let now = if Table::takes_for_set_back(&value, now) { shards.now()? } else { now };
        let table = Table::new(value, now);
        match table.changed() {
            Some(value) if tries.next().is_some() => {
                shards.replace(shard, version, value)?;
            }
            _ => return Ok((table, version)),
        }
    }
}

// === impl Place ===

impl Place {
    /// The place of a key with this hash in a store of so many shards, a power of two.
    pub fn new(hash: (u64, u64), shards: u32, shared: u64) -> Self {
        let shard = (hash.1 as u32) & shards.saturating_sub(1);
        Self { shard, names: Names { own: Slot::single(hash.0), shared: Slot::shared(shared) } }
    }
}

// === impl Loaded ===

impl<V> Loaded<V> {
    /// The table of a shard, to be put back.
    fn take<S: Shards<Version = V>>(&mut self, shards: &S, shard: u32, now: u64) -> Result<(Table, V), S::Error> {
        if let Some(place) = self.tables.iter().position(|(number, ..)| *number == shard) {
            let (_, table, version) = self.tables.swap_remove(place);
            return Ok((table, version));
        }
        open(shards, shard, now)
    }

    /// Replaces the values that have changed. Returns the shards that were replaced before another worker turned out to be
    /// faster with one.
    fn commit<S: Shards<Version = V>>(self, shards: &S) -> Result<Option<Vec<u32>>, S::Error> {
        let mut replaced = Vec::new();
        for (shard, table, version) in self.tables {
            if let Some(value) = table.changed() {
                if !shards.replace(shard, version, value)? {
                    return Ok(Some(replaced));
                }
                replaced.push(shard);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
