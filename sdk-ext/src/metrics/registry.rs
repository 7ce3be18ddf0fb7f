//! Registry: which tuples of label values have a series of their own, agreed on by all workers.
//!
//! Its place in the shared data is one key for each capped family. The value is the layout's version, the seed of the
//! hashes, and the sorted hashes of the tuples:
//!
//! ```text
//! 1 byte    layout, 1
//! 16 bytes  seed, drawn by the worker that begins the registry: clients must not find two tuples of one hash
//! 8 bytes   for each tuple, little-endian
//! ```

use crate::random::Seed;
use crate::shared_data::{SharedKey, UpdateError};
use crate::status::HostError;
use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};

/// Admits at most `cap` tuples in all workers together.
pub(super) struct Registry<S> {
    store: S,
    cap: u16,
    view: RefCell<View>,
}

/// Where the registry is kept.
pub(super) trait Store {
    /// As [`SharedKey::update`].
    fn update(&self, change: impl FnMut(Option<&[u8]>) -> Option<Vec<u8>>) -> Result<(), UpdateError>;

    /// The seed of a new registry.
    fn seed(&self) -> Result<Seed, HostError>;
}

/// The data that all workers share.
pub(super) struct Workers(SharedKey);

/// What this worker knows of the registry.
enum View {
    /// Nothing yet.
    Unread,
    /// What it was lately: a tuple never leaves it.
    Read(Tuples),
    /// It cannot be had.
    Closed,
}

/// The tuples in a registry, by their hashes.
struct Tuples {
    seed: Seed,
    hashes: Vec<u64>,
}

const LAYOUT: u8 = 1;

impl<S: Store> Registry<S> {
    pub(super) fn new(store: S, cap: u16) -> Self {
        Self { store, cap, view: RefCell::new(View::Unread) }
    }

    /// Whether the tuple has a series of its own.
    pub(super) fn admits(&self, tuple: &[&[u8]]) -> bool {
        let mut view = self.view.borrow_mut();
        match &*view {
            View::Closed => return false,
            View::Read(tuples) => match tuples.place(tuple) {
                Ok(_) => return true,
                Err(_) if tuples.are_full(self.cap) => return false,
                Err(_) => {}
            },
            View::Unread => {}
        }
        let mut read = None;
        let updated = self.store.update(|value| {
            read = None;
            let mut tuples = match value {
                Some(value) => Tuples::from_bytes(value)?,
                None => Tuples { seed: self.store.seed().ok()?, hashes: Vec::new() },
            };
            let (admitted, changed) = tuples.admit(tuple, self.cap);
            let value = changed.then(|| tuples.to_bytes());
            read = Some((tuples, admitted));
            value
        });
        match (updated, read) {
            (Ok(()), Some((tuples, admitted))) => {
                *view = View::Read(tuples);
                admitted
            }
            // What was read last is not what is there. To try again may help.
            (Err(UpdateError::Contended), _) => false,
            // Refused, or somebody else's value.
            _ => {
                *view = View::Closed;
                false
            }
        }
    }
}

// === impl Workers ===

impl Workers {
    /// The registry of this metric.
    pub(super) fn new(metric: &[u8]) -> Self {
        Self(SharedKey::of_metric(metric))
    }
}

impl Store for Workers {
    fn update(&self, change: impl FnMut(Option<&[u8]>) -> Option<Vec<u8>>) -> Result<(), UpdateError> {
        self.0.update(change)
    }

    fn seed(&self) -> Result<Seed, HostError> {
        Seed::new()
    }
}

// === impl Tuples ===

impl Tuples {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&LAYOUT, bytes) = bytes.split_first()? else { return None };
        let (seed, bytes) = bytes.split_first_chunk()?;
        let (hashes, []) = bytes.as_chunks() else { return None };
        Some(Self { seed: Seed::from_bytes(*seed), hashes: hashes.iter().copied().map(u64::from_le_bytes).collect() })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![LAYOUT];
        bytes.extend(self.seed.to_bytes());
        bytes.extend(self.hashes.iter().flat_map(|hash| hash.to_le_bytes()));
        bytes
    }

    /// Whether the tuple is in, and whether that is new.
    fn admit(&mut self, tuple: &[&[u8]], cap: u16) -> (bool, bool) {
        match self.place(tuple) {
            Ok(_) => (true, false),
            Err(_) if self.are_full(cap) => (false, false),
            Err((place, hash)) => {
                self.hashes.insert(place, hash);
                (true, true)
            }
        }
    }

    /// Where the tuple is, or where to put which hash.
    fn place(&self, tuple: &[&[u8]]) -> Result<usize, (usize, u64)> {
        let mut hasher = self.seed.build_hasher();
        for value in tuple {
            hasher.write(value);
            // Not a byte of any value.
            hasher.write_u8(b';');
        }
        let hash = hasher.finish();
        self.hashes.binary_search(&hash).map_err(|place| (place, hash))
    }

    fn are_full(&self, cap: u16) -> bool {
        self.hashes.len() >= usize::from(cap)
    }
}

#[cfg(test)]
mod tests;
