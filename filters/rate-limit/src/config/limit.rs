//! One limit of the configuration.

use std::time::Duration;

use palisade_sdk::config::{FromConfig, FromFields, Node, Object, Percent, Rate, Size};
use palisade_sdk::matching::{Matcher, Selector};

use crate::calendar::Unit;
use crate::gcra::{Gcra, Unfit};
use crate::headers::Shown;
use crate::key;
use crate::policy::Policy;
use crate::rls::{FailureMode, RlsConfig};

pub(super) const MOST_LIMITS: usize = 64;

/// The parts of a key.
pub(super) const MOST_PARTS: usize = 16;

pub(super) const MOST_TIERS: usize = 64;

/// The most that a count in a slot can be.
pub(super) const MOST_COUNTED: u64 = u32::MAX as u64;

pub(super) const MOST_IN_BATCH: u64 = 1_000_000;

const DAY: u64 = 86_400;

const KINDS: [&str; 5] = ["rate", "quota", "concurrency", "unlimited", "rls"];

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

/// What one key may have.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) policy: Policy,
    pub(crate) shown: Shown,
    /// What all its keys begin with: the limit's name and the policy, so that a limit that changes begins anew and one
    /// that stays as it is keeps its state.
    pub(crate) identity: Vec<u8>,
}

/// Grants by the value of a selector.
#[derive(Debug)]
pub(crate) struct Tiers {
    pub(crate) by: Selector,
    pub(crate) grants: Vec<(String, Option<Grant>)>,
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

/// How much one request takes.
#[derive(Clone, Debug)]
pub(crate) enum Cost {
    /// 1.
    One,
    /// As the request says.
    Request { value: Selector, default: u64, max: u64 },
    /// As a header of the response says.
    ResponseHeader { name: String, default: u64, max: u64 },
    /// 1 for so many bytes of the response's body.
    ResponseBytes { per: u64, max: u64 },
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
    /// Every grant that a key may get.
    pub(crate) fn grants(&self) -> impl Iterator<Item = &Grant> {
        let tiers = self.tiers.iter().flat_map(|tiers| tiers.grants.iter().map(|(_, grant)| grant.as_ref()));
        tiers.chain([self.grant.as_ref()]).flatten()
    }
}

impl FromFields for Limit {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let name = object.required_with("name", name);
        let matcher = object.optional("match");
        let key = object.optional_with("key", |node| at_most(MOST_PARTS, node, Selector::from_config));
        let on_missing = object.optional("on_missing");
        let cost = object.optional("cost").map(|cost| cost.unwrap_or(Cost::One));
        let context =
            Context { name: name.as_deref().unwrap_or_default(), debt: cost.as_ref().is_some_and(Cost::is_after) };
        let rls = object.optional::<RlsConfig>("rls");
        let grant = context.grant(object, &rls);
        let tiers = object.optional_with("tiers", |node| node.object(|object| Tiers::read(object, context)));
        let accuracy = accuracy(object);
        let enforce = enforce(object);

