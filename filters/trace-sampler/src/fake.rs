//! A request in memory, for tests, which remembers what was asked.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap, convert::Infallible};

use palisade_sdk::matching::{Attributes, Field};

use crate::sampler;

#[derive(Debug, Default)]
pub(crate) struct Request {
    headers: Vec<(String, Vec<u8>)>,
    properties: BTreeMap<String, Vec<u8>>,
    asked: RefCell<Vec<String>>,
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
