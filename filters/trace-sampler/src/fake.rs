//! A request and a process in memory, for tests, which remember what was asked.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
};

use palisade_sdk::matching::{Attributes, Field};

use crate::{
    limits::{self, Change, Unavailable},
    sampler,
};

#[derive(Debug, Default)]
pub(crate) struct Request {
    headers: Vec<(String, Vec<u8>)>,
    properties: BTreeMap<String, Vec<u8>>,
    asked: RefCell<Vec<String>>,
}

/// What the workers of one process share.
#[derive(Default)]
pub(crate) struct Process<'a> {
    /// The wall clock; `None` refuses.
    pub(crate) clock: Cell<Option<u64>>,
    /// Whether the shared data refuse.
    pub(crate) refuses: Cell<bool>,
    value: RefCell<Option<Vec<u8>>>,
    versions: Cell<u32>,
    meanwhile: RefCell<VecDeque<Meanwhile<'a>>>,
    asked: RefCell<Vec<&'static str>>,
}

/// What happens in other workers, or to the clock.
type Meanwhile<'a> = Box<dyn FnOnce(&Process<'a>) + 'a>;

/// How often an update is tried, as in the SDK.
const TRIES: usize = 16;

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

    /// The headers and properties that were asked for, each time.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    fn lines(&self, name: &str) -> Vec<&[u8]> {
        self.asked.borrow_mut().push(name.to_owned());
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_slice()).collect()
    }
}

impl Attributes for Request {
    type Error = Infallible;

    fn header(&self, name: &str) -> Result<Field<Cow<'_, [u8]>>, Infallible> {
        Ok(match self.lines(name).as_slice() {
            [] => Field::Absent,
            [value] => Field::One(Cow::Borrowed(*value)),
            _ => Field::Many,
        })
    }

    fn property(&self, path: &[&str]) -> Result<Option<Cow<'_, [u8]>>, Infallible> {
        let path = path.join(".");
        let value = self.properties.get(&path).map(Cow::from);
        self.asked.borrow_mut().push(path);
        Ok(value)
    }
}

impl sampler::Request for Request {
    fn joined(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, Infallible> {
        let lines = self.lines(name);
        Ok((!lines.is_empty()).then(|| lines.join(&b',').into()))
    }
}

impl<'a> Process<'a> {
    pub(crate) fn at(second: u64) -> Self {
        Self { clock: Cell::new(Some(second)), ..Self::default() }
    }

    /// Lets this happen the next time that a worker has read the value and not yet replaced it.
    pub(crate) fn meanwhile(&self, event: impl FnOnce(&Self) + 'a) {
        self.meanwhile.borrow_mut().push_back(Box::new(event));
    }

    pub(crate) fn set(&self, value: impl Into<Vec<u8>>) {
        *self.value.borrow_mut() = Some(value.into());
        self.versions.set(self.versions.get().wrapping_add(1));
    }

    pub(crate) fn value(&self) -> Option<Vec<u8>> {
        self.value.borrow().clone()
    }

    /// The host calls since the last time.
    pub(crate) fn asked(&self) -> Vec<&'static str> {
        self.asked.take()
    }
}

impl limits::Process for Process<'_> {
    fn second(&self) -> Result<u64, Unavailable> {
        self.asked.borrow_mut().push("clock");
        self.clock.get().ok_or(Unavailable)
    }

    fn update(&self, change: Change<'_>) -> Result<(), Unavailable> {
        for _ in 0..TRIES {
            self.asked.borrow_mut().push("get");
            let (value, version) = (self.value(), self.versions.get());
            if self.refuses.get() {
                return Err(Unavailable);
            }
            let event = self.meanwhile.borrow_mut().pop_front();
            if let Some(event) = event {
                event(self);
            }
            let Some(changed) = change(value.as_deref()) else { return Ok(()) };
            self.asked.borrow_mut().push("set");
            if self.versions.get() == version {
                self.set(changed);
                return Ok(());
            }
        }
        Err(Unavailable)
    }
}
