//! A request and shards in memory, for tests.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;

use palisade_sdk::matching::{Attributes, Field};

use crate::store::Shards;

/// A request.
#[derive(Clone, Default)]
pub(crate) struct Request {
    headers: Vec<(String, Vec<u8>)>,
    properties: BTreeMap<String, Vec<u8>>,
}

/// The shared values, and how other workers are in the way.
#[derive(Default)]
pub(crate) struct Memory {
    values: RefCell<BTreeMap<u32, (Vec<u8>, u32)>>,
    /// The time.
    pub(crate) now: Cell<u64>,
    /// How many of the next replacements find that another worker was faster.
    pub(crate) interrupted: Cell<u32>,
    /// How often values were read.
    pub(crate) reads: Cell<u32>,
}

impl Request {
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// A property by its path, whose parts are joined with a dot.
    pub(crate) fn property(mut self, path: &str, value: &str) -> Self {
        self.properties.insert(path.to_owned(), value.into());
        self
    }
}

impl Attributes for Request {
    type Error = Infallible;

    fn header(&self, name: &str) -> Result<Field<Cow<'_, [u8]>>, Infallible> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        Ok(match (values.next(), values.next()) {
            (None, _) => Field::Absent,
            (Some(value), None) => Field::One(value.into()),
            (Some(_), Some(_)) => Field::Many,
        })
    }

    fn property(&self, path: &[&str]) -> Result<Option<Cow<'_, [u8]>>, Infallible> {
        Ok(self.properties.get(&path.join(".")).map(Cow::from))
    }
}

impl Memory {
    pub(crate) fn bytes(&self) -> usize {
        self.values.borrow().values().map(|(value, _)| value.len()).sum()
    }

    pub(crate) fn longest(&self) -> usize {
        self.values.borrow().values().map(|(value, _)| value.len()).max().unwrap_or_default()
    }
}

impl Shards for Memory {
    type Version = u32;
    type Error = Infallible;

    fn now(&self) -> Result<u64, Infallible> {
        Ok(self.now.get())
    }

    fn read(&self, shard: u32) -> Result<(Vec<u8>, u32), Infallible> {
        self.reads.set(self.reads.get().wrapping_add(1));
        Ok(self.values.borrow().get(&shard).cloned().unwrap_or_default())
    }

    fn replace(&self, shard: u32, version: u32, value: &[u8]) -> Result<bool, Infallible> {
        let mut values = self.values.borrow_mut();
        let (current, number) = values.entry(shard).or_default();
        if let Some(rest) = self.interrupted.get().checked_sub(1) {
            self.interrupted.set(rest);
            *number = number.wrapping_add(1);
        }
        if *number != version {
            return Ok(false);
        }
        *current = value.to_vec();
        *number = number.wrapping_add(1);
        Ok(true)
    }
}
