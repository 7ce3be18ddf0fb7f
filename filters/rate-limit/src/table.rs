//! Table: what one shard of the shared data knows about its keys, in as many slots as the config allows.
//!
//! A slot whose time has passed holds nothing against anybody and is free. Any other is never evicted: to forget a key
//! would be to grant it its budget anew. When all slots are taken, new keys have to share: see [`Slot::shared`].
//!
//! The bytes are the time of the last change and then slots of 24: `until`, the fingerprint, the generation and the count, all
//! little-endian. What somebody else has written there is read as slots all the same, and times that cannot be count as passed.
//!
//! Workers whose clocks differ, be it that one is set back while another waits for it, must not free what the others
//! still hold against a key: for each, the time in a table goes on from that of the last change.

use crate::clock;
use crate::gcra;

/// The length of a slot in bytes.
pub const SLOT: usize = 24;

/// The length of what stands before the slots.
pub const HEADER: usize = 8;

/// A fingerprint with this bit is that of a slot that keys share.
const SHARED: u64 = 1 << 63;

/// How many slots there are, beyond those of single keys, for keys that share. With the header, a table of 128 keys is not longer
/// than 4.5 KiB.
const SHARED_SLOTS: usize = 63;

/// No month is longer.
const MONTH: u64 = 31 * 86_400 * 1_000_000_000;

/// What is known about one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// When it no longer counts, in nanoseconds since the Unix epoch. For a rate, this is the theoretical arrival time.
    pub until: u64,
    /// Whose it is.
    pub fingerprint: u64,
    /// Which of a key's slots it is, of those that it has and had: see [`Kind::generation`].
    pub generation: u32,
    /// How much of something was taken, where `until` does not say it all.
    pub count: u32,
}

/// What a slot's time is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What a key regains, and when.
    Rate = 0,
    /// Places that come free of themselves.
    Places = 1,
    /// A date, which stays what it is when the clock is set back.
    Date = 2,
}

/// By what a key is known in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Its own fingerprint.
    pub own: u64,
    /// That of what it shares with others where there is no room for it.
    pub shared: u64,
}

/// All slots are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The slots of one shard, at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    bytes: Vec<u8>,
    now: u64,
    changed: bool,
}

// === impl Slot ===

impl Slot {
    /// The fingerprint of a single key.
    pub fn single(hash: u64) -> u64 {
        hash & !SHARED
    }

    /// The fingerprint of what the keys of one limit share in a table without room.
    pub fn shared(hash: u64) -> u64 {
        hash | SHARED
    }

    fn is_single(&self) -> bool {
        self.fingerprint & SHARED == 0
    }

    fn is_of(&self, kind: Kind) -> bool {
        self.generation >> Kind::SHIFT == kind as u32
    }

    /// Whether it counts still. A time that nothing can lead to does not count.
    fn is_live(&self, now: u64) -> bool {
        let furthest = if self.is_of(Kind::Date) { MONTH } else { gcra::FURTHEST };
        self.until.checked_sub(now).is_some_and(|left| left > 0 && left <= furthest)
    }

    /// The slot after the clock was set back from one time to another: as much of its time is left as before.
    fn set_back(self, from: u64, to: u64) -> Self {
        if self.is_of(Kind::Date) {
            return self;
        }
        let slot = Self { until: self.until.saturating_sub(from).saturating_add(to), ..self };
        // The times that are known of what was taken of a rate are not those of the slot.
        if self.is_of(Kind::Rate) { slot.renewed() } else { slot }
    }

    /// The slot of a rate to which nothing can come back of what was taken before.
    pub fn renewed(self) -> Self {
        Self { generation: Kind::Rate.generation(u64::from(self.generation).wrapping_add(1)), count: 0, ..self }
    }

    fn read(bytes: &[u8; SLOT]) -> Self {
        let [a, b, c] = [0, 8, 16].map(|at| bytes.get(at..).and_then(|bytes| bytes.first_chunk().copied()));
        let [until, fingerprint, rest] = [a, b, c].map(|bytes| u64::from_le_bytes(bytes.unwrap_or_default()));
        Self { until, fingerprint, generation: rest as u32, count: (rest >> 32) as u32 }
    }

    fn to_bytes(self) -> [u8; SLOT] {
        let mut bytes = [0; SLOT];
        let rest = u64::from(self.generation) | u64::from(self.count) << 32;
        let words = [self.until, self.fingerprint, rest];
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        bytes
    }
}

// === impl Kind ===

impl Kind {
    const SHIFT: u32 = 30;

    /// The generation of this kind with this number, of which the lower 30 bits tell it from others. They are told apart, not
    /// compared.
    pub fn generation(self, number: u64) -> u32 {
        (number as u32) & !(u32::MAX << Self::SHIFT) | (self as u32) << Self::SHIFT
    }
}

// === impl Table ===

