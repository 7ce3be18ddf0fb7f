//! The field `rls` of a limit.

use crate::config::{FailureMode, at_most};
use palisade_sdk::config::{FromConfig, FromFields, Node, Object};
use palisade_sdk::matching::Selector;
use std::time::Duration;

#[cfg(feature = "schema")]
mod schema;

const LONGEST_NAME: usize = 256;
const MOST_DESCRIPTORS: usize = 16;
const TIMEOUT: Duration = Duration::from_millis(20);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(10);
const REMEMBERED: Duration = Duration::from_secs(3_600);

const FAILURE_MODES: [(&str, FailureMode); 3] =
    [("local", FailureMode::Local), ("allow", FailureMode::Allow), ("deny", FailureMode::Deny)];

/// Which service is asked, what, and what happens without an answer.
#[derive(Debug)]
pub(crate) struct RlsConfig {
    pub(super) cluster: String,
    pub(super) domain: String,
    /// At least one, of at least one entry each.
    pub(super) descriptors: Vec<Vec<Entry>>,
    pub(super) timeout: Duration,
    failure_mode: FailureMode,
    /// The longest that a refusal is remembered.
    pub(super) remember: Duration,
}

/// One part of a descriptor.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Selector,
}

// === impl RlsConfig ===

impl RlsConfig {
    /// What holds while the service gives no answer.
    pub(crate) fn failure_mode(&self) -> FailureMode {
        self.failure_mode
    }
}

impl FromFields for RlsConfig {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        Some(Self {
            cluster: object.required_with("cluster", cluster).unwrap_or_default(),
            domain: object.required_with("domain", domain).unwrap_or_default(),
            descriptors: object.required_with("descriptors", descriptors).unwrap_or_default(),
            timeout: object.or("timeout", timeout, TIMEOUT),
            remember: object.or("remember", Duration::from_config, REMEMBERED),
            failure_mode: object.required_with("failure_mode", failure_mode)?,
        })
    }
}

// === impl Entry ===

impl FromFields for Entry {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let key = object.required_with("key", key).unwrap_or_default();
        let value = object.required("value")?;
        Some(Self { key, value })
    }
}

fn descriptors(node: Node<'_>) -> Option<Vec<Vec<Entry>>> {
    at_most(MOST_DESCRIPTORS, node, entries)
}

fn entries(node: Node<'_>) -> Option<Vec<Entry>> {
    at_most(MOST_DESCRIPTORS, node, Entry::from_config)
}

fn cluster(node: Node<'_>) -> Option<String> {
    name(node, "the name of one of Envoy's clusters")
}

fn domain(node: Node<'_>) -> Option<String> {
    name(node, "a domain of up to 256 bytes")
}

fn key(node: Node<'_>) -> Option<String> {
    name(node, "a key of up to 256 bytes")
}

fn failure_mode(node: Node<'_>) -> Option<FailureMode> {
    node.one_of(&FAILURE_MODES)
}

fn name(node: Node<'_>, expected: &str) -> Option<String> {
    let name = node.text(expected)?;
    if (1..=LONGEST_NAME).contains(&name.len()) { Some(name.to_owned()) } else { node.malformed(expected) }
}

fn timeout(node: Node<'_>) -> Option<Duration> {
    let timeout = Duration::from_config(node)?;
    if (SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&timeout) {
        Some(timeout)
    } else {
        node.error("expected a duration from \"1ms\" to \"10s\"")
    }
}

#[cfg(test)]
mod tests;
