//! Places: where a value stands in a config.

use serde_json::Value;

use super::errors::Collector;
use super::node::{QUOTED, quoted};

/// One value of a config, where it stands, and who is told what is wrong with it.
pub(super) struct Place<'a> {
    pub(super) value: &'a Value,
    parent: Option<&'a Place<'a>>,
    segment: Segment<'a>,
    errors: &'a Collector,
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    /// How errors call the config as a whole.
    pub(super) const ROOT: &'static str = "config";

    pub(super) fn root(value: &'a Value, errors: &'a Collector) -> Self {
        Self { value, parent: None, segment: Segment::Root, errors }
    }

    pub(super) fn field(&'a self, name: &'a str, value: &'a Value) -> Self {
        Self { value, parent: Some(self), segment: Segment::Field(name), errors: self.errors }
    }

    pub(super) fn index(&'a self, index: usize, value: &'a Value) -> Self {
        Self { value, parent: Some(self), segment: Segment::Index(index), errors: self.errors }
    }

    // Reports are many and rare: inlined, they would add 2 KiB to a module.

    /// Adds an error about this value.
    #[inline(never)]
    pub(super) fn report_one(&self, message: &str) {
        self.report(&[message]);
    }

    /// Adds an error about this value, whose message is the `parts`, one after the other.
    #[inline(never)]
    pub(super) fn report(&self, parts: &[&str]) {
        self.errors.push(self.text(), parts);
    }

    /// Adds an error about the field of this object, which need not be there.
    #[inline(never)]
    pub(super) fn report_at(&self, name: &str, parts: &[&str]) {
        self.errors.push(self.text_of(name), parts);
    }

    /// Adds an error about what stands at `below` under this value.
    pub(super) fn report_below(&self, below: &str, message: &str) {
        let path = match self.parent {
            None => below.to_owned(),
            Some(_) => [&self.text(), ".", below].concat(),
        };
        self.errors.push(path, &[message]);
    }

    /// The path as errors show it: `rules[2].limit`.
    pub(super) fn text(&self) -> String {
        match (self.parent, self.segment) {
            (Some(parent), Segment::Field(name)) => parent.text_of(name),
            (Some(parent), Segment::Index(index)) => [&parent.text_of_child(), "[", &index.to_string(), "]"].concat(),
            _ => Self::ROOT.to_owned(),
        }
    }

    /// The path of a field of this object.
    pub(super) fn text_of(&self, name: &str) -> String {
        let parent = self.text_of_child();
        let dot = if parent.is_empty() { "" } else { "." };
        match is_plain(name) {
            true => [&parent, dot, name].concat(),
            false => [&parent, dot, &quoted(name)].concat(),
        }
    }

    /// What the path of whatever is below begins with.
    fn text_of_child(&self) -> String {
        match self.parent {
            None => String::new(),
            Some(_) => self.text(),
        }
    }
}

fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=QUOTED).contains(&name.len()) && name.bytes().all(plain)
}
