//! The configuration: types, and how they are read.

use palisade_sdk::config::{FromConfig, FromFields, Node, Object, Reader};
use palisade_sdk::matching::{Cidr, ClientIp, Matcher};

use crate::headers::{Headers, Upstream, When, XRateLimit};
use crate::rls::RlsConfig;
use crate::store::OnFull;

mod cost;
mod grant;
mod limit;
#[cfg(feature = "schema")]
mod schema;

pub(crate) use cost::Cost;
pub(crate) use grant::{FailureMode, Grant};
pub(crate) use limit::{Accuracy, Limit, OnMissing};

const MOST_LIMITS: usize = 64;

/// How many shards there are, at most and without a word about it.
const SHARDS: (u64, u32) = (4096, 256);

/// How many slots a shard has, at most and without a word about it.
const SLOTS: (u64, usize) = (128, 128);

/// The configuration of a filter that asks services.
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

/// The configuration of a filter that asks none, in which no limit has one.
#[derive(Debug)]
pub struct LocalConfig(pub(crate) Config);

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
        Self::read(object, RlsConfig::from_config)
    }
}

impl Config {
    /// Reads the fields; `rls` reads the service of a limit.
    fn read(object: &mut Object<'_>, rls: Reader<RlsConfig>) -> Option<Self> {
        Some(Self {
            storage: object.or("storage", Storage::from_config, Storage::default()),
            client_ip: object.or("client_ip", ClientIp::from_config, ClientIp::default()),
            headers: object.or("headers", Headers::from_config, Headers::default()),
            deny: object.or("deny", Deny::from_config, Deny::default()),
            limits: object.required_with("limits", |node| limits(node, rls)).unwrap_or_default(),
            exempt: object.or("exempt", Vec::from_config, Vec::new()),
            rule_by_route: object.or("rule_by_route", bool::from_config, false),
        })
    }
}

fn limits(node: Node<'_>, rls: Reader<RlsConfig>) -> Option<Vec<Limit>> {
    let mut names: Vec<String> = Vec::new();
    let limits = node.non_empty_list(|node| {
        let limit = node.object(|object| Limit::read(object, rls))?;
        if names.contains(&limit.name) {
            return node.error(&["the name \"", &limit.name, "\" is already that of another limit"].concat());
        }
        names.push(limit.name.clone());
        Some(limit)
    })?;
    within(MOST_LIMITS, "limits", node).and(Some(limits))
}

/// A list that has an item, and not too many.
pub(crate) fn at_most<T>(most: usize, node: Node<'_>, read: Reader<T>) -> Option<Vec<T>> {
    within(most, "items", node)?;
    node.non_empty_list(read)
}

fn within(most: usize, items: &str, node: Node<'_>) -> Option<()> {
    if node.value().as_array().is_some_and(|list| list.len() > most) {
        return node.error(&["expected at most ", &most.to_string(), " ", items].concat());
    }
    Some(())
}

// === impl LocalConfig ===

impl FromFields for LocalConfig {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        Config::read(object, |node| node.error("this module asks no service; load rate_limit_global.wasm")).map(Self)
    }
}

// === impl Storage ===

impl Default for Storage {
    fn default() -> Self {
        Self { shards: SHARDS.1, slots: SLOTS.1, on_full: OnFull::default() }
    }
}

impl FromFields for Storage {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let default = Self::default();
        Some(Self {
            shards: object.or("shards", shards, default.shards),
            slots: object.or("slots_per_shard", slots, default.slots),
            on_full: object.or("on_full", on_full, default.on_full),
        })
    }
}

fn shards(node: Node<'_>) -> Option<u32> {
    let shards = node.integer(1..=SHARDS.0)? as u32;
    if shards.is_power_of_two() { Some(shards) } else { node.error("expected a power of two, such as 256") }
}

fn slots(node: Node<'_>) -> Option<usize> {
    node.integer(1..=SLOTS.0).map(|slots| slots as usize)
}

fn on_full(node: Node<'_>) -> Option<OnFull> {
    node.one_of(&[("shard_bucket", OnFull::Share), ("deny", OnFull::Deny), ("allow", OnFull::Allow)])
}

// === impl Headers ===

impl FromFields for Headers {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let default = Self::default();
        Some(Self {
            ietf: object.or("ietf", bool::from_config, default.ietf),
            x_ratelimit: object.or("x_ratelimit", x_ratelimit, default.x_ratelimit),
            when: object.or("when", when, default.when),
            upstream: object.or("upstream", upstream, default.upstream),
            shadow: object.or("shadow", bool::from_config, default.shadow),
        })
    }
}

fn x_ratelimit(node: Node<'_>) -> Option<XRateLimit> {
    node.one_of(&[("off", XRateLimit::Off), ("plain", XRateLimit::Plain), ("draft03", XRateLimit::Draft03)])
}

fn when(node: Node<'_>) -> Option<When> {
    node.one_of(&[("always", When::Always), ("denied", When::Denied), ("never", When::Never)])
}

fn upstream(node: Node<'_>) -> Option<Upstream> {
    node.one_of(&[
        ("overwrite", Upstream::Overwrite),
        ("append", Upstream::Append),
        ("keep_lower", Upstream::KeepLower),
    ])
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
        let default = Self::default();
        Some(Self {
            status: object.or("status", status, default.status),
            grpc_status: object.or("grpc_status", grpc_status, default.grpc_status),
            problem: object.or("problem", bool::from_config, default.problem),
        })
    }
}

fn status(node: Node<'_>) -> Option<u16> {
    node.integer(400..=599).map(|status| status as u16)
}

fn grpc_status(node: Node<'_>) -> Option<u8> {
    node.one_of(&[("resource_exhausted", RESOURCE_EXHAUSTED), ("unavailable", UNAVAILABLE)])
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
