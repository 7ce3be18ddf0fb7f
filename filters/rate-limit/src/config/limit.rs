//! One limit of the configuration.

use palisade_sdk::config::{FromConfig, Node, Object, Percent, Reader};
use palisade_sdk::matching::{Matcher, Selection, Selector};

use super::at_most;
use super::cost::Cost;
use super::grant::{FailureMode, Grant, Grants, Tiers};
use crate::key;
use crate::policy::Policy;
use crate::rls::RlsConfig;

/// The parts of a key.
pub(super) const MOST_PARTS: usize = 16;

pub(super) const MOST_IN_BATCH: u64 = 1_000_000;

/// What is wrong with a field that is about a limit's own rate.
const HAVE_NO_RATE: &str =
    "is for the limit's own \"rate\", which holds with \"failure_mode\": \"local\" alone; leave it out";

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
    /// What the limit's keys begin with, whatever is granted to them.
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
    /// Reads the fields; `rls` reads the service.
    pub(super) fn read(object: &mut Object<'_>, rls: Reader<RlsConfig>) -> Option<Self> {
        let name = object.required_with("name", name).unwrap_or_default();
        let cost = object.or("cost", Cost::from_config, Cost::One);
        let rls = object.optional_with("rls", rls).flatten();
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

    /// Whether it is enforced for some keys and not for others.
    pub(crate) fn is_enforced_in_part(&self) -> bool {
        self.enforce != Percent::ALL && self.enforce != Percent::ZERO
    }

    /// The field that contradicts another, and why.
    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let policy = self.grant.as_ref().map(|grant| &grant.policy);
        let is_concurrency = matches!(policy, Some(Policy::Concurrency { .. }));
        let is_rate = matches!(policy, None | Some(Policy::Rate(_)));
        let is_leased = self.accuracy != Accuracy::Exact;
        let has_no_rate = self.rls.as_ref().is_some_and(|rls| rls.failure_mode() != FailureMode::Local);
        if has_no_rate && self.tiers.is_some() {
            Some(("tiers", HAVE_NO_RATE))
        } else if has_no_rate && is_leased {
            Some(("accuracy", HAVE_NO_RATE))
        } else if has_no_rate && !self.key.is_empty() && !self.is_enforced_in_part() {
            Some(("key", HAVE_NO_RATE))
        } else if self.key.is_empty() && self.is_enforced_in_part() {
            Some((
                "enforce_percent",
                "is a part of the keys, not of the requests; add a \"key\", or take \"0%\" or \"100%\"",
            ))
        } else if self.rls.is_some() && self.cost.is_after() {
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

impl OnMissing {
    /// What becomes of a request in which this part is missing. Who sends it twice does not get out of the limit.
    pub(crate) fn of(&self, selection: &Selection<'_>) -> &Self {
        const SHARED: &OnMissing = &OnMissing::Literal(String::new());
        if selection.ambiguous && *self == Self::Skip { SHARED } else { self }
    }
}

impl FromConfig for OnMissing {
    fn from_config(node: Node<'_>) -> Option<Self> {
        if node.value().is_object() {
            return node.object(|object| object.required("literal").map(Self::Literal));
        }
        node.one_of(&[("skip", Self::Skip), ("deny", Self::Deny)])
    }
}
