//! The configuration: types, and how they are read.

use palisade_sdk::{
    config::{FromConfig, FromFields, Node, Object, Outcome, Percent, Rules},
    matching::ClientIp,
};

use crate::{
    decision::{ParentPolicy, Policy, UnknownRandomness},
    force::{Force, TokenDigest},
    formats::{Format, Formats},
    limits::Limits,
    probability::{Precision, Probability},
    trust::Trust,
};

#[cfg(feature = "schema")]
mod schema;
mod writing;

pub(crate) use writing::{Mode, Place};
use writing::{RETRIES, Writing};

const DEFAULT_FORCE_HEADER: &str = "x-debug-trace";

/// What metrics call the tier of requests of which no rule was asked.
pub(crate) const UNREAD: &str = "unread";

/// The largest limit. No process takes more traces, and a count of so many is far from its own end.
const MOST_PER_SECOND: u64 = 1_000_000;

// Why a config as a whole is refused.
const TAKEN: &str =
    "the name \"unread\" is taken: the metrics have it for requests of which no rule was asked; choose another";
const LIMITS: &str = "in \"upstream\" every attempt is decided, and a limit would count a retry anew; leave out \"reservoir\" and \"cap\"";

/// The configuration of a sampler.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) mode: Mode,
    pub(crate) formats: Formats,
    pub(crate) on_unknown_randomness: UnknownRandomness,
    pub(crate) trust: Option<Trust>,
    pub(crate) force: Option<Force>,
    pub(crate) client_ip: ClientIp,
    pub(crate) rules: Rules<Sampling>,
    parent: ParentPolicy,
    precision: Precision,
    default: Rate,
}

/// What a rule says about the requests that it matches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling {
    rate: Rate,
    parent: Option<ParentPolicy>,
}

/// How many traces are sampled, of those that a rule matches or of all others.
#[derive(Clone, Copy, Debug)]
struct Rate {
    probability: Probability,
    limits: Limits,
}

/// The field `parent` of the config.
#[derive(Default)]
struct Parent {
    policy: Option<ParentPolicy>,
    trust: Option<Trust>,
}

// === impl Config ===

impl Config {
    /// The policy for a request, by what the rules say about it.
    pub(crate) fn policy(&self, outcome: &Outcome<'_, Sampling>) -> Policy {
        match outcome {
            Outcome::Rule(rule) => self.policy_of(rule.action),
            Outcome::Default | Outcome::UnknownName => Policy {
                never: false,
                probability: self.default.probability.rounded(self.precision),
                parent: self.parent,
            },
        }
    }

    /// Every policy that a request may get.
    pub(crate) fn policies(&self) -> impl Iterator<Item = Policy> {
        let rules = self.rules.iter().map(|rule| self.policy_of(rule.action));
        rules.chain([self.policy(&Outcome::Default)])
    }

    /// The limits of each rule, in the order of the rules, and then those of the default.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (&str, Limits)> {
        let rules = self.rules.iter().map(|rule| (rule.label(), rule.action.rate.limits));
        rules.chain([("default", self.default.limits)])
    }

    fn policy_of(&self, sampling: Sampling) -> Policy {
        Policy {
            never: sampling.rate.probability == Probability::Never,
            probability: sampling.rate.probability.rounded(self.precision),
            parent: sampling.parent.unwrap_or(self.parent),
        }
    }
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let elsewhere = object.optional_with("span_export", |node| {
            node.error::<()>("this module exports no spans; load trace_sampler_span_export.wasm in its place")
        });
        let config = Self::read(object);
        elsewhere.and(config)
    }
}

impl Config {
    /// Reads the fields that every sampler has.
    pub(crate) fn read(object: &mut Object<'_>) -> Option<Self> {
        let place = object.optional("mode").map(Option::unwrap_or_default);
        let writing = Writing::read(object, place);
        let parent = object.optional_with("parent", |node| node.object(|object| Parent::read(object, place)));
        let force = object.optional("force");
        let client_ip = object.optional("client_ip");
        let rules = Rules::from_fields(object);
        let default = object.required("default");

        let (Some(place), Some(writing), Some(parent), Some(force), Some(client_ip), Some(rules), Some(default)) =
            (place, writing, parent, force, client_ip, rules, default)
        else {
            return None;
        };
        let Writing { mode, formats, on_unknown_randomness, precision } = writing;
        let Parent { policy, trust } = parent.unwrap_or_default();
        let parent = policy.unwrap_or(place.parent_policy());
        let client_ip = client_ip.unwrap_or_default();
        let config =
            Self { mode, formats, on_unknown_randomness, trust, force, client_ip, rules, parent, precision, default };
        if place == Place::Behind && config.limits().any(|(_, limits)| limits != Limits::default()) {
            return object.error_at("mode", LIMITS);
        }
        if config.rules.iter().any(|rule| rule.label() == UNREAD) {
            return object.error_at("rules", TAKEN);
        }
        Some(config)
    }
}

