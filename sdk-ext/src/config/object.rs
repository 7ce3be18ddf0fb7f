//! The fields of one object of a config.

use serde_json::{Map, Value};

use super::nearest::nearest;
use super::node::{Node, listed};
use super::place::Place;
use super::{FromConfig, Reader};

/// The fields of one object: each field that is asked for becomes a known one, all others are reported as unknown.
pub struct Object<'a> {
    fields: &'a Map<String, Value>,
    place: &'a Place<'a>,
    known: Vec<&'static str>,
    all_valid: bool,
}

impl<'a> Object<'a> {
    pub(super) fn new(fields: &'a Map<String, Value>, place: &'a Place<'a>) -> Self {
        Self { fields, place, known: Vec::new(), all_valid: true }
    }

    /// A field that must be there.
    pub fn required<T: FromConfig>(&mut self, name: &'static str) -> Option<T> {
        self.required_with(name, T::from_config)
    }

    /// A field that may be left out. The outer `None` says that it was refused.
    pub fn optional<T: FromConfig>(&mut self, name: &'static str) -> Option<Option<T>> {
        self.optional_with(name, T::from_config)
    }

    /// A field that must be there, read by `read`.
    pub fn required_with<T>(&mut self, name: &'static str, read: impl FnOnce(Node<'_>) -> Option<T>) -> Option<T> {
        self.optional_with(name, read)?.or_else(|| {
            self.report_missing(name);
            None
        })
    }

    /// A field that may be left out, read by `read`. The outer `None` says that it was refused.
    pub fn optional_with<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Node<'_>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.ask(name) {
            Some(place) => read(Node::new(&place)).map(Some),
            None => Some(None),
        }
    }

    /// A field that may be left out, or `default` in its place; also where it was refused, since the whole config is then:
    /// [`all_valid`](Self::all_valid) tells.
    ///
    /// For objects with many fields: their reader is compiled once for each type of field, not for each field.
    #[inline(never)]
    pub fn or<T>(&mut self, name: &'static str, read: Reader<T>, default: T) -> T {
        let value = self.optional_with(name, read);
        self.all_valid &= value.is_some();
        value.flatten().unwrap_or(default)
    }

    /// Whether no default stands in the place of a field that was refused, so that comparing fields makes sense.
    pub fn all_valid(&self) -> bool {
        self.all_valid
    }

    /// Whether a field is there, which does not make it a known one.
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// The one field of several that must be there, read by the function beside its name.
    pub fn exactly_one<T, const N: usize>(&mut self, readers: &[(&'static str, Reader<T>); N]) -> Option<T> {
        let names = readers.each_ref().map(|(name, _)| *name);
        let (name, read) = readers.get(self.only_one_of(&names)?)?;
        self.required_with(name, read)
    }

    /// Those of several fields that are there, each read by the function beside its name.
    pub fn any_of<T>(&mut self, readers: &[(&'static str, Reader<T>)]) -> Option<Vec<T>> {
        let mut values = Vec::new();
        let mut all_valid = true;
        for (name, read) in readers {
            match self.optional_with(name, read) {
                Some(value) => values.extend(value),
                None => all_valid = false,
            }
        }
        all_valid.then_some(values)
    }

    /// Whether the object has no fields at all.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Reports an error about the object as a whole. Returns `None`, to be returned in turn.
    pub fn error<T>(&self, message: &str) -> Option<T> {
        self.place.report_one(message);
        None
    }

    /// Reports an error about one field, such as one that contradicts another.
    pub fn error_at<T>(&self, name: &str, message: &str) -> Option<T> {
        self.place.report_at(name, &[message]);
        None
    }

    /// Reports an error about a value below this object, such as `rules[2].limit`, that shows only when the whole
    /// object is read: it names something that is not there.
    pub fn error_below<T>(&self, path: &str, message: &str) -> Option<T> {
        self.place.report_below(path, message);
        None
    }

    /// The path of a field, for an error about another one.
    pub fn path_of(&self, name: &str) -> String {
        self.place.text_of(name)
    }

    fn report_missing(&self, name: &str) {
        self.place.report(&["missing field \"", name, "\""]);
    }

    fn ask(&mut self, name: &'static str) -> Option<Place<'a>> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.fields.get(name).map(|value| self.place.field(name, value))
    }

    fn only_one_of(&mut self, names: &[&'static str]) -> Option<usize> {
        let mut present = Vec::new();
        for (index, name) in names.iter().enumerate() {
            if self.ask(name).is_some() {
                present.push((index, *name));
            }
        }
        let found = match present.as_slice() {
            [(index, _)] => return Some(*index),
            [] => "none".to_owned(),
            [(_, first), (_, second), ..] => listed(&[first, second], "and"),
        };
        self.place.report(&["expected exactly one of ", &listed(names, "or"), ", found ", &found]);
        None
    }

    pub(super) fn report_unknown(self) {
        for name in self.fields.keys().filter(|name| !self.known.contains(&name.as_str())) {
            let hint = match nearest(name, &self.known) {
                Some(nearest) => [", did you mean \"", nearest, "\"?"].concat(),
                None if self.known.is_empty() => ", no fields are known here".to_owned(),
                None => [", known here: ", &listed(&self.known, "and")].concat(),
            };
            self.place.report_at(name, &["unknown field", &hint]);
        }
    }
}
