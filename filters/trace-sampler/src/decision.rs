//! The verdict: whether a trace is recorded, and why.

use crate::probability::{Probability, Randomness, Threshold};

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
    /// The caller's debug flag.
    Debug,
    /// A rule that samples `0%`.
    Never,
    /// The force header.
    Forced,
    /// The caller's decision.
    Parent,
    /// The probability of a rule or of the default.
    Probability,
    /// The least that a tier takes in a second, where its probability would not have sampled.
    Reservoir,
    /// The most that a tier takes in a second, where its probability would have sampled.
    Cap,
}

/// What is known of the probability with which such a request is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownThreshold {
    /// Nothing: the request was forced or fills a reservoir, or is not recorded, or the caller's threshold contradicts
    /// its decision.
    Unknown,
    /// What the caller says, if it says anything.
    Inherited,
    /// This threshold.
    Is(Threshold),
}

/// What the rule for the request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Never, but under a caller's debug flag: neither its decision nor the force header counts.
    pub never: bool,
    /// How often, where the caller does not decide.
    pub probability: Probability,
    /// When the caller decides.
    pub parent: ParentPolicy,
}

/// All that decides about one request.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// What the rule says.
    pub policy: Policy,
    /// Whether the force header holds an accepted token.
    pub forced: bool,
    /// What the tier's limits make of the verdict.
    pub limit: &'a dyn Fn(Verdict) -> Verdict,
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
    /// What is compared with a threshold: the `rv` in its `tracestate` or, without one, the end of its id.
    pub randomness: Randomness,
    /// Whether that is known to be random.
    pub is_random: bool,
    /// What its caller has decided.
    pub state: SamplingState,
    /// The threshold in its `tracestate`.
    pub threshold: Option<Threshold>,
}

/// What a caller has decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SamplingState {
    /// Nothing: it leaves that to whom it calls.
    #[default]
    Deferred,
    /// The trace is not recorded.
    Denied,
    /// The trace is recorded.
    Accepted,
    /// The trace is recorded, whatever any rule says: somebody is looking at it.
    Debug,
}

/// Decides about a request that continues the trace of `parent`.
pub fn continued(policy: Policy, forced: bool, parent: &Parent, unknown: UnknownRandomness) -> Verdict {
    if parent.state == SamplingState::Debug {
        return Verdict::new(true, Reason::Debug, KnownThreshold::Unknown);
    }
    if let Some(verdict) = regardless(policy, forced) {
        return verdict;
    }
    let Parent { randomness, is_random, .. } = *parent;

    match (policy.parent, parent.state.sampled()) {
        (ParentPolicy::Respect, Some(sampled)) => inherit(sampled, parent),
        (ParentPolicy::RespectIfSampled, Some(true)) => {
            let verdict = inherit(true, parent);
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
        _ => {
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

fn inherit(sampled: bool, parent: &Parent) -> Verdict {
    let consistent = sampled && parent.threshold.is_some_and(|threshold| threshold.admits(parent.randomness));
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

// === impl Judge ===

impl Judge<'_> {
    /// The judge of a request that no limit is for.
    pub fn unlimited(policy: Policy, forced: bool) -> Self {
        Self { policy, forced, limit: &|verdict| verdict }
    }

    /// Decides about a request that continues the trace of `parent`.
    pub fn continued(self, parent: &Parent, unknown: UnknownRandomness) -> Verdict {
        (self.limit)(continued(self.policy, self.forced, parent, unknown))
    }
}

// === impl Verdict ===

impl Verdict {
    fn new(sampled: bool, reason: Reason, threshold: KnownThreshold) -> Self {
        Self { sampled, reason, threshold, randomness_assumed: false }
    }
}

// === impl SamplingState ===

impl SamplingState {
    /// Whether the trace is recorded; `None` where that is not decided.
    pub fn sampled(self) -> Option<bool> {
        match self {
            Self::Deferred => None,
            Self::Denied => Some(false),
            Self::Accepted | Self::Debug => Some(true),
        }
    }
}

impl From<bool> for SamplingState {
    fn from(sampled: bool) -> Self {
        if sampled { Self::Accepted } else { Self::Denied }
    }
}

// === impl Reason ===

impl Reason {
    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Never => "never",
            Self::Forced => "forced",
            Self::Parent => "parent",
            Self::Probability => "probability",
            Self::Reservoir => "reservoir",
            Self::Cap => "cap",
        }
    }
}

#[cfg(test)]
mod tests;