// === impl Sampling ===

impl FromFields for Sampling {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let rate = Rate::from_fields(object);
        let parent = object.optional_with("parent", |node| node.object(|object| object.required("policy")));
        let rate = rate?;
        if rate.probability == Probability::Never && rate.limits.reservoir > 0 {
            return object.error_at(
                "reservoir",
                "contradicts the \"sample\" of \"0%\", which is never; for hardly more than the reservoir \
                 write a small percentage such as \"0.0001%\"",
            );
        }
        Some(Self { rate, parent: parent? })
    }
}

// === impl Rate ===

impl FromFields for Rate {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let probability = object.required_with("sample", probability);
        let reservoir = object.optional_with("reservoir", per_second);
        let cap = object.optional_with("cap", per_second);
        let (probability, reservoir, cap) = (probability?, reservoir?.unwrap_or(0), cap?);
        if let Some(cap) = cap.filter(|cap| *cap < reservoir) {
            let (least, most, other) = (reservoir.to_string(), cap.to_string(), object.path_of("cap"));
            let message = [&least, " traces a second at least, but ", &other, " says ", &most, " at most"];
            return object.error_at("reservoir", &message.concat());
        }
        Some(Self { probability, limits: Limits { reservoir, cap } })
    }
}

fn per_second(node: Node<'_>) -> Option<u32> {
    if !node.value().is_object() {
        return node.expected("an object such as {\"per_second\": 10}");
    }
    node.object(|object| {
        object.required_with("per_second", |node| {
            if node.value().is_string() {
                return node.expected("a bare number such as 10, whose unit is the name of the field");
            }
            node.integer(1..=MOST_PER_SECOND)
        })
    })?
    .try_into()
    .ok()
}

fn probability(node: Node<'_>) -> Option<Probability> {
    if node.value().is_number() {
        return node.error(
            "expected a percentage such as \"10%\", found a number, which could be a share or a percentage; write \
             \"1%\" for one in a hundred, \"100%\" for all",
        );
    }
    Probability::of(Percent::from_config(node)?).ok().or_else(|| {
        node.error("less than one trace in 2^56, the smallest probability there is; for none at all write \"0%\"")
    })
}

// === impl Parent ===

impl Parent {
    fn read(object: &mut Object<'_>, place: Option<Place>) -> Option<Self> {
        let policy = object.optional("policy");
        let trust = object.optional("trust");
        if place == Some(Place::Behind) && matches!(trust, Some(Some(_))) {
            return object.error_at("trust", RETRIES);
        }
        Some(Self { policy: policy?, trust: trust? })
    }
}

impl FromConfig for ParentPolicy {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.one_of(&[
            ("respect", Self::Respect),
            ("ignore", Self::Ignore),
            ("respect_if_sampled", Self::RespectIfSampled),
        ])
    }
}

// === impl Formats ===

impl FromConfig for Formats {
    fn from_config(node: Node<'_>) -> Option<Self> {
        let mut formats = Self { w3c_rank: None, others: Vec::new() };
        node.non_empty_list(|node| {
            let format = node.one_of(&[
                ("w3c", None),
                ("b3", Some(Format::B3)),
                ("b3multi", Some(Format::B3Multi)),
                ("xray", Some(Format::Xray)),
                ("datadog", Some(Format::Datadog)),
            ])?;
            let is_repeated = match format {
                None => formats.w3c_rank.replace(formats.others.len()).is_some(),
                Some(format) => formats.others.contains(&format),
            };
            if is_repeated {
                return node.error("is in the list already; its first place says when it counts");
            }
            formats.others.extend(format);
            Some(())
        })?;
        Some(formats)
    }
}

// === impl Force ===

impl FromFields for Force {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let header = object.optional_with("header", header_name);
        let accepted = object.required_with("token_sha256", |node| {
            if node.value().is_array() {
                node.non_empty_list(token_digest)
            } else {
                token_digest(node).map(|digest| vec![digest])
            }
        });
        Some(Self::new(header?.unwrap_or_else(|| DEFAULT_FORCE_HEADER.to_owned()), accepted?))
    }
}

fn token_digest(node: Node<'_>) -> Option<TokenDigest> {
    const EXPECTED: &str = "the SHA-256 digest of the token, 64 hexadecimal digits";
    let mut digest = TokenDigest::default();
    match hex::decode_to_slice(node.text(EXPECTED)?, &mut digest) {
        Ok(()) => Some(digest),
        Err(_) => node.malformed(EXPECTED),
    }
}

fn header_name(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "the name of a header, such as \"x-debug-trace\"";
    let name = node.text(EXPECTED)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_token) {
        Some(name.to_ascii_lowercase())
    } else {
        node.malformed(EXPECTED)
    }
}

#[cfg(test)]
mod tests;
