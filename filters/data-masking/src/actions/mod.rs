//! Actions: what stands in the place of a match.
//!
//! What an action puts there is found by no detector, so that masking a masked text changes nothing: masks leave no value
//! whole, texts are refused in a config if a detector finds something in them, and hashes, tokens and ciphertexts are words of
//! lower case letters and digits behind a prefix that ends in `_`, which no detector looks into. Format-preserving encryption
//! cannot promise that: its results look like what they replace.

mod cipher;
mod ff1;
mod fpe;
mod key;
mod mask;
mod pseudonym;
#[cfg(feature = "schema")]
mod schema;

pub use cipher::{Decryption, Encryption};
pub use fpe::Fpe;
pub use mask::Mask;
pub use pseudonym::Pseudonym;

use palisade_sdk::config::{FromConfig, Node, Object, Reader};
use serde_json::Value;

use crate::detectors;

/// Where a text to put in the place of a match names its detector.
const TYPE: &[u8] = b"{{type}}";

/// What happens to a match.
#[derive(Debug)]
pub enum Action {
    /// Characters become others.
    Mask(Mask),
    /// A text stands in its place; `{{type}}` in it is the detector's or field's name.
    Replace(String),
    /// The beginning of an HMAC stands in its place.
    Hash(Pseudonym),
    /// A short word made by an HMAC does.
    Token(Pseudonym),
    /// Other digits do.
    Fpe(Box<Fpe>),
    /// A ciphertext does.
    Encrypt(Encryption),
    /// What was encrypted does.
    Decrypt(Decryption),
    /// Nothing does.
    Remove,
    /// The message is answered with this status.
    Block(u16),
    /// It is only counted.
    Report,
}

const ACTIONS: [(&str, Reader<Action>); 8] = [
    ("mask", |node| node.object(Mask::read).map(Action::Mask)),
    ("replace", replacement),
    ("hash", |node| node.object(Pseudonym::hash).map(Action::Hash)),
    ("token", |node| node.object(Pseudonym::token).map(Action::Token)),
    ("fpe", |node| node.object(Fpe::read).map(|fpe| Action::Fpe(Box::new(fpe)))),
    ("encrypt", |node| node.object(Encryption::read).map(Action::Encrypt)),
    ("decrypt", |node| node.object(Decryption::read).map(Action::Decrypt)),
    ("block", |node| node.object(block)),
];

/// Answers with a success would not say that something was held back.
const STATUSES: std::ops::RangeInclusive<u64> = 400..=599;

fn block(object: &mut Object<'_>) -> Option<Action> {
    let status = object.optional_with("status", |node| node.integer(STATUSES))?.unwrap_or(403);
    u16::try_from(status).ok().map(Action::Block)
}

fn replacement(node: Node<'_>) -> Option<Action> {
    let text = node.text("a text")?;
    if filled(text, "").windows(2).any(|pair| pair == b"{{") {
        return node.error("the only placeholder is {{type}}");
    }
    refuse_detected(node, &filled(text, "type"))?;
    Some(Action::Replace(text.to_owned()))
}

/// The text with a name where it asks for one.
fn filled(text: &str, name: &str) -> Vec<u8> {
    let mut filled = Vec::with_capacity(text.len());
    fill(text, name, &mut filled);
    filled
}

fn fill(text: &str, name: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = match rest.strip_prefix(TYPE) {
            Some(behind) => {
                out.extend_from_slice(name.as_bytes());
                behind
            }
            None => {
                out.push(*first);
                behind
            }
        };
    }
}

/// Refuses a text in which a detector finds something: a second masking would change it.
fn refuse_detected(node: Node<'_>, text: &[u8]) -> Option<()> {
    match detectors::detect(text) {
        Some(detector) => {
            node.error(&["what stands in the place of a match looks like a match of ", detector.name].concat())
        }
        None => Some(()),
    }
}

/// `action`, read here for all whose field it is, so that its reader is compiled once.
#[inline(never)]
pub(crate) fn required_action(object: &mut Object<'_>) -> Option<Action> {
    object.required_with("action", Action::read)
}

impl FromConfig for Action {
    fn from_config(node: Node<'_>) -> Option<Self> {
        Self::read(node)
    }
}

impl Action {
    /// Reads `remove`, `report`, or an object whose one field is the action's name.
    pub fn read(node: Node<'_>) -> Option<Self> {
        match node.value() {
            Value::String(name) if ACTIONS.iter().all(|(own, _)| own != name) => {
                let is_report = node.one_of(&[("remove", false), ("report", true)])?;
                Some(if is_report { Self::Report } else { Self::Remove })
            }
            Value::String(name) => node.error(&["write it as an object, {", name, ": {...}}"].concat()),
            Value::Object(_) => node.object(|object| object.exactly_one(&ACTIONS)),
            _ => node.expected("\"remove\", \"report\" or an object such as {mask: {}}"),
        }
    }

    /// Its name in metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mask(_) => "mask",
            Self::Replace(_) => "replace",
            Self::Hash(_) => "hash",
            Self::Token(_) => "token",
            Self::Fpe(_) => "fpe",
            Self::Encrypt(_) => "encrypt",
            Self::Decrypt(_) => "decrypt",
            Self::Remove => "remove",
            Self::Block(_) => "block",
            Self::Report => "report",
        }
    }

    /// Whether the match is only counted.
    #[must_use]
    pub fn is_report(&self) -> bool {
        matches!(self, Self::Report)
    }

    /// Whether nothing stands in its place: a member of an object goes with its name.
    #[must_use]
    pub fn is_remove(&self) -> bool {
        matches!(self, Self::Remove)
    }

    /// Whether what stands in its place is the same for every value, so that it can stand for an object too.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Replace(_))
    }

    /// The status of the answer, where the message is not let through.
    #[must_use]
    pub fn blocks(&self) -> Option<u16> {
        match self {
            Self::Block(status) => Some(*status),
            _ => None,
        }
    }

    /// Appends what stands in the place of `value`, a match of `detector` or the value of a field of this name.
    pub fn apply(&self, detector: &str, value: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Mask(mask) => mask.apply(value, out),
            Self::Replace(text) => fill(text, detector, out),
            Self::Hash(pseudonym) | Self::Token(pseudonym) => pseudonym.apply(value, out),
            Self::Fpe(fpe) => fpe.apply(value, out),
            Self::Encrypt(encryption) => encryption.apply(detector, value, out),
            Self::Decrypt(decryption) => decryption.apply(value, out),
            Self::Remove | Self::Block(_) => {}
            Self::Report => out.extend_from_slice(value),
        }
    }
}

#[cfg(test)]
mod tests;
