//! The verdict: whether a trace is recorded, and why.

use crate::{
    probability::{Probability, Randomness, Threshold},
    traceparent::Traceparent,
};

/// Whether a trace is recorded, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the trace is recorded.
    pub sampled: bool,
    /// What decided it.
    pub reason: Reason,
    /// What is known of the probability with which such a request is recorded.
    pub threshold: KnownThreshold,
    /// Whether a trace id was taken for random although nothing says so.
    pub randomness_assumed: bool,
}

/// What decided about a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A rule that samples `0%`.
    Never,
    /// The force header.
    Forced,
    /// The caller's decision.
    Parent,
    /// The probability of a rule or of the default.
    Probability,
}

/// What is known of the probability with which such a request is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownThreshold {
    /// Nothing: the request was forced, or is not recorded, or the caller's threshold contradicts its decision.
    Unknown,
    /// What the caller says, if it says anything.
    Inherited,
    /// This threshold.
    Is(Threshold),
}

/// What the rule for the request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Never, whatever the caller and the force header say.
    pub never: bool,
    /// How often, where the caller does not decide.
    pub probability: Probability,
    /// When the caller decides.
    pub parent: ParentPolicy,
}

/// When the caller decides about the trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParentPolicy {
    /// Always.
    #[default]
    Respect,
    /// Never: the rule decides about every request.
    Ignore,
    /// If it samples; if it does not, the rule decides.
    RespectIfSampled,
}

/// What to make of a trace id that nobody calls random.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownRandomness {
    /// Take it for random, as OpenTelemetry's SDKs do.
    #[default]
    Assume,
    /// Decide by it all the same, but do not claim a probability.
    EraseThreshold,
}

/// The trace that a request continues.
#[derive(Clone, Copy, Debug)]
pub struct Parent {
    /// Its `traceparent`.
    pub traceparent: Traceparent,
    /// The explicit randomness in its `tracestate`.
    pub randomness: Option<Randomness>,
    /// The threshold in its `tracestate`.
    pub threshold: Option<Threshold>,
}

/// Decides about a request that continues the trace of `parent`.
pub fn continued(policy: Policy, forced: bool, parent: &Parent, unknown: UnknownRandomness) -> Verdict {
    if let Some(verdict) = regardless(policy, forced) {
        return verdict;
    }
    let randomness = parent.randomness.unwrap_or(Randomness::of_trace(parent.traceparent.trace_id));
    let is_random = parent.randomness.is_some() || parent.traceparent.random;
    let sampled_by_parent = parent.traceparent.sampled;

    match policy.parent {
        ParentPolicy::Respect => inherit(parent, randomness),
        ParentPolicy::RespectIfSampled if sampled_by_parent => {
            let verdict = inherit(parent, randomness);
            match (parent.threshold, policy.probability) {
                // Either of the two would have sampled it, so that the lower threshold holds for both.
                (Some(inherited), Probability::AtLeast(own))
                    if own < inherited
                        && verdict.threshold == KnownThreshold::Inherited
                        && (is_random || unknown == UnknownRandomness::Assume) =>
                {
                    Verdict { threshold: KnownThreshold::Is(own), ..verdict }
                }
                _ => verdict,
            }
        }
        ParentPolicy::RespectIfSampled | ParentPolicy::Ignore => {
            let verdict = by_probability(policy.probability, randomness);
            // 100 % compares nothing, so that it needs no randomness.
            if is_random || matches!(policy.probability, Probability::Never | Probability::AtLeast(Threshold::NONE)) {
                return verdict;
            }
            match unknown {
                UnknownRandomness::Assume => Verdict { randomness_assumed: true, ..verdict },
                UnknownRandomness::EraseThreshold => Verdict { threshold: KnownThreshold::Unknown, ..verdict },
            }
        }
    }
}

/// Decides about a request that starts a trace with this randomness.
pub fn root(policy: Policy, forced: bool, randomness: Randomness) -> Verdict {
    regardless(policy, forced).unwrap_or_else(|| by_probability(policy.probability, randomness))
}

/// What is decided whoever calls.
fn regardless(policy: Policy, forced: bool) -> Option<Verdict> {
    if policy.never {
        Some(Verdict::new(false, Reason::Never, KnownThreshold::Unknown))
    } else if forced {
        Some(Verdict::new(true, Reason::Forced, KnownThreshold::Unknown))
    } else {
        None
    }
}

fn inherit(parent: &Parent, randomness: Randomness) -> Verdict {
    let sampled = parent.traceparent.sampled;
    let consistent = sampled && parent.threshold.is_some_and(|threshold| threshold.admits(randomness));
    let threshold = if consistent { KnownThreshold::Inherited } else { KnownThreshold::Unknown };
    Verdict::new(sampled, Reason::Parent, threshold)
}

fn by_probability(probability: Probability, randomness: Randomness) -> Verdict {
    match probability {
        Probability::AtLeast(threshold) if threshold.admits(randomness) => {
            Verdict::new(true, Reason::Probability, KnownThreshold::Is(threshold))
        }
        _ => Verdict::new(false, Reason::Probability, KnownThreshold::Unknown),
    }
}

// === impl Verdict ===

impl Verdict {
    fn new(sampled: bool, reason: Reason, threshold: KnownThreshold) -> Self {
        Self { sampled, reason, threshold, randomness_assumed: false }
    }
}

// === impl Reason ===

impl Reason {
    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Forced => "forced",
            Self::Parent => "parent",
            Self::Probability => "probability",
        }
    }
}

#[cfg(test)]
mod tests;
