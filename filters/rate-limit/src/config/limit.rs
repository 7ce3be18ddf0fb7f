//! One limit of the configuration.

use palisade_sdk::config::{FromConfig, FromFields, Node, Object, Percent};
use palisade_sdk::matching::{Matcher, Selector};

use super::at_most;
use super::cost::Cost;
use super::grant::{Grant, Grants, Tiers};
use crate::global::RlsConfig;
use crate::key;
use crate::policy::Policy;

/// The parts of a key.
pub(super) const MOST_PARTS: usize = 16;

pub(super) const MOST_IN_BATCH: u64 = 1_000_000;

/// What is allowed to each of those that a key tells apart.
#[derive(Debug)]
pub(crate) struct Limit {
    /// The name in headers, metrics and a route's metadata.
    pub(crate) name: String,
    /// To which requests it applies.
    pub(crate) matcher: Matcher,
    /// What tells apart those who have their own budget.
    pub(crate) key: Vec<Selector>,
    pub(crate) on_missing: OnMissing,
    /// What each may have; `None` is no limit. Beside `rls`, this is what holds while the service gives no answer.
    pub(crate) grant: Option<Grant>,
    /// The service that is asked, which counts for all Envoys.
    pub(crate) rls: Option<RlsConfig>,
    /// What the limit's keys begin with where there is no grant.
    pub(crate) identity: Vec<u8>,
    pub(crate) tiers: Option<Tiers>,
    pub(crate) cost: Cost,
    pub(crate) accuracy: Accuracy,
    /// Which part of the keys it is enforced for.
    pub(crate) enforce: Percent,
}

/// What becomes of a request in which a part of the key is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OnMissing {
    /// The limit does not apply.
    Skip,
    /// It is refused.
    Deny,
    /// The part has this value.
    Literal(String),
}

/// How the workers count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accuracy {
    /// Each request is counted before it is admitted.
    Exact,
    /// A worker takes so many tokens at a time; if other workers are faster time and again, `allow` says what happens.
    Lease { batch: u64, allow: bool },
}

// === impl Limit ===

impl Limit {
    /// The furthest in the future that the time in a slot of this limit can lie.
    pub(crate) fn horizon(&self) -> u64 {
        let mut horizon = self.grant.as_ref().map_or(0, Grant::horizon);
        for (_, grant) in self.tiers.iter().flat_map(|tiers| &tiers.grants) {
            horizon = horizon.max(grant.as_ref().map_or(0, Grant::horizon));
        }
        horizon
    }
}

impl FromFields for Limit {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let name = object.required_with("name", name).unwrap_or_default();
        let cost = object.or("cost", Cost::from_config, Cost::One);
        let rls: Option<RlsConfig> = object.optional("rls").flatten();
        let grants = Grants { name: &name, tier: None, debt: cost.is_after() };
        let limit = Self {
            matcher: object.or("match", Matcher::from_config, Matcher::default()),
            key: object.or("key", key_parts, Vec::new()),
            on_missing: object.or("on_missing", OnMissing::from_config, OnMissing::Literal(String::new())),
            grant: grants.of_limit(object, rls.as_ref().map(RlsConfig::failure_mode)),
            rls,
            identity: key::identity(&name, None, None),
            tiers: object.optional_with("tiers", |node| Tiers::read(node, grants)).flatten(),
            cost,
            accuracy: accuracy(object),
            enforce: enforce(object),
            name,
        };
        match limit.contradiction() {
            Some((field, message)) => object.error_at(field, message),
            None => Some(limit),
        }
    }
}

impl Limit {
    /// The field that contradicts another, and why.
    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let policy = self.grant.as_ref().map(|grant| &grant.policy);
        let is_concurrency = matches!(policy, Some(Policy::Concurrency { .. }));
        let is_rate = matches!(policy, None | Some(Policy::Rate(_)));
        let is_leased = self.accuracy != Accuracy::Exact;
        if self.rls.is_some() && self.cost.is_after() {
            Some(("cost", "a service is asked before the response; take a cost that the request has"))
        } else if is_concurrency && !matches!(self.cost, Cost::One) {
            Some(("cost", "a request counts as one for \"concurrency\"; leave out \"cost\""))
        } else if self.tiers.is_some() && !is_rate {
            Some(("tiers", "only a limit with \"rate\" or \"unlimited\" has tiers"))
        } else if is_leased && !is_rate {
            Some(("accuracy", "only a \"rate\" can be leased"))
        } else if is_leased && self.cost.is_after() {
            Some(("accuracy", "a cost that is known after the response cannot be leased"))
        } else {
            None
        }
    }
}

/// A name that can stand in a header, a metric and a route's metadata.
fn name(node: Node<'_>) -> Option<String> {
    let name = String::from_config(node)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        Some(name)
    } else {
        node.error("expected a name of 1 to 64 letters, digits, \"_\" or \"-\"")
    }
}

fn key_parts(node: Node<'_>) -> Option<Vec<Selector>> {
    at_most(MOST_PARTS, node, Selector::from_config)
}

fn accuracy(object: &mut Object<'_>) -> Accuracy {
    let lease = object.or("accuracy", is_leased, false);
    let batch = object.or("batch", batch, 10);
    let allow = object.or("on_contention", allows, false);
    if lease {
        return Accuracy::Lease { batch, allow };
    }
    for field in ["batch", "on_contention"] {
        if object.has(field) {
            object.error_at::<()>(field, "is for \"accuracy\": \"lease\"");
        }
    }
    Accuracy::Exact
}

fn is_leased(node: Node<'_>) -> Option<bool> {
    node.one_of(&[("exact", false), ("lease", true)])
}

fn batch(node: Node<'_>) -> Option<u64> {
    node.integer(2..=MOST_IN_BATCH)
}

fn allows(node: Node<'_>) -> Option<bool> {
    node.one_of(&[("deny", false), ("allow", true)])
}

fn enforce(object: &mut Object<'_>) -> Percent {
    let percent = object.or("enforce_percent", Percent::from_config, Percent::ALL);
    if object.or("enforce", bool::from_config, true) {
        return percent;
    }
    if object.has("enforce_percent") {
        object.error_at::<()>("enforce_percent", "contradicts \"enforce\": false; leave out one");
    }
    Percent::ZERO
}

// === impl OnMissing ===

impl FromConfig for OnMissing {
    fn from_config(node: Node<'_>) -> Option<Self> {
        if node.value().is_object() {
            return node.object(|object| object.required("literal").map(Self::Literal));
        }
        node.one_of(&[("skip", Self::Skip), ("deny", Self::Deny)])
    }
}
