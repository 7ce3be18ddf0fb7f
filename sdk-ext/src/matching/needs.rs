//! The headers that a config can read.

use std::collections::BTreeSet;

/// The headers that matchers and selectors read at most, so that a filter can choose between single look-ups and the
/// whole header map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    headers: BTreeSet<String>,
}

impl Needs {
    /// The names in lower case, pseudo headers such as `:path` included, each once.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = &str> {
        self.headers.iter().map(String::as_str)
    }

    /// Adds a header, in lower case.
    pub fn add(&mut self, name: &str) {
        self.headers.insert(name.to_owned());
    }
}
