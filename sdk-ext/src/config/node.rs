//! One value of a config, with its path.

use std::ops::RangeInclusive;

use serde_json::{Number, Value};

use super::nearest::nearest;
use super::object::Object;
use super::place::Place;

/// How much of a text an error repeats.
pub(super) const QUOTED: usize = 60;

/// One value of a config: it knows its path, and reports what is wrong with it.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    // One pointer: a node is copied wherever it is handed on.
    place: &'a Place<'a>,
}

impl<'a> Node<'a> {
    pub(super) fn new(place: &'a Place<'a>) -> Self {
        Self { place }
    }

    /// The JSON value itself.
    pub fn value(self) -> &'a Value {
        self.place.value
    }

    /// Reports an error about this value. Returns `None`, to be returned in turn.
    pub fn error<T>(self, message: &str) -> Option<T> {
        self.place.report_one(message);
        None
    }

    /// Reports that `what` was expected, and what kind of value was found, without repeating a text.
    pub fn expected<T>(self, what: &str) -> Option<T> {
        self.report_kind(what);
        None
    }

    /// Reports that this text, which is not repeated, is not `what` was expected.
    pub fn malformed<T>(self, what: &str) -> Option<T> {
        self.report_malformed(what);
        None
    }

    /// The text of a string; `what` says in an error what was expected.
    pub fn text(self, what: &str) -> Option<&'a str> {
        self.value().as_str().or_else(|| self.expected(what))
    }

    /// An integer in a range; `1.0` is 1, since Envoy passes all numbers as doubles.
    pub fn integer(self, range: RangeInclusive<u64>) -> Option<u64> {
        let number = self.value().as_number().and_then(integer).and_then(|number| u64::try_from(number).ok());
        number.filter(|number| range.contains(number)).or_else(|| {
            let (first, last) = range.into_inner();
            self.expected(&["an integer from ", &first.to_string(), " to ", &last.to_string()].concat())
        })
    }

    /// The choice that the text names; errors list the names and suggest the nearest.
    pub fn one_of<T: Clone, const N: usize>(self, choices: &[(&'static str, T); N]) -> Option<T> {
        let names = choices.each_ref().map(|(name, _)| *name);
        let (_, choice) = choices.get(self.position_in(&names)?)?;
        Some(choice.clone())
    }

    /// Each item of a list; all items are read, also after one was refused.
    pub fn list<T>(self, mut read: impl FnMut(Node<'_>) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        let are_valid = self.each(&mut |node| read(node).map(|item| items.push(item)).is_some());
        are_valid.then_some(items)
    }

    /// Each item of a list that must have one.
    pub fn non_empty_list<T>(self, read: impl FnMut(Node<'_>) -> Option<T>) -> Option<Vec<T>> {
        self.has_items()?;
        self.list(read)
    }

    /// The fields of an object; those that `read` does not ask for are reported as unknown.
    pub fn object<T>(self, read: impl FnOnce(&mut Object<'_>) -> Option<T>) -> Option<T> {
        let mut object = self.fields()?;
        let value = read(&mut object);
        object.report_unknown();
        value
    }

    /// Each entry of an object whose names the operator chooses; all are read, also after one was refused.
    pub fn entries<T>(self, mut read: impl FnMut(&str, Node<'_>) -> Option<T>) -> Option<Vec<T>> {
        let Some(fields) = self.value().as_object() else {
            return self.expected("an object");
        };
        let mut entries = Vec::new();
        for (name, value) in fields {
            entries.extend(read(name, Node::new(&self.place.field(name, value))));
        }
        (entries.len() == fields.len()).then_some(entries)
    }

    fn fields(self) -> Option<Object<'a>> {
        match self.value().as_object() {
            Some(fields) => Some(Object::new(fields, self.place)),
            None => self.expected("an object"),
        }
    }

    /// Whether this is a list and all items are valid, each of which is read. It is compiled once, whatever the items are.
    fn each(self, read: &mut dyn FnMut(Node<'_>) -> bool) -> bool {
        let Some(values) = self.value().as_array() else {
            self.report_kind("a list");
            return false;
        };
        values
            .iter()
            .enumerate()
            .fold(true, |are_valid, (index, value)| read(Node::new(&self.place.index(index, value))) && are_valid)
    }

    fn has_items(self) -> Option<()> {
        match self.value().as_array().is_some_and(Vec::is_empty) {
            true => self.error("expected a list with at least one item, found an empty list"),
            false => Some(()),
        }
    }

    fn report_kind(self, what: &str) {
        self.place.report(&["expected ", what, ", found ", &shape(self.value())]);
    }

    fn report_malformed(self, what: &str) {
        self.place.report(&["expected ", what]);
    }

    fn position_in(self, names: &[&str]) -> Option<usize> {
        let Some(text) = self.value().as_str() else {
            return self.expected(&listed(names, "or"));
        };
        names.iter().position(|name| *name == text).or_else(|| {
            let hint = nearest(text, names).map(|name| [", did you mean \"", name, "\"?"].concat());
            let hint = hint.unwrap_or_default();
            self.place.report(&["expected ", &listed(names, "or"), ", found ", &quoted(text), &hint]);
            None
        })
    }

    /// Reads a text that has a unit.
    ///
    /// `expected` describes it, with an example; `unit` completes a bare number in the hint. The text is repeated in
    /// the error, so this is not for types whose text may be a secret.
    pub(super) fn with_unit<T>(self, expected: &str, unit: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.value().as_str().and_then(parse).or_else(|| {
            self.report_without_unit(expected, unit);
            None
        })
    }

    fn report_without_unit(self, expected: &str, unit: &str) {
        let (found, hint) = match self.value() {
            Value::String(text) => (quoted(text), String::new()),
            Value::Number(number) => {
                let hint = match integer(number) {
                    Some(number) if number >= 0 => ["; write \"", &number.to_string(), unit, "\""].concat(),
                    Some(_) => String::new(),
                    None => ["; write it in quotes, with a unit such as \"", unit, "\""].concat(),
                };
                (shape(self.value()), hint)
            }
            _ => (shape(self.value()), String::new()),
        };
        self.place.report(&["expected ", expected, ", found ", &found, &hint]);
    }
}

/// A text in quotes, in printable ASCII and cut when it is long.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for (place, char) in text.chars().enumerate() {
        if place == QUOTED {
            quoted.push_str("...");
            break;
        }
        quoted.extend(char.escape_default());
    }
    quoted.push('"');
    quoted
}

/// The names in quotes: `"a", "b" or "c"`.
pub(super) fn listed(names: &[&str], conjunction: &str) -> String {
    let last = names.len().saturating_sub(1);
    let mut list = String::new();
    for (place, name) in names.iter().enumerate() {
        match place {
            0 => {}
            _ if place == last => list.extend([" ", conjunction, " "]),
            _ => list.push_str(", "),
        }
        list.push_str(&quoted(name));
    }
    list
}

/// The kind of a value, for an error: texts may be secrets, numbers are not.
fn shape(value: &Value) -> String {
    let shape = match value {
        Value::Null => "null",
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        Value::Number(number) => match integer(number) {
            Some(number) => return ["the number ", &number.to_string()].concat(),
            None => "a number that is no integer",
        },
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    shape.to_owned()
}

/// The number as an integer, if it is one that a double holds exactly or that JSON wrote as one.
fn integer(number: &Number) -> Option<i64> {
    /// Above 2^53 a double no longer tells neighbouring integers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    number.as_i64().or_else(|| {
        let double = number.as_f64().filter(|double| double.fract() == 0.0 && double.abs() <= EXACT)?;
        Some(double as i64)
    })
}