        let identity = key::identity(context.name, None);
        let limit = Self {
            matcher: matcher?.unwrap_or_default(),
            key: key?.unwrap_or_default(),
            on_missing: on_missing?.unwrap_or(OnMissing::Literal(String::new())),
            grant: grant?,
            rls: rls?,
            identity,
            tiers: tiers?,
            cost: cost?,
            accuracy: accuracy?,
            enforce: enforce?,
            name: name?,
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

fn at_most<T>(most: usize, node: Node<'_>, read: impl FnMut(Node<'_>) -> Option<T>) -> Option<Vec<T>> {
    let items = node.non_empty_list(read)?;
    if items.len() > most {
        return node.error(&["expected at most ", &most.to_string(), " items"].concat());
    }
    Some(items)
}

fn accuracy(object: &mut Object<'_>) -> Option<Accuracy> {
    let lease = object.optional_with("accuracy", |node| node.one_of(&[("exact", false), ("lease", true)]));
    let batch = object.optional_with("batch", |node| node.integer(2..=MOST_IN_BATCH));
    let allow = object.optional_with("on_contention", |node| node.one_of(&[("deny", false), ("allow", true)]));
    let (lease, batch, allow) = (lease?.unwrap_or(false), batch?, allow?);
    if lease {
        return Some(Accuracy::Lease { batch: batch.unwrap_or(10), allow: allow.unwrap_or(false) });
    }
    for (field, given) in [("batch", batch.is_some()), ("on_contention", allow.is_some())] {
        if given {
            return object.error_at(field, "is for \"accuracy\": \"lease\"");
        }
    }
    Some(Accuracy::Exact)
}

fn enforce(object: &mut Object<'_>) -> Option<Percent> {
    let enforce = object.optional::<bool>("enforce");
    let percent = object.optional::<Percent>("enforce_percent");
    match (enforce?, percent?) {
        (Some(false), Some(_)) => object.error_at("enforce_percent", "contradicts \"enforce\": false; leave out one"),
        (Some(false), None) => Some(Percent::ZERO),
        (_, percent) => Some(percent.unwrap_or(Percent::ALL)),
    }
}

// === impl Grant ===

/// What a grant depends on besides its own fields.
#[derive(Clone, Copy)]
struct Context<'a> {
    name: &'a str,
    debt: bool,
}

impl Context<'_> {
    /// The grant of a limit. The outer `None` says that it was refused, the inner one that there is no limit.
    fn grant(self, object: &mut Object<'_>, rls: &Option<Option<RlsConfig>>) -> Option<Option<Grant>> {
        let rate = self.rate(object);
        let quota = object.optional_with("quota", quota);
        let concurrency = object.optional_with("concurrency", |node| node.integer(0..=MOST_COUNTED));
        let max_duration = object.optional_with("max_duration", max_duration);
        let unlimited = unlimited(object);
        let (rate, quota, concurrency, max_duration, unlimited) =
            (rate?, quota?, concurrency?, max_duration?, unlimited?);
        if let Some(rls) = rls.as_ref()?.as_ref() {
            if quota.is_some() || concurrency.is_some() || max_duration.is_some() || unlimited {
                return object.error_at("rls", "has at most a \"rate\" beside it, for \"failure_mode\": \"local\"");
            }
            return match (rls.failure_mode, rate) {
                (FailureMode::Local, None) => {
                    object.error_at("rls", "\"failure_mode\": \"local\" needs the limit's own \"rate\"")
                }
                (FailureMode::Allow | FailureMode::Deny, Some(_)) => {
                    object.error_at("rate", "holds with \"failure_mode\": \"local\" alone; leave it out")
                }
                (_, rate) => Some(rate),
            };
        }
        let given = [rate.is_some(), quota.is_some(), concurrency.is_some(), unlimited];
        if given.iter().filter(|given| **given).count() != 1 {
            let names = KINDS.map(|kind| ["\"", kind, "\""].concat()).join(", ");
            return object.error(&["expected exactly one of ", &names].concat());
        }
        if max_duration.is_some() && concurrency.is_none() {
            return object.error_at("max_duration", "is for \"concurrency\"");
        }
        if let Some((count, unit)) = quota {
            let seconds = match unit {
                Unit::Hour => Some(3_600),
                Unit::Day => Some(DAY),
                Unit::Month => None,
            };
            let shown = Shown { count: u64::from(count), seconds, concurrent: false };
            return Some(Some(self.of(Policy::Quota { count, unit }, shown)));
        }
        if let Some(count) = concurrency {
            let Some(max_duration) = max_duration else {
                return object.error("missing field \"max_duration\": when a request counts as lost, such as \"30s\"");
            };
            let shown = Shown { count, seconds: None, concurrent: true };
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            return Some(Some(self.of(Policy::Concurrency { count, max_duration }, shown)));
        }
        Some(rate)
    }

    /// The fields `rate` and `burst`.
    fn rate(self, object: &mut Object<'_>) -> Option<Option<Grant>> {
        let rate = object.optional::<Rate>("rate");
        let burst = object.optional_with("burst", |node| node.integer(1..=1_000_000_000_000));
        let (rate, burst) = (rate?, burst?);
        let Some(rate) = rate else {
            return match burst {
                Some(_) => object.error_at("burst", "is for \"rate\""),
                None => Some(None),
            };
        };
        match self.of_rate(rate, burst) {
            Ok(grant) => Some(Some(grant)),
            Err((field, message)) => object.error_at(field, message),
        }
    }

    /// The grant of a rate, or the field that is wrong and what is wrong with it.
    fn of_rate(self, rate: Rate, burst: Option<u64>) -> Result<Grant, (&'static str, &'static str)> {
        let too_slow = "an empty bucket would take more than ten years to fill; shorten the period or lower the burst";
        let Rate { count, period } = rate;
        let nanos = u64::try_from(period.as_nanos()).map_err(|_| ("rate", too_slow))?;
        let gcra = Gcra::new(count, nanos, burst.unwrap_or(count.max(1)), self.debt);
        let gcra = gcra.map_err(|unfit| match unfit {
            Unfit::NoPeriod => ("rate", "the period must not be zero"),
            Unfit::NoBurst => ("burst", "the burst must not be zero"),
            Unfit::TooFast => ("rate", "expected at most ten million a second; count in larger units"),
            Unfit::TooSlow => ("rate", too_slow),
        })?;
        let seconds = (period.subsec_nanos() == 0).then_some(period.as_secs());
        Ok(self.of(Policy::Rate(gcra), Shown { count, seconds, concurrent: false }))
    }

