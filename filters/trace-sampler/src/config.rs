//! The configuration: types, and how they are read.

use palisade_sdk::{
    config::{FromConfig, FromFields, Node, Object, Outcome, Percent, Rules},
    matching::ClientIp,
};

use crate::{
    decision::{ParentPolicy, Policy, UnknownRandomness},
    envoy_decision::Signal,
    force::{Force, TokenDigest},
    probability::{Precision, Probability},
    propagation::{ParentIdPolicy, Propagation},
    trust::Trust,
};

#[cfg(feature = "schema")]
mod schema;

const DEFAULT_FORCE_HEADER: &str = "x-debug-trace";

/// The configuration of a sampler.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) mode: Mode,
    pub(crate) on_unknown_randomness: UnknownRandomness,
    pub(crate) trust: Option<Trust>,
    pub(crate) force: Option<Force>,
    pub(crate) client_ip: ClientIp,
    pub(crate) rules: Rules<Sampling>,
    parent: ParentPolicy,
    precision: Precision,
    default: Probability,
}

/// Who writes the trace context.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    Propagate(Propagation),
    EnvoyDecision(Signal),
}

/// What a rule says about the requests that it matches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling {
    probability: Probability,
    parent: Option<ParentPolicy>,
}

/// The fields of the config that say who writes the trace context, and how.
struct Writing {
    mode: Mode,
    on_unknown_randomness: UnknownRandomness,
    precision: Precision,
}

/// The field `parent` of the config.
#[derive(Default)]
struct Parent {
    policy: ParentPolicy,
    trust: Option<Trust>,
}

/// The field `tracestate`.
struct Tracestate {
    ot: bool,
    precision: Precision,
}

// === impl Config ===

impl Config {
    /// The policy for a request, by what the rules say about it.
    pub(crate) fn policy(&self, outcome: &Outcome<'_, Sampling>) -> Policy {
        match outcome {
            Outcome::Rule(rule) => self.policy_of(rule.action),
            Outcome::Default | Outcome::UnknownName => {
                Policy { never: false, probability: self.default.rounded(self.precision), parent: self.parent }
            }
        }
    }

    /// Every policy that a request may get.
    pub(crate) fn policies(&self) -> impl Iterator<Item = Policy> {
        let rules = self.rules.iter().map(|rule| self.policy_of(rule.action));
        rules.chain([self.policy(&Outcome::Default)])
    }

    fn policy_of(&self, sampling: Sampling) -> Policy {
        Policy {
            never: sampling.probability == Probability::Never,
            probability: sampling.probability.rounded(self.precision),
            parent: sampling.parent.unwrap_or(self.parent),
        }
    }
}

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let writing = Writing::from_fields(object);
        let parent = object.optional::<Parent>("parent");
        let force = object.optional("force");
        let client_ip = object.optional("client_ip");
        let rules = Rules::from_fields(object);
        let default =
            object.required_with("default", |node| node.object(|object| object.required_with("sample", probability)));

        let (Some(writing), Some(parent), Some(force), Some(client_ip), Some(rules), Some(default)) =
            (writing, parent, force, client_ip, rules, default)
        else {
            return None;
        };
        let Writing { mode, on_unknown_randomness, precision } = writing;
        let Parent { policy, trust } = parent.unwrap_or_default();
        let client_ip = client_ip.unwrap_or_default();
        Some(Self { mode, on_unknown_randomness, trust, force, client_ip, rules, parent: policy, precision, default })
    }
}

// === impl Writing ===

impl FromFields for Writing {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let mode = object.optional_with("mode", |node| node.one_of(&[("propagate", false), ("envoy_decision", true)]));
        let signal = object.optional("envoy_signal");
        let on_unknown_randomness = object.optional_with("on_unknown_randomness", |node| {
            node.one_of(&[("assume", UnknownRandomness::Assume), ("erase_th", UnknownRandomness::EraseThreshold)])
        });
        let parent_id = object.optional("parent_id");
        let emit_unsampled_roots = object.optional("emit_unsampled_roots");
        let tracestate = object.optional::<Tracestate>("tracestate");

        let (signal, parent_id, emit_unsampled_roots, tracestate) =
            (signal?, parent_id?, emit_unsampled_roots?, tracestate?);
        let drives_envoy = mode?.unwrap_or(false);
        let misplaced = [
            ("envoy_signal", signal.is_some() && !drives_envoy),
            ("parent_id", parent_id.is_some() && drives_envoy),
            ("emit_unsampled_roots", emit_unsampled_roots.is_some() && drives_envoy),
            ("tracestate", tracestate.is_some() && drives_envoy),
        ];
        for (field, _) in misplaced.into_iter().filter(|(_, is_misplaced)| *is_misplaced) {
            let message = if drives_envoy {
                "without effect in the mode \"envoy_decision\", where Envoy's tracer writes the headers; leave it out"
            } else {
                "without effect but in the mode \"envoy_decision\"; leave it out"
            };
            object.error_at::<()>(field, message);
        }
        if misplaced.iter().any(|(_, is_misplaced)| *is_misplaced) {
            return None;
        }

        let on_unknown_randomness = on_unknown_randomness?.unwrap_or_default();
        let Tracestate { ot, precision } = tracestate.unwrap_or_default();
        let mode = if drives_envoy {
            Mode::EnvoyDecision(signal.unwrap_or_default())
        } else {
            Mode::Propagate(Propagation {
                parent_id: parent_id.unwrap_or_default(),
                emit_unsampled_roots: emit_unsampled_roots.unwrap_or(true),
                write_threshold: ot,
                on_unknown_randomness,
            })
        };
        Some(Self { mode, on_unknown_randomness, precision })
    }
}

// === impl Sampling ===

impl FromFields for Sampling {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let probability = object.required_with("sample", probability);
        let parent = object.optional_with("parent", |node| node.object(|object| object.required("policy")));
        Some(Self { probability: probability?, parent: parent? })
    }
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

impl FromFields for Parent {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let policy = object.optional("policy");
        let trust = object.optional("trust");
        Some(Self { policy: policy?.unwrap_or_default(), trust: trust? })
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

// === impl ParentIdPolicy ===

impl FromConfig for ParentIdPolicy {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.one_of(&[("on_change", Self::OnChange), ("always", Self::Always), ("preserve", Self::Preserve)])
    }
}

// === impl Signal ===

impl FromConfig for Signal {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.one_of(&[("request_id", Self::RequestId), ("force_trace_header", Self::ForceTraceHeader)])
    }
}

// === impl Tracestate ===

impl FromFields for Tracestate {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let ot = object.optional("ot");
        let precision = object.optional_with("precision", |node| {
            node.integer(1..=14).and_then(|digits| Precision::new(u8::try_from(digits).ok()?))
        });
        Some(Self { ot: ot?.unwrap_or(true), precision: precision?.unwrap_or(Precision::RECOMMENDED) })
    }
}

impl Default for Tracestate {
    fn default() -> Self {
        Self { ot: true, precision: Precision::RECOMMENDED }
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
