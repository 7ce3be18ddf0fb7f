//! Named values: headers, trailers and cookies.

use palisade_sdk::config::{Node, Object, Reader};
use palisade_sdk::matching::names;

use super::Directions;
use crate::actions::Action;

/// Headers that frame or route a message.
const TAKEN: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A header, trailer or cookie that is named.
#[derive(Debug)]
pub(crate) struct Named {
    /// Its name; that of a header in lower case.
    pub(crate) name: String,
    pub(crate) directions: Directions,
    /// Whether what it is in requests is for access logs, masked.
    pub(crate) is_logged: bool,
    /// What is done to it; without it, the rule's detectors look for matches in it.
    pub(crate) action: Option<Action>,
}

/// Where a header is masked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Request,
    Response,
    AccessLog,
}

impl Named {
    pub(super) fn headers(node: Node<'_>) -> Option<Vec<Self>> {
        list(node, header_name, true)
    }

    pub(super) fn cookies(node: Node<'_>) -> Option<Vec<Self>> {
        list(node, names::cookie, false)
    }
}

fn list(node: Node<'_>, name: Reader<String>, is_logged: bool) -> Option<Vec<Named>> {
    node.list(|node| node.object(|object| named(object, name, is_logged)))
}

fn named(object: &mut Object<'_>, name: Reader<String>, may_be_logged: bool) -> Option<Named> {
    let name = object.required_with("name", name);
    let places = object.optional_with("direction", |node| places(node, may_be_logged));
    let action = object.optional_with("action", Action::read);
    let (directions, is_logged) = places?.unwrap_or_default();
    Some(Named { name: name?, directions, is_logged, action: action? })
}

fn places(node: Node<'_>, may_be_logged: bool) -> Option<(Directions, bool)> {
    let choices = [("request", Place::Request), ("response", Place::Response), ("access_log", Place::AccessLog)];
    let places = node.non_empty_list(|node| match node.one_of(&choices)? {
        Place::AccessLog if !may_be_logged => node.error("a cookie is logged by `headers`"),
        place => Some(place),
    })?;
    let has = |place| places.contains(&place);
    Some((Directions { request: has(Place::Request), response: has(Place::Response) }, has(Place::AccessLog)))
}

fn header_name(node: Node<'_>) -> Option<String> {
    let name = names::header(node)?;
    if name.starts_with(':') || TAKEN.contains(&name.as_str()) {
        return node.error("a header that frames or routes the message cannot be masked");
    }
    Some(name)
}