    fn of(self, policy: Policy, shown: Shown) -> Grant {
        Grant { policy, shown, identity: key::identity(self.name, Some(&policy)) }
    }
}

fn unlimited(object: &mut Object<'_>) -> Option<bool> {
    let unlimited = object.optional_with("unlimited", |node| match bool::from_config(node)? {
        true => Some(true),
        false => node.error("expected true; to set a limit, leave it out and give a \"rate\""),
    });
    unlimited.map(|unlimited| unlimited.unwrap_or(false))
}

fn quota(node: Node<'_>) -> Option<(u32, Unit)> {
    const EXPECTED: &str = "a quota such as \"1000/day\", of up to 4294967295 in an \"hour\", a \"day\" or a \"month\"";
    let text = node.text(EXPECTED)?;
    let parse = |text: &str| {
        let (count, unit) = text.split_once('/')?;
        let is_number = count.bytes().all(|byte| byte.is_ascii_digit());
        let unit = match unit {
            "hour" => Unit::Hour,
            "day" => Unit::Day,
            "month" => Unit::Month,
            _ => return None,
        };
        Some((count.parse().ok().filter(|_| is_number)?, unit))
    };
    parse(text).or_else(|| node.malformed(EXPECTED))
}

fn max_duration(node: Node<'_>) -> Option<u64> {
    let duration = Duration::from_config(node)?;
    if (Duration::from_secs(1)..=Duration::from_secs(DAY)).contains(&duration) {
        u64::try_from(duration.as_nanos()).ok()
    } else {
        node.error("expected a duration from \"1s\" to \"1d\"")
    }
}

// === impl Tiers ===

impl Tiers {
    fn read(object: &mut Object<'_>, context: Context<'_>) -> Option<Self> {
        let by = object.required("by");
        let grants = object.required_with("rates", |node| {
            let grants = node.entries(|tier, node| Some((tier.to_owned(), tier_grant(node, context)?)))?;
            if grants.is_empty() || grants.len() > MOST_TIERS {
                return node.error(&["expected 1 to ", &MOST_TIERS.to_string(), " tiers"].concat());
            }
            Some(grants)
        });
        Some(Self { by: by?, grants: grants? })
    }
}

/// A rate, or an object with `rate` and `burst` or with `unlimited`.
fn tier_grant(node: Node<'_>, context: Context<'_>) -> Option<Option<Grant>> {
    if !node.value().is_object() {
        return match context.of_rate(Rate::from_config(node)?, None) {
            Ok(grant) => Some(Some(grant)),
            Err((_, message)) => node.error(message),
        };
    }
    node.object(|object| {
        let rate = context.rate(object);
        let (rate, unlimited) = (rate?, unlimited(object)?);
        if rate.is_some() == unlimited {
            return object.error("expected either \"rate\" or \"unlimited\"");
        }
        Some(rate)
    })
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

// === impl Cost ===

impl Cost {
    /// Whether it is known only after the response.
    pub(crate) fn is_after(&self) -> bool {
        matches!(self, Self::ResponseHeader { .. } | Self::ResponseBytes { .. })
    }
}

impl FromFields for Cost {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let header = object.optional_with("response_header", response_header);
        let per = object.optional_with("response_bytes", |node| {
            let per = Size::from_config(node)?.bytes();
            if per > 0 { Some(per) } else { node.error("expected at least \"1B\"") }
        });
        let max = object.optional_with("max", |node| node.integer(1..=MOST_COUNTED));
        let (header, per, max) = (header?, per?, max?.unwrap_or(MOST_COUNTED));
        match (header, per) {
            (Some(_), Some(_)) => object.error("expected \"response_header\" or \"response_bytes\", found both"),
            (None, Some(per)) => Some(Self::ResponseBytes { per, max }),
            (header, None) => {
                let default = object.optional_with("default", |node| node.integer(0..=MOST_COUNTED));
                if let Some(name) = header {
                    return Some(Self::ResponseHeader { name, default: default?.unwrap_or(1), max });
                }
                let value = Selector::from_fields(object);
                let default = default?.unwrap_or(1);
                if default == 0 {
                    return object
                        .error_at("default", "expected at least 1: a request that costs nothing is not limited");
                }
                Some(Self::Request { value: value?, default, max })
            }
        }
    }
}

fn response_header(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "the name of a header, such as \"x-cost\"";
    let name = node.text(EXPECTED)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_token) {
        Some(name.to_ascii_lowercase())
    } else {
        node.malformed(EXPECTED)
    }
}
