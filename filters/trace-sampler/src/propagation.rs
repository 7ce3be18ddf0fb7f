//! The W3C headers that carry a verdict on to the upstream.

use crate::{
    action::{Action, Change, Events, Outcome},
    context::{Context, Entropy, fresh_ids},
    decision::{self, KnownThreshold, Parent, Policy, UnknownRandomness, Verdict},
    probability::Randomness,
    traceparent::{Inbound, Traceparent},
    tracestate::{Malformed, ThresholdUpdate, Tracestate, Updated},
};

/// How verdicts become headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Propagation {
    /// When a continued trace gets a new parent id.
    pub parent_id: ParentIdPolicy,
    /// Whether a request that starts a trace and is not sampled gets a `traceparent` that says so.
    pub emit_unsampled_roots: bool,
    /// Whether the sampling threshold is written to `tracestate`.
    pub write_threshold: bool,
    /// What to make of a trace id that nobody calls random.
    pub on_unknown_randomness: UnknownRandomness,
}

/// When a continued trace gets a new parent id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParentIdPolicy {
    /// When the sampled flag changes, as the specification demands.
    #[default]
    OnChange,
    /// Always, as the strict tests of the specification want it.
    Always,
    /// Never. This breaks the specification, for backends that report a "missing parent" otherwise.
    Preserve,
}

impl Propagation {
    /// Decides about a request and says what its headers become. `entropy` is asked at most once.
    pub fn decide(
        &self,
        policy: Policy,
        forced: bool,
        context: Context<'_>,
        entropy: impl FnOnce() -> Entropy,
    ) -> Outcome {
        match context.inbound {
            Inbound::Valid { traceparent, canonical } if context.trusted => {
                self.go_on(policy, forced, traceparent, canonical, context.tracestate, entropy)
            }
            inbound => self.begin(policy, forced, inbound, context.tracestate.is_some(), entropy),
        }
    }

    /// Continues the caller's trace.
    fn go_on(
        &self,
        policy: Policy,
        forced: bool,
        inbound: Traceparent,
        canonical: bool,
        field: Option<&[u8]>,
        entropy: impl FnOnce() -> Entropy,
    ) -> Outcome {
        let mut events = Events::default();
        let list = field.map_or(Ok(Tracestate::EMPTY), Tracestate::parse);
        let readable = list.unwrap_or(Tracestate::EMPTY);
        let parent = Parent::new(inbound, &readable);
        let verdict = decision::continued(policy, forced, &parent, self.on_unknown_randomness);
        events.randomness_assumed = verdict.randomness_assumed;

        let (updated, fits) = readable.update(self.threshold_update(verdict));
        events.ot_too_long = !fits;
        let tracestate = match (updated, list) {
            (Updated::Changed(field), _) => Change::Set(field),
            (Updated::Unchanged, Ok(_)) => Change::Keep,
            (Updated::Empty, Ok(_)) | (_, Err(Malformed)) => Change::Remove,
        };
        events.tracestate_dropped = list.is_err();

        let changed = verdict.sampled != inbound.sampled;
        let renew = match self.parent_id {
            ParentIdPolicy::OnChange => changed,
            ParentIdPolicy::Always => true,
            ParentIdPolicy::Preserve => false,
        };
        let mut outbound = Traceparent { sampled: verdict.sampled, ..inbound };
        if renew {
            outbound.parent_id = fresh_ids(entropy()).1;
            if outbound.parent_id == inbound.parent_id {
                outbound.parent_id = inbound.parent_id.wrapping_add(1).max(1);
            }
        }
        let traceparent = if changed || renew || !canonical { Change::Set(outbound.format()) } else { Change::Keep };
        Outcome { verdict, action: Action { traceparent, tracestate, ..Action::default() }, events }
    }

    /// Begins a trace, in place of the caller's if it sent one.
    fn begin(
        &self,
        policy: Policy,
        forced: bool,
        inbound: Inbound,
        has_tracestate: bool,
        entropy: impl FnOnce() -> Entropy,
    ) -> Outcome {
        let events = Events {
            invalid_traceparent: inbound == Inbound::Invalid,
            untrusted_parent: matches!(inbound, Inbound::Valid { .. }),
            restarted: inbound != Inbound::Absent,
            tracestate_dropped: has_tracestate,
            ..Events::default()
        };
        let (trace_id, parent_id) = fresh_ids(entropy());
        let verdict = decision::root(policy, forced, Randomness::of_trace(trace_id));

        let (updated, _) = Tracestate::EMPTY.update(self.threshold_update(verdict));
        let tracestate = match updated {
            Updated::Changed(field) => Change::Set(field),
            Updated::Unchanged | Updated::Empty if has_tracestate => Change::Remove,
            Updated::Unchanged | Updated::Empty => Change::Keep,
        };
        let traceparent = if verdict.sampled || self.emit_unsampled_roots {
            let outbound = Traceparent { trace_id, parent_id, sampled: verdict.sampled, random: true };
            Change::Set(outbound.format())
        } else if events.restarted {
            Change::Remove
        } else {
            Change::Keep
        };
        Outcome { verdict, action: Action { traceparent, tracestate, ..Action::default() }, events }
    }

    fn threshold_update(&self, verdict: Verdict) -> ThresholdUpdate {
        match verdict.threshold {
            _ if !self.write_threshold => ThresholdUpdate::Keep,
            KnownThreshold::Unknown => ThresholdUpdate::Erase,
            KnownThreshold::Inherited => ThresholdUpdate::Keep,
            KnownThreshold::Is(threshold) => ThresholdUpdate::Set(threshold),
        }
    }
}

#[cfg(test)]
mod tests;
