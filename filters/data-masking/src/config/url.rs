//! The path and query of a request.

use palisade_sdk::config::{FromFields, Node, Object};
use palisade_sdk::matching::names;

use crate::actions::{Action, required_action};

/// The longest path has no more segments that could be named.
pub(super) const MOST_SEGMENTS: u64 = 64;

/// What is masked in the path and the query of a request, beside what the rule's detectors find there.
#[derive(Debug)]
pub(crate) struct Url {
    /// Whether the upstream gets it masked; otherwise only access logs do.
    pub(crate) is_for_upstream: bool,
    pub(crate) parameters: Vec<Part>,
    pub(crate) segments: Vec<Part>,
}

/// A part that is named, and what is done to it.
#[derive(Debug)]
pub(crate) struct Part {
    /// The name of a parameter.
    pub(crate) name: String,
    /// The place of a segment, from 1.
    pub(crate) place: u64,
    pub(crate) action: Action,
}

impl FromFields for Url {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let is_for_upstream = object.required_with("for", |node| node.one_of(&[("logs", false), ("upstream", true)]));
        let parameters = object.optional_with("query", |node| parts(node, false));
        let segments = object.optional_with("segments", |node| parts(node, true));
        Some(Self {
            is_for_upstream: is_for_upstream?,
            parameters: parameters?.unwrap_or_default(),
            segments: segments?.unwrap_or_default(),
        })
    }
}

fn parts(node: Node<'_>, are_segments: bool) -> Option<Vec<Part>> {
    node.list(|node| node.object(|object| part(object, are_segments)))
}

fn part(object: &mut Object<'_>, is_segment: bool) -> Option<Part> {
    let (name, place) = match is_segment {
        true => (Some(String::new()), object.required_with("segment", |node| node.integer(1..=MOST_SEGMENTS))),
        false => {
            let name = object.required_with("name", |node| names::non_empty(node, "the name of a parameter"));
            (name, Some(0))
        }
    };
    let action = required_action(object)?;
    if is_segment && action.is_remove() {
        // Without it the others would have other places, and the path another meaning.
        return object.error_at("action", "a segment cannot be removed: replace it");
    }
    Some(Part { name: name?, place: place?, action })
}
