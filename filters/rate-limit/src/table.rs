//! Table: what one shard of the shared data knows about its keys, in as many slots as the config allows.
//!
//! A slot whose time has passed holds nothing against anybody and is free. Any other is never evicted: to forget a key
//! would be to grant it its budget anew. When all slots are taken, new keys have to share: see [`Slot::shared`].
//!
//! The bytes are slots of 24: `until`, the fingerprint, the generation and the count, all little-endian. What somebody else
//! has written there is read as slots all the same, and their times soon pass.

/// The length of a slot in bytes.
pub const SLOT: usize = 24;

/// A fingerprint with this bit is that of a slot that keys share.
const SHARED: u64 = 1 << 63;

/// How many slots there are, beyond those of single keys, for keys that share.
const SHARED_SLOTS: usize = 64;

/// What is known about one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// When it no longer counts, in nanoseconds since the Unix epoch. For a rate, this is the theoretical arrival time.
    pub until: u64,
    /// Whose it is.
    pub fingerprint: u64,
    /// Which of a key's slots it is, where it has several.
    pub generation: u32,
    /// How much of something was taken, where `until` does not say it all.
    pub count: u32,
}

/// How many slots a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The slots for single keys.
    pub slots: usize,
    /// The furthest in the future that a slot's time can lie, in nanoseconds. One beyond it is left over from a clock that
    /// has been set back since, or from another configuration; it goes when there is no other room.
    pub horizon: u64,
}

/// All slots are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The slots of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    bytes: Vec<u8>,
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

// === impl Table ===

impl Table {
    /// The table that these bytes hold.
    pub fn new(mut bytes: Vec<u8>) -> Self {
        bytes.truncate(bytes.as_chunks::<SLOT>().0.as_flattened().len());
        Self { bytes, changed: false }
    }

    /// The bytes, if they have changed.
    pub fn changed(&self) -> Option<&[u8]> {
        self.changed.then_some(&self.bytes)
    }

    /// The slots of a key whose time has not passed.
    pub fn of(&self, fingerprint: u64, now: u64) -> impl Iterator<Item = Slot> {
        self.slots().filter(move |slot| slot.fingerprint == fingerprint && slot.until > now)
    }

    /// The slot of a key and generation, if its time has not passed.
    pub fn get(&self, fingerprint: u64, generation: u32, now: u64) -> Option<Slot> {
        self.of(fingerprint, now).find(|slot| slot.generation == generation)
    }

    /// Keeps a slot, in place of the one with the same fingerprint and generation if there is one.
    ///
    /// # Errors
    ///
    /// [`Full`] when there is none, and no slot is free.
    pub fn put(&mut self, slot: Slot, now: u64, room: Room) -> Result<(), Full> {
        match self.place(slot, now, room)? {
            Some(place) => {
                if let Some(bytes) = self.bytes.as_chunks_mut().0.get_mut(place) {
                    *bytes = slot.to_bytes();
                }
            }
            None => self.bytes.extend_from_slice(&slot.to_bytes()),
        }
        self.trim(now);
        self.changed = true;
        Ok(())
    }

    /// Whether [`put`](Self::put) finds a place.
    ///
    /// # Errors
    ///
    /// [`Full`] when it does not.
    pub fn has_room(&self, slot: Slot, now: u64, room: Room) -> Result<(), Full> {
        self.place(slot, now, room).map(drop)
    }

    /// The place of the key's own slot, else of a free one, else the end, else of one that cannot be.
    ///
    /// Keys that share take no place of a single one, nor the other way round: each kind keeps within its own number.
    fn place(&self, slot: Slot, now: u64, room: Room) -> Result<Option<usize>, Full> {
        let (mut free, mut implausible, mut count) = (None, None, 0_usize);
        for (place, other) in self.slots().enumerate() {
            if other.fingerprint == slot.fingerprint && other.generation == slot.generation {
                return Ok(Some(place));
            }
            if other.is_single() == slot.is_single() {
                count = count.saturating_add(1);
                if other.until <= now {
                    free = free.or(Some(place));
                } else if other.until > now.saturating_add(room.horizon) {
                    implausible = implausible.or(Some(place));
                }
            }
        }
        let most = if slot.is_single() { room.slots } else { SHARED_SLOTS };
        match free {
            Some(_) => Ok(free),
            None if count < most => Ok(None),
            None => implausible.map(Some).ok_or(Full),
        }
    }

    /// Cuts off free slots at the end: a short value is quickly read and written.
    fn trim(&mut self, now: u64) {
        while self.bytes.last_chunk().is_some_and(|last| Slot::read(last).until <= now) {
            self.bytes.truncate(self.bytes.len().saturating_sub(SLOT));
        }
    }

    fn slots(&self) -> impl Iterator<Item = Slot> {
        self.bytes.as_chunks().0.iter().map(Slot::read)
    }
}

#[cfg(test)]
mod tests;