impl Table {
    /// The table that these bytes hold, at a time that the host's clock tells.
    pub fn new(mut bytes: Vec<u8>, clock: u64) -> Self {
        let whole = bytes.get(HEADER..).map_or(0, |slots| slots.as_chunks::<SLOT>().0.as_flattened().len());
        bytes.resize(HEADER.saturating_add(whole), 0);
        let changed_at = changed_at(&bytes);
        let now = clock::going_on(changed_at, clock);
        let mut table = Self { bytes, now, changed: false };
        if now < changed_at {
            table.set_back(changed_at);
        }
        table
    }

    /// Whether the table of these bytes would take a clock that tells this time for set back.
    pub fn takes_for_set_back(bytes: &[u8], clock: u64) -> bool {
        let changed_at = changed_at(bytes);
        clock::going_on(changed_at, clock) < changed_at
    }

    /// The time.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The bytes, if they have changed: by what was put, or because the clock was set back.
    pub fn changed(&self) -> Option<&[u8]> {
        self.changed.then_some(&self.bytes)
    }

    /// The slots of a key whose time has not passed.
    pub fn of(&self, fingerprint: u64) -> impl Iterator<Item = Slot> {
        self.slots().filter(move |slot| slot.fingerprint == fingerprint && slot.is_live(self.now))
    }

    /// The slot of a key and generation, if its time has not passed.
    pub fn get(&self, fingerprint: u64, generation: u32) -> Option<Slot> {
        self.of(fingerprint).find(|slot| slot.generation == generation)
    }

    /// Keeps a slot, in place of the one with the same fingerprint and generation if there is one.
    ///
    /// # Errors
    ///
    /// [`Full`] when there is none, and none of so many slots for single keys is free.
    pub fn put(&mut self, slot: Slot, slots: usize) -> Result<(), Full> {
        match self.place(slot, slots)? {
            Some(place) => {
                if let Some(bytes) = self.slots_mut().get_mut(place) {
                    *bytes = slot.to_bytes();
                }
            }
            None => self.bytes.extend_from_slice(&slot.to_bytes()),
        }
        self.trim();
        self.keep_time();
        Ok(())
    }

    /// Puts a slot in place of another.
    pub fn replace(&mut self, old: Slot, new: Slot) {
        let old = old.to_bytes();
        if let Some(bytes) = self.slots_mut().iter_mut().find(|bytes| **bytes == old) {
            *bytes = new.to_bytes();
        }
        self.trim();
        self.keep_time();
    }

    /// Whether [`put`](Self::put) finds a place.
    ///
    /// # Errors
    ///
    /// [`Full`] when it does not.
    pub fn has_room(&self, slot: Slot, slots: usize) -> Result<(), Full> {
        self.place(slot, slots).map(drop)
    }

    /// The place of that very slot, else of one that the key has left, else of another free one, else the end.
    ///
    /// Keys that share take no place of a single one, nor the other way round: each kind keeps within its own number.
    fn place(&self, slot: Slot, slots: usize) -> Result<Option<usize>, Full> {
        let (mut left, mut free, mut count) = (None, None, 0_usize);
        for (place, other) in self.slots().enumerate() {
            let is_own = other.fingerprint == slot.fingerprint;
            if is_own && other.generation == slot.generation {
                return Ok(Some(place));
            }
            if other.is_single() == slot.is_single() {
                count = count.saturating_add(1);
                if !other.is_live(self.now) {
                    free = free.or(Some(place));
                    left = left.or(is_own.then_some(place));
                }
            }
        }
        let most = if slot.is_single() { slots } else { SHARED_SLOTS };
        match left.or(free) {
            None if count >= most => Err(Full),
            place => Ok(place),
        }
    }

    /// Cuts off free slots at the end: a short value is quickly read and written.
    fn trim(&mut self) {
        while self.slots().next_back().is_some_and(|last| !last.is_live(self.now)) {
            self.bytes.truncate(self.bytes.len().saturating_sub(SLOT));
        }
    }

    fn set_back(&mut self, from: u64) {
        let to = self.now;
        for bytes in self.slots_mut() {
            *bytes = Slot::read(bytes).set_back(from, to).to_bytes();
        }
        self.keep_time();
    }

    fn keep_time(&mut self) {
        if let Some(time) = self.bytes.first_chunk_mut() {
            *time = self.now.to_le_bytes();
        }
        self.changed = true;
    }

    fn slots(&self) -> impl DoubleEndedIterator<Item = Slot> {
        self.bytes.get(HEADER..).unwrap_or_default().as_chunks().0.iter().map(Slot::read)
    }

    fn slots_mut(&mut self) -> &mut [[u8; SLOT]] {
        self.bytes.get_mut(HEADER..).unwrap_or_default().as_chunks_mut().0
    }
}

fn changed_at(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |time| u64::from_le_bytes(*time))
}

#[cfg(test)]
mod tests;
