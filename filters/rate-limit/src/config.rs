//! The configuration: types, and how they are read.

use palisade_sdk::config::{FromConfig, FromFields, Node, Object};
use palisade_sdk::matching::{Cidr, ClientIp, Matcher};

use crate::headers::{Headers, Upstream, When, XRateLimit};
use crate::store::OnFull;

mod limit;
#[cfg(feature = "schema")]
mod schema;

use limit::MOST_LIMITS;
pub(crate) use limit::{Accuracy, Cost, Grant, Limit, OnMissing};

/// How many shards there are, at most and without a word about it.
const SHARDS: (u64, u32) = (4096, 256);

/// How many slots a shard has, at most and without a word about it.
const SLOTS: (u64, usize) = (128, 128);

/// The configuration of the filter.
#[derive(Debug)]
pub struct Config {
    pub(crate) storage: Storage,
    pub(crate) client_ip: ClientIp,
    pub(crate) headers: Headers,
    pub(crate) deny: Deny,
    pub(crate) limits: Vec<Limit>,
    pub(crate) exempt: Vec<Exempt>,
    pub(crate) rule_by_route: bool,
}

/// How much is known about keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storage {
    /// A power of two.
    pub(crate) shards: u32,
    pub(crate) slots: usize,
    pub(crate) on_full: OnFull,
}

/// How a request is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deny {
    pub(crate) status: u16,
    pub(crate) grpc_status: u8,
    /// Whether the body is a problem (RFC 9457).
    pub(crate) problem: bool,
}

/// Requests to which no limit applies.
#[derive(Clone, Debug)]
pub(crate) enum Exempt {
    Cidr(Cidr),
    Match(Matcher),
}

// === impl Config ===

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let storage = object.optional("storage");
        let client_ip = object.optional("client_ip");
        let headers = object.optional("headers");
        let deny = object.optional("deny");
        let limits = object.required_with("limits", limits);
        let exempt = object.optional("exempt");
        let rule_by_route = object.optional("rule_by_route");
        Some(Self {
            storage: storage?.unwrap_or_default(),
            client_ip: client_ip?.unwrap_or_default(),
            headers: headers?.unwrap_or_default(),
            deny: deny?.unwrap_or_default(),
            limits: limits?,
            exempt: exempt?.unwrap_or_default(),
            rule_by_route: rule_by_route?.unwrap_or(false),
        })
    }
}

fn limits(node: Node<'_>) -> Option<Vec<Limit>> {
    let mut names: Vec<String> = Vec::new();
    let limits = node.non_empty_list(|node| {
        let limit = Limit::from_config(node)?;
        if names.contains(&limit.name) {
            return node.error(&["the name \"", &limit.name, "\" is already that of another limit"].concat());
        }
        names.push(limit.name.clone());
        Some(limit)
    })?;
    if limits.len() > MOST_LIMITS {
        return node.error(&["expected at most ", &MOST_LIMITS.to_string(), " limits"].concat());
    }
    Some(limits)
}

// === impl Storage ===

impl Default for Storage {
    fn default() -> Self {
        Self { shards: SHARDS.1, slots: SLOTS.1, on_full: OnFull::default() }
    }
}

impl FromFields for Storage {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let shards = object.optional_with("shards", |node| {
            let shards = node.integer(1..=SHARDS.0).and_then(|shards| u32::try_from(shards).ok())?;
            if shards.is_power_of_two() { Some(shards) } else { node.error("expected a power of two, such as 256") }
        });
        let slots = object.optional_with("slots_per_shard", |node| {
            node.integer(1..=SLOTS.0).and_then(|slots| usize::try_from(slots).ok())
        });
        let on_full = object.optional_with("on_full", |node| {
            node.one_of(&[("shard_bucket", OnFull::Share), ("deny", OnFull::Deny), ("allow", OnFull::Allow)])
        });
        let default = Self::default();
        Some(Self {
            shards: shards?.unwrap_or(default.shards),
            slots: slots?.unwrap_or(default.slots),
            on_full: on_full?.unwrap_or_default(),
        })
    }
}

// === impl Headers ===

impl FromFields for Headers {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let ietf = object.optional("ietf");
        let x_ratelimit = object.optional_with("x_ratelimit", |node| {
            node.one_of(&[("off", XRateLimit::Off), ("plain", XRateLimit::Plain), ("draft03", XRateLimit::Draft03)])
        });
        let when = object.optional_with("when", |node| {
            node.one_of(&[("always", When::Always), ("denied", When::Denied), ("never", When::Never)])
        });
        let upstream = object.optional_with("upstream", |node| {
            node.one_of(&[
                ("overwrite", Upstream::Overwrite),
                ("append", Upstream::Append),
                ("keep_lower", Upstream::KeepLower),
            ])
        });
        let shadow = object.optional("shadow");
        let default = Self::default();
        Some(Self {
            ietf: ietf?.unwrap_or(default.ietf),
            x_ratelimit: x_ratelimit?.unwrap_or(default.x_ratelimit),
            when: when?.unwrap_or(default.when),
            upstream: upstream?.unwrap_or(default.upstream),
            shadow: shadow?.unwrap_or(default.shadow),
        })
    }
}

// === impl Deny ===

impl Default for Deny {
    fn default() -> Self {
        Self { status: 429, grpc_status: RESOURCE_EXHAUSTED, problem: false }
    }
}

const RESOURCE_EXHAUSTED: u8 = 8;
const UNAVAILABLE: u8 = 14;

impl FromFields for Deny {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let status = object
            .optional_with("status", |node| node.integer(400..=599).and_then(|status| u16::try_from(status).ok()));
        let grpc_status = object.optional_with("grpc_status", |node| {
            node.one_of(&[("resource_exhausted", RESOURCE_EXHAUSTED), ("unavailable", UNAVAILABLE)])
        });
        let problem = object.optional("problem");
        let default = Self::default();
        Some(Self {
            status: status?.unwrap_or(default.status),
            grpc_status: grpc_status?.unwrap_or(default.grpc_status),
            problem: problem?.unwrap_or(default.problem),
        })
    }
}

// === impl Exempt ===

impl FromFields for Exempt {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        object.exactly_one(&[
            ("cidr", |node| Cidr::from_config(node).map(Self::Cidr)),
            ("match", |node| Matcher::from_config(node).map(Self::Match)),
        ])
    }
}

#[cfg(test)]
mod tests;
