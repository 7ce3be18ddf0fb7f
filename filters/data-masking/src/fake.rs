//! Fakes: policies for tests.

use crate::actions::Action;
use crate::detectors;
use crate::masking::{Entry, Field, Numbers, OnInvalid, Options, Policy};
use crate::path::Path;
use crate::scan::{Scanner, Sought};

/// A policy of these fields and detectors.
pub(crate) fn policy(fields: Vec<(&str, Action)>, detecting: Vec<(&str, Action)>) -> Policy {
    let sought = |(name, action): &(&str, Action)| {
        let detector = detectors::find(name).unwrap();
        (Sought::BuiltIn(detector), action.is_report() || action.blocks().is_some())
    };
    let entry = |name: &str, action| Entry { name: name.to_owned(), action };
    Policy {
        scanner: Scanner::new(detecting.iter().map(sought).collect()),
        detectors: detecting.into_iter().map(|(name, action)| entry(name, action)).collect(),
        fields: fields
            .into_iter()
            .map(|(path, action)| Field { path: Path::parse(path).unwrap(), entry: entry("field", action) })
            .collect(),
        messages: Vec::new(),
        excluded: Vec::new(),
        keys: false,
    }
}

/// Options with which 257 bytes are a long value.
pub(crate) const OPTIONS: Options =
    Options { on_invalid: Some(OnInvalid::Text), numbers: Numbers::String, max_hold: 256, report_only: false };

/// What comes out when a text comes in these pieces: masked by `push`, which says how much of what it is offered it has decided.
pub(crate) fn in_pieces<E>(
    pieces: &[&[u8]],
    mut push: impl FnMut(&[u8], bool) -> Result<(usize, Vec<u8>), E>,
) -> Result<Vec<u8>, E> {
    let mut held = Vec::new();
    let mut out = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        held.extend_from_slice(piece);
        let (consumed, mut masked) = push(&held, number + 1 == pieces.len())?;
        out.append(&mut masked);
        held.drain(..consumed);
    }
    assert!(held.is_empty(), "left: {}", String::from_utf8_lossy(&held));
    Ok(out)
}

/// Every way to cut a text once or twice.
pub(crate) fn cuts(text: &[u8]) -> impl Iterator<Item = [&[u8]; 3]> {
    (0..=text.len()).flat_map(move |first| {
        (first..=text.len()).map(move |second| [&text[..first], &text[first..second], &text[second..]])
    })
}
