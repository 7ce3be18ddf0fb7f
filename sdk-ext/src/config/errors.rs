//! Everything that is wrong with one config.

use std::cell::RefCell;
use std::fmt;

use super::place::Place;

/// All errors of one config, each with the path of the field it is about.
///
/// `Display` writes one error a line: `rules[2].limt: unknown field, did you mean "limit"?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    errors: Vec<(String, String)>,
}

impl ConfigErrors {
    /// One error about one field, for what shows only after parsing.
    ///
    /// An empty `path` stands for the config as a whole.
    pub fn new(path: &str, message: impl Into<String>) -> Self {
        let path = if path.is_empty() { Place::ROOT.to_owned() } else { path.to_owned() };
        Self { errors: vec![(path, message.into())] }
    }

    /// The same errors, as they are about the config of which `name` has the one that they were found in.
    pub(crate) fn below(mut self, name: &str) -> Self {
        for (path, _) in &mut self.errors {
            *path = if path == Place::ROOT { name.to_owned() } else { [name, ".", path].concat() };
        }
        self
    }

    /// Adds those of another part of the same config.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.errors.append(&mut other.errors);
    }

    /// The errors in the order in which they were found, each as `(path, message)`.
    ///
    /// The path of the config as a whole is `config`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.errors.iter().map(|(path, message)| (path.as_str(), message.as_str()))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (path, message)) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(path)?;
            f.write_str(": ")?;
            f.write_str(message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The errors found so far, shared by all nodes of a config.
#[derive(Default)]
pub(super) struct Collector {
    errors: RefCell<Vec<(String, String)>>,
}

impl Collector {
    /// Adds an error whose message is the `parts`, one after the other.
    pub(super) fn push(&self, path: String, parts: &[&str]) {
        self.errors.borrow_mut().push((path, parts.concat()));
    }

    pub(super) fn into_result<T>(self, config: Option<T>) -> Result<T, ConfigErrors> {
        let errors = self.errors.into_inner();
        match config {
            Some(config) if errors.is_empty() => Ok(config),
            None if errors.is_empty() => Err(ConfigErrors::new("", "refused by the filter, which gave no reason")),
            _ => Err(ConfigErrors { errors }),
        }
    }
}
