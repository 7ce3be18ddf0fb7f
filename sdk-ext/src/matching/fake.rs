//! A request in memory, for tests.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;

use super::{Attributes, Field};

#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    headers: Vec<(String, Vec<u8>)>,
    properties: BTreeMap<String, Vec<u8>>,
    properties_read: Cell<usize>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self::default().header(":method", "GET").header(":authority", "shop.example").header(":path", path)
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// A property by its path, whose parts are joined with a dot.
    pub(crate) fn property(mut self, path: &str, value: &str) -> Self {
        self.properties.insert(path.to_owned(), value.into());
        self
    }

    pub(crate) fn properties_read(&self) -> usize {
        self.properties_read.get()
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
        self.properties_read.set(self.properties_read.get().saturating_add(1));
        Ok(self.properties.get(&path.join(".")).map(Cow::from))
    }
}
