//! What a limit allows each key: the fields `rate`, `quota`, `concurrency` and `unlimited`, and those of its tiers.

use std::cell::OnceCell;
use std::time::Duration;

use palisade_sdk::config::{FromConfig, Node, Object, Rate};
use palisade_sdk::matching::Selector;

use super::cost::MOST_COUNTED;
use crate::calendar::Unit;
use crate::gcra::{Gcra, Unfit};
use crate::headers::Shown;
use crate::key::{self, Beginning};
use crate::policy::Policy;

pub(super) const MOST_TIERS: usize = 64;

pub(super) const HIGHEST_BURST: u64 = 1_000_000_000_000;

const DAY: u64 = 86_400;

const KINDS: [&str; 4] = ["rate", "quota", "concurrency", "unlimited"];

/// What one key may have.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) policy: Policy,
    pub(crate) shown: Shown,
    /// What all its keys begin with: the names of the limit and the tier, and the policy, so that a limit that changes begins
    /// anew and one that stays as it is keeps its state.
    pub(crate) identity: Vec<u8>,
    /// That, hashed when it is needed for the first time.
    pub(crate) beginning: OnceCell<Beginning>,
}

/// Grants by the value of a selector.
#[derive(Debug)]
pub(crate) struct Tiers {
    pub(crate) by: Selector,
    pub(crate) grants: Vec<(String, Option<Grant>)>,
}

/// What holds while the service gives no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureMode {
    /// The limit's own rate.
    Local,
    /// The request passes.
    Allow,
    /// The request is refused.
    Deny,
}

/// What a grant depends on besides its own fields.
#[derive(Clone, Copy)]
pub(super) struct Grants<'a> {
    /// The limit's name.
    pub(super) name: &'a str,
    /// The tier's name, where it is a tier's.
    pub(super) tier: Option<&'a str>,
    /// Whether its keys can be charged for more than they have.
    pub(super) debt: bool,
}

// === impl Grants ===

impl Grants<'_> {
    /// The grant of a limit, if it has one; a service has this failure mode.
    pub(super) fn of_limit(self, object: &mut Object<'_>, service: Option<FailureMode>) -> Option<Grant> {
        let rate = self.rate(object);
        let quota = object.or("quota", quota, None);
        let count = object.or("concurrency", concurrency, 0);
        let max_duration = object.or("max_duration", max_duration, 0);
        object.or("unlimited", unlimited, ());
        if object.has("rls") {
            return holds_beside_service(object, service).and(rate);
        }
        if KINDS.iter().filter(|kind| object.has(kind)).count() != 1 {
            return object
                .error("expected exactly one of \"rate\", \"quota\", \"concurrency\", \"unlimited\", \"rls\"");
        }
        if object.has("concurrency") {
            if !object.has("max_duration") {
                return object.error("missing field \"max_duration\": when a request counts as lost, such as \"30s\"");
            }
            let shown = Shown { count: u64::from(count), seconds: None, concurrent: true };
            return Some(self.of(Policy::Concurrency { count, max_duration }, shown));
        }
        if object.has("max_duration") {
            return object.error_at("max_duration", "is for \"concurrency\"");
        }
        match quota {
            Some((count, unit)) => {
                let seconds = match unit {
                    Unit::Hour => Some(3_600),
                    Unit::Day => Some(DAY),
                    Unit::Month => None,
                };
                let shown = Shown { count: u64::from(count), seconds, concurrent: false };
                Some(self.of(Policy::Quota { count, unit }, shown))
            }
            None => rate,
        }
    }

    /// The fields `rate` and `burst`.
    fn rate(self, object: &mut Object<'_>) -> Option<Grant> {
        let rate = object.optional("rate").flatten();
        let burst = object.optional_with("burst", burst).flatten();
        if object.has("burst") && !object.has("rate") {
            return object.error_at("burst", "is for \"rate\"");
        }
        match self.of_rate(rate?, burst) {
            Ok(grant) => Some(grant),
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

    /// A rate, or an object with `rate` and `burst` or with `unlimited`. The outer `None` says that it was refused.
    fn of_tier(self, node: Node<'_>) -> Option<Option<Grant>> {
        if !node.value().is_object() {
            return match self.of_rate(Rate::from_config(node)?, None) {
                Ok(grant) => Some(Some(grant)),
                Err((_, message)) => node.error(message),
            };
        }
        node.object(|object| {
            let rate = self.rate(object);
            object.or("unlimited", unlimited, ());
            if object.has("rate") == object.has("unlimited") {
                return object.error("expected either \"rate\" or \"unlimited\"");
            }
            Some(rate)
        })
    }

    fn of(self, policy: Policy, shown: Shown) -> Grant {
        let identity = key::identity(self.name, self.tier, Some(&policy));
        Grant { policy, shown, identity, beginning: OnceCell::new() }
    }
}

/// Whether no other field says what is allowed while a service gives no answer.
fn holds_beside_service(object: &Object<'_>, service: Option<FailureMode>) -> Option<()> {
    if ["quota", "concurrency", "max_duration", "unlimited"].iter().any(|field| object.has(field)) {
        return object.error_at("rls", "has at most a \"rate\" beside it, for \"failure_mode\": \"local\"");
    }
    match (service?, object.has("rate")) {
        (FailureMode::Local, false) => {
            object.error_at("rls", "\"failure_mode\": \"local\" needs the limit's own \"rate\"")
        }
        (FailureMode::Allow | FailureMode::Deny, true) => {
            object.error_at("rate", "holds with \"failure_mode\": \"local\" alone; leave it out")
        }
        _ => Some(()),
    }
}

fn burst(node: Node<'_>) -> Option<u64> {
    node.integer(1..=HIGHEST_BURST)
}

fn concurrency(node: Node<'_>) -> Option<u32> {
    node.integer(0..=MOST_COUNTED).map(|count| count as u32)
}

fn unlimited(node: Node<'_>) -> Option<()> {
    match bool::from_config(node)? {
        true => Some(()),
        false => node.error("expected true; to set a limit, leave it out and give a \"rate\""),
    }
}

fn quota(node: Node<'_>) -> Option<Option<(u32, Unit)>> {
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
    match parse(text) {
        None => node.malformed(EXPECTED),
        quota => Some(quota),
    }
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
    pub(super) fn read(node: Node<'_>, grants: Grants<'_>) -> Option<Self> {
        node.object(|object| {
            let by = object.required("by");
            let grants = object.required_with("rates", |node| {
                let grants = node.entries(|tier, node| {
                    Some((tier.to_owned(), Grants { tier: Some(tier), ..grants }.of_tier(node)?))
                })?;
                if grants.is_empty() || grants.len() > MOST_TIERS {
                    return node.error(&["expected 1 to ", &MOST_TIERS.to_string(), " tiers"].concat());
                }
                Some(grants)
            });
            Some(Self { by: by?, grants: grants? })
        })
    }
}
