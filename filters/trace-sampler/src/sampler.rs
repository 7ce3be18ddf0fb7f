//! The sampler of one configuration: reads what it needs of a request, and decides.

use std::borrow::Cow;

use palisade_sdk::{
    config::{Outcome as Choice, Rule},
    matching::{Attributes, Field, RequestView},
};

use crate::{
    action::Outcome,
    config::{Config, Mode, Sampling, UNREAD},
    context::{Context, Entropy, Others},
    decision::{Judge, ParentPolicy, Policy, SamplingState},
    formats::Format,
    limits::{Limiter, Process, Unavailable},
    probability::Probability,
    traceparent::{self, Inbound},
};

/// The name of the filter in metrics, and in a route's metadata where that chooses the rule.
pub const NAME: &str = "trace_sampler";

/// Decides about requests as one configuration says.
#[derive(Clone, Debug)]
pub struct Sampler {
    config: Config,
    rules_under_parent: RulesUnderParent,
    /// Of each rule, and then of the default.
    limiters: Vec<Option<Limiter>>,
}

/// A request as the sampler reads it.
pub trait Request: Attributes {
    /// Every line of a header, joined with `,`, or `None` where there is none. The name is in lower case.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    fn joined(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, Self::Error>;
}

/// What the sampler decides about a request.
#[derive(Debug)]
pub struct Decision<'s> {
    /// The rule in force.
    pub tier: Tier<'s>,
    /// The verdict, and what is to be done.
    pub outcome: Outcome,
}

/// Which rule was in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier<'s> {
    /// The rule with this name or, where it has none, `rule_` and its place in the list.
    Rule(&'s str),
    /// No rule.
    Default,
    /// The rules were not asked, since the caller decides whatever they say.
    Unread,
}

/// When the rules have a say although the caller's decision is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RulesUnderParent {
    /// Never: all respect it.
    Never,
    /// If the caller did not sample, or gives a threshold that a rule might lower.
    UnlessSampled,
    /// Always: a rule overrules either decision.
    Always,
}

// === impl Sampler ===

impl Sampler {
    /// The sampler of this configuration.
    pub fn new(config: Config) -> Self {
        let rules_under_parent = config.policies().map(RulesUnderParent::of).max().unwrap_or(RulesUnderParent::Never);
        let limiters = config.limits().map(|(tier, limits)| Limiter::new(tier, limits)).collect();
        Self { config, rules_under_parent, limiters }
    }

    /// Decides about a request. `entropy` is asked at most once.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer; the request is to be left as it is.
    pub fn decide<R: Request>(
        &self,
        request: &R,
        process: &impl Process,
        entropy: impl FnOnce() -> Entropy,
    ) -> Result<Decision<'_>, R::Error> {
        let config = &self.config;
        let force = self.force(request)?;
        let forced = force == Some(true);
        let formats = &config.formats;
        let told = formats.read(|name| request.joined(name))?;
        let others = Others { told: &told, before_w3c: formats.w3c_rank.unwrap_or_default() };
        let (mut inbound, mut tracestate) = (Inbound::Unread, None);
        if formats.w3c_rank.is_some() {
            inbound = traceparent::read(request.joined("traceparent")?.as_deref());
            tracestate = request.joined("tracestate")?;
        }
        let mut context = Context::new(inbound, tracestate.as_deref(), others);
        if let Some(trust) = &config.trust
            && context.is_valid
            && !trust.admits(request)?
        {
            context = context.distrusted();
        }

        let mut ambiguous = false;
        let mut unknown_rule = false;
        let (tier, policy, limiter) = if !forced && self.parent_suffices(context) {
            (Tier::Unread, PARENT_ONLY, None)
        } else {
            let choice = config.rules.choose(NAME, &RequestView::new(request, &config.client_ip))?;
            ambiguous = choice.ambiguous;
            unknown_rule = matches!(choice.outcome, Choice::UnknownName);
            (Tier::of(&choice.outcome), config.policy(&choice.outcome), self.limiter(&choice.outcome))
        };

        let limit = |verdict| match limiter.map(|limiter| limiter.hold(verdict, process)) {
            Some(Ok(held)) => held,
            // A limit that cannot be looked up limits nothing.
            Some(Err(Unavailable)) | None => verdict,
        };
        let judge = Judge { policy, forced, limit: &limit };
        let mut outcome = match config.mode {
            Mode::Propagate(propagation) => propagation.decide(judge, context, entropy),
            Mode::EnvoyDecision(signal) => {
                let request_id = request.joined("x-request-id")?;
                signal.decide(judge, config.on_unknown_randomness, context, request_id.as_deref(), entropy)
            }
        };
        outcome.action.strip_force_header = force == Some(false);
        outcome.events.force_refused = force == Some(false);
        outcome.events.ambiguous_request = ambiguous;
        outcome.events.unknown_rule = unknown_rule;
        Ok(Decision { tier, outcome })
    }

    /// Whether the id of a new trace tells when it began.
    pub fn dates_traces(&self) -> bool {
        self.config.formats.others.contains(&Format::Xray)
    }

    /// The name of the force header, which [`Action::strip_force_header`](crate::action::Action) speaks of.
    pub fn force_header(&self) -> Option<&str> {
        self.config.force.as_ref().map(|force| force.header())
    }

    /// Whether the force header holds an accepted token; `None` where there is no such header.
    fn force<R: Request>(&self, request: &R) -> Result<Option<bool>, R::Error> {
        let Some(force) = &self.config.force else {
            return Ok(None);
        };
        Ok(match request.header(force.header())? {
            Field::Absent => None,
            Field::One(token) => Some(force.accepts(&token)),
            Field::Many => Some(false),
        })
    }

    fn limiter(&self, choice: &Choice<'_, Sampling>) -> Option<&Limiter> {
        let limiter = match choice {
            Choice::Rule(rule) => self.limiters.get(rule.index()),
            Choice::Default | Choice::UnknownName => self.limiters.last(),
        };
        limiter?.as_ref()
    }

    /// Whether the caller decides whatever the rules say.
    fn parent_suffices(&self, context: Context<'_>) -> bool {
        let sampled = match context.caller.state {
            SamplingState::Deferred => return false,
            SamplingState::Debug => return true,
            SamplingState::Denied => false,
            SamplingState::Accepted => true,
        };
        match self.rules_under_parent {
            RulesUnderParent::Never => true,
            RulesUnderParent::UnlessSampled => sampled && context.tracestate.is_none(),
            RulesUnderParent::Always => false,
        }
    }
}

/// The policy under which a trusted caller decides.
const PARENT_ONLY: Policy = Policy { never: false, probability: Probability::Never, parent: ParentPolicy::Respect };

// === impl RulesUnderParent ===

impl RulesUnderParent {
    fn of(policy: Policy) -> Self {
        match policy {
            Policy { never: true, .. } | Policy { parent: ParentPolicy::Ignore, .. } => Self::Always,
            Policy { parent: ParentPolicy::RespectIfSampled, .. } => Self::UnlessSampled,
            Policy { parent: ParentPolicy::Respect, .. } => Self::Never,
        }
    }
}

// === impl Tier ===

impl<'s> Tier<'s> {
    /// The name in metrics and logs.
    pub fn name(self) -> &'s str {
        match self {
            Self::Rule(label) => label,
            Self::Default => "default",
            Self::Unread => UNREAD,
        }
    }

    fn of(choice: &Choice<'s, Sampling>) -> Self {
        match choice {
            Choice::Rule(rule) => Self::Rule(Rule::label(rule)),
            Choice::Default | Choice::UnknownName => Self::Default,
        }
    }
}

#[cfg(test)]
mod tests;
