//! Rules: what is looked for in which direction, and what is done to it.

use palisade_sdk::config::{FromConfig, FromFields, Node, Object};

use super::Url;
use crate::actions::required_action;
use crate::detectors;
use crate::masking::{Entry, Field, MessageField, Policy};
use crate::path::Path;
use crate::scan::{MOST, Pattern, Scanner, Sought};

/// The name of a field that is given none.
const FIELD: &str = "field";

/// The longest match of a regular expression, in bytes.
const LONGEST_MATCH: usize = 4096;

/// The most that `max_len` may be.
pub(super) const MOST_REPEATED: u64 = 1024;

/// The most fields of a rule.
pub(super) const MOST_FIELDS: usize = 256;

/// The deepest field of a message that can be named.
pub(super) const DEEPEST: usize = 16;

/// The highest number of a field of a message.
pub(super) const HIGHEST: u64 = (1 << 29) - 1;

/// What a rule does.
#[derive(Debug)]
pub(crate) struct Masking {
    pub(crate) directions: Directions,
    pub(crate) policy: Policy,
    pub(crate) url: Option<Url>,
}

/// Which messages are masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Directions {
    pub(crate) request: bool,
    pub(crate) response: bool,
}

/// One item of `detectors`.
pub(super) struct Detecting {
    sought: Sought,
    entry: Entry,
}

/// `grpc: {fields: [...]}`.
#[derive(Default)]
pub(super) struct Messages(Vec<MessageField>);

/// `exclude: {fields: [...]}`.
#[derive(Default)]
pub(super) struct Exclude(Vec<Path>);

// === impl Masking ===

impl FromFields for Masking {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let directions = object.optional("direction");
        let fields = object.optional::<Vec<Field>>("fields");
        let detecting = object.optional::<Vec<Detecting>>("detectors");
        let excluded = object.optional::<Exclude>("exclude");
        let keys = object.optional("keys");
        let url = object.optional("url");
        let messages = object.optional::<Messages>("grpc");
        let fields = fields?.unwrap_or_default();
        let detecting = detecting?.unwrap_or_default();
        let url: Option<Url> = url?;
        let Messages(messages) = messages?.unwrap_or_default();
        if fields.is_empty() && detecting.is_empty() && messages.is_empty() && url.is_none() {
            return object.error("a rule needs `fields`, `detectors`, `grpc` or `url`: this one would mask nothing");
        }
        if detecting.len() > MOST {
            return object.error_at("detectors", &["expected at most ", &MOST.to_string(), " detectors"].concat());
        }
        if fields.len() > MOST_FIELDS {
            return object.error_at("fields", &["expected at most ", &MOST_FIELDS.to_string(), " fields"].concat());
        }
        let Exclude(excluded) = excluded?.unwrap_or_default();
        let (sought, detectors) = detecting.into_iter().map(Detecting::split).unzip();
        Some(Self {
            directions: directions?.unwrap_or_default(),
            policy: Policy {
                scanner: Scanner::new(sought),
                detectors,
                fields,
                messages,
                excluded,
                keys: keys?.unwrap_or(false),
            },
            url,
        })
    }
}

// === impl Directions ===

/// Responses: what leaves.
impl Default for Directions {
    fn default() -> Self {
        Self { request: false, response: true }
    }
}

impl Directions {
    /// Whether each of them is one of these.
    pub(super) fn are_within(self, all: Self) -> bool {
        (!self.request || all.request) && (!self.response || all.response)
    }
}

impl FromConfig for Directions {
    fn from_config(node: Node<'_>) -> Option<Self> {
        let directions = node.non_empty_list(|node| node.one_of(&[("request", true), ("response", false)]))?;
        Some(Self { request: directions.contains(&true), response: directions.contains(&false) })
    }
}

// === impl Field ===

impl FromFields for Field {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let path = object.required_with("path", Path::read);
        let entry = field_entry(object);
        Some(Self { path: path?, entry: entry? })
    }
}

/// `name` and `action` of a field.
#[inline(never)]
fn field_entry(object: &mut Object<'_>) -> Option<Entry> {
    let name = object.or("name", entry_name, FIELD.to_owned());
    Some(Entry { name, action: required_action(object)? })
}

// === impl Messages ===

impl FromFields for Messages {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let fields = object.required_with("fields", |node| node.non_empty_list(MessageField::from_config))?;
        let goes_on =
            |path: &[u32]| fields.iter().any(|field| field.path.len() > path.len() && field.path.starts_with(path));
        if fields.iter().any(|field| goes_on(&field.path)) {
            // What is done to the outer field would hide the inner one.
            return object.error_at("fields", "one path leads into the field of another");
        }
        Some(Self(fields))
    }
}

impl FromFields for MessageField {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let path = object.required_with("path", numbers);
        let entry = field_entry(object);
        Some(Self { path: path?, entry: entry? })
    }
}

fn numbers(node: Node<'_>) -> Option<Vec<u32>> {
    let numbers =
        node.non_empty_list(|node| node.integer(1..=HIGHEST).and_then(|number| u32::try_from(number).ok()))?;
    if numbers.len() > DEEPEST {
        return node.error(&["expected at most ", &DEEPEST.to_string(), " numbers"].concat());
    }
    Some(numbers)
}

// === impl Detecting ===

impl Detecting {
    fn split(self) -> ((Sought, bool), Entry) {
        let is_aside = self.entry.action.is_report() || self.entry.action.blocks().is_some();
        ((self.sought, is_aside), self.entry)
    }
}

impl FromFields for Detecting {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let built_in = object.optional_with("type", built_in);
        let name = object.optional_with("name", entry_name);
        let max_len = object.optional_with("max_len", max_len);
        let longest = max_len.flatten();
        let pattern = object.optional_with("regex", |node| Pattern::read(node, longest, LONGEST_MATCH));
        let action = required_action(object);
        max_len?;
        let (sought, default) = match (built_in?, pattern?) {
            (Some(_), None) if longest.is_some() => {
                return object.error_at("max_len", "it bounds the repetitions of a `regex`; there is none here");
            }
            (Some(detector), None) => (Sought::BuiltIn(detector), Some(detector.name)),
            (None, Some(pattern)) => (Sought::Pattern(pattern), None),
            (Some(_), Some(_)) => return object.error("expected either \"type\" or \"regex\", found both"),
            (None, None) => return object.error("expected either \"type\" or \"regex\", found none"),
        };
        let Some(name) = name?.or(default.map(str::to_owned)) else {
            return object.error("a detector with a `regex` needs a `name`");
        };
        Some(Self { sought, entry: Entry { name, action: action? } })
    }
}

fn built_in(node: Node<'_>) -> Option<&'static detectors::Detector> {
    let name = node.text("the name of a detector")?;
    if let Some(detector) = detectors::find(name) {
        return Some(detector);
    }
    let names: Vec<_> = detectors::all().iter().map(|detector| detector.name).collect();
    node.error(&["there is no such detector; there is ", &names.join(", ")].concat())
}

fn max_len(node: Node<'_>) -> Option<usize> {
    node.integer(1..=MOST_REPEATED).and_then(|len| usize::try_from(len).ok())
}

/// A name for metrics and templates.
fn entry_name(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "a name of 1 to 64 letters, digits, _ and -";
    let name = node.text(EXPECTED)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match (1..=64).contains(&name.len()) && name.bytes().all(is_plain) {
        true => Some(name.to_owned()),
        false => node.malformed(EXPECTED),
    }
}

// === impl Exclude ===

impl FromFields for Exclude {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        object.required_with("fields", |node| node.non_empty_list(Path::read)).map(Self)
    }
}
