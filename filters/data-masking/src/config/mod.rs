//! The configuration: types, and how they are read.

mod named;
mod rule;
#[cfg(feature = "schema")]
mod schema;
mod url;

use palisade_sdk::config::{FromConfig, FromFields, Node, Object, Rules, Size};
use palisade_sdk::matching::ClientIp;

use crate::body::ContentTypes;
use crate::masking::{Numbers, OnInvalid, Options};
pub(crate) use named::Named;
pub(crate) use rule::{Directions, Masking};
#[cfg(test)]
pub(crate) use url::Part;
pub(crate) use url::Url;

/// How long a value is held to be looked at as a whole, at least, at most, and without a word about it.
const MAX_HOLD: (u64, u64, usize) = (256, 64 * 1024, 8 * 1024);

/// How much a compressed body may hold, at most, and without a word about it.
const MAX_DECODED: (u64, usize) = (1 << 30, 16 << 20);

/// The configuration of the filter.
#[derive(Debug)]
pub struct Config {
    pub(crate) rules: Rules<Masking>,
    pub(crate) bodies: Bodies,
    pub(crate) headers: Vec<Named>,
    pub(crate) cookies: Vec<Named>,
    pub(crate) client_ip: ClientIp,
    pub(crate) report_only: bool,
}

/// How bodies are read.
#[derive(Debug)]
pub(crate) struct Bodies {
    pub(crate) content_types: ContentTypes,
    pub(crate) encodings: Encodings,
    pub(crate) max_hold: usize,
    pub(crate) max_decoded: usize,
    pub(crate) numbers: Numbers,
    /// Whether a body without a content type is looked at for what it is.
    pub(crate) sniff: bool,
    pub(crate) on_error: Otherwise,
    pub(crate) on_invalid: Option<OnInvalid>,
    pub(crate) on_undecodable: Otherwise,
    pub(crate) on_partial: Otherwise,
}

/// What the upstream is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encodings {
    #[default]
    Identity,
    Gzip,
}

/// What becomes of a body that cannot be masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Otherwise {
    #[default]
    Fail,
    Pass,
}

// === impl Config ===

impl Config {
    pub(crate) fn options(&self) -> Options {
        let Bodies { on_invalid, numbers, max_hold, .. } = self.bodies;
        Options { on_invalid, numbers, max_hold, report_only: self.report_only }
    }
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let rules = Rules::<Masking>::from_fields(object);
        let bodies = object.optional("bodies");
        let headers = object.optional_with("headers", Named::headers);
        let cookies = object.optional_with("cookies", Named::cookies);
        let client_ip = object.optional("client_ip");
        let report_only = object.optional("report_only");
        if rules.as_ref().is_some_and(|rules| rules.iter().len() == 0) {
            return object.error_at("rules", "expected at least one rule: without one, nothing is masked");
        }
        let (rules, headers, cookies) = (rules?, headers?.unwrap_or_default(), cookies?.unwrap_or_default());
        let is_masked = |is_it: fn(&Directions) -> bool| rules.iter().any(|rule| is_it(&rule.action.directions));
        let masked = Directions { request: is_masked(|it| it.request), response: is_masked(|it| it.response) };
        for (field, named) in [("headers", &headers), ("cookies", &cookies)] {
            if !named.iter().all(|named| named.directions.are_within(masked)) {
                return object.error_at(field, "no rule has that direction: add it to one");
            }
        }
        Some(Self {
            rules,
            bodies: bodies?.unwrap_or_default(),
            headers,
            cookies,
            client_ip: client_ip?.unwrap_or_default(),
            report_only: report_only?.unwrap_or(false),
        })
    }
}

// === impl Bodies ===

impl Default for Bodies {
    fn default() -> Self {
        Self {
            content_types: ContentTypes::default(),
            encodings: Encodings::default(),
            max_hold: MAX_HOLD.2,
            max_decoded: MAX_DECODED.1,
            numbers: Numbers::default(),
            sniff: false,
            on_error: Otherwise::default(),
            on_invalid: None,
            on_undecodable: Otherwise::default(),
            on_partial: Otherwise::default(),
        }
    }
}

impl FromFields for Bodies {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let default = Self::default();
        let on_invalid = object.optional_with("on_invalid", on_invalid);
        Some(Self {
            content_types: object.or("content_types", ContentTypes::read, default.content_types),
            encodings: object.or("encodings", encodings, default.encodings),
            max_hold: object.or("max_hold", max_hold, default.max_hold),
            max_decoded: object.or("max_decoded", max_decoded, default.max_decoded),
            numbers: object.or("numbers", numbers, default.numbers),
            sniff: object.or("sniff", bool::from_config, default.sniff),
            on_error: object.or("on_error", otherwise, default.on_error),
            on_undecodable: object.or("on_undecodable", otherwise, default.on_undecodable),
            on_partial: object.or("on_partial", otherwise, default.on_partial),
            on_invalid: on_invalid?,
        })
    }
}

fn encodings(node: Node<'_>) -> Option<Encodings> {
    node.one_of(&[("identity", Encodings::Identity), ("gzip", Encodings::Gzip)])
}

fn max_hold(node: Node<'_>) -> Option<usize> {
    size(node, MAX_HOLD.0, MAX_HOLD.1, "expected a size from 256B to 64KiB")
}

fn max_decoded(node: Node<'_>) -> Option<usize> {
    size(node, 1, MAX_DECODED.0, "expected a size from 1B to 1GiB")
}

fn size(node: Node<'_>, least: u64, most: u64, expected: &str) -> Option<usize> {
    let bytes = Size::from_config(node)?.bytes();
    match usize::try_from(bytes) {
        Ok(size) if (least..=most).contains(&bytes) => Some(size),
        _ => node.error(expected),
    }
}

fn numbers(node: Node<'_>) -> Option<Numbers> {
    node.one_of(&[("string", Numbers::String), ("zero", Numbers::Zero)])
}

fn otherwise(node: Node<'_>) -> Option<Otherwise> {
    node.one_of(&[("fail", Otherwise::Fail), ("pass", Otherwise::Pass)])
}

fn on_invalid(node: Node<'_>) -> Option<OnInvalid> {
    node.one_of(&[("text", OnInvalid::Text), ("fail", OnInvalid::Fail), ("pass", OnInvalid::Pass)])
}

#[cfg(test)]
mod tests;
