//! The headers that carry a verdict on to the upstream.

use crate::{
    action::{Action, Change, Outcome},
    context::{Caller, Context, Entropy, fresh_ids},
    decision::{Judge, KnownThreshold, Parent, UnknownRandomness, Verdict},
    formats::Root,
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
    /// When the sampled flag changes, and for every request that is sampled: it has a span of its own, which the
    /// upstream is below.
    OnSpan,
    /// Always, as the strict tests of the specification want it.
    Always,
    /// Never. This breaks the specification, for backends that report a "missing parent" otherwise.
    Preserve,
}

impl Propagation {
    /// Decides about a request and says what its headers become. `entropy` is asked at most once.
    pub fn decide(&self, judge: Judge<'_>, context: Context<'_>, entropy: impl FnOnce() -> Entropy) -> Outcome {
        match context.inbound {
            Inbound::Valid { traceparent, canonical } if context.trusted => {
                self.go_on(judge, traceparent, canonical, context, entropy)
            }
            _ => self.begin(judge, context, entropy),
        }
    }

    /// Continues the caller's trace.
    fn go_on(
        &self,
        judge: Judge<'_>,
        inbound: Traceparent,
        canonical: bool,
        context: Context<'_>,
        entropy: impl FnOnce() -> Entropy,
    ) -> Outcome {
        let mut events = context.events();
        let list = context.tracestate.map_or(Ok(Tracestate::EMPTY), Tracestate::parse);
        let readable = list.unwrap_or(Tracestate::EMPTY);
        let parent = Parent::new(inbound, &readable).overruled(context.caller.state);
        let verdict = judge.continued(&parent, self.on_unknown_randomness);
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
            ParentIdPolicy::OnSpan => changed || verdict.sampled,
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
        let others = context.agree(verdict.sampled, None);
        Outcome { verdict, action: Action { traceparent, tracestate, others, ..Action::default() }, events }
    }

    /// Begins a trace, in place of the caller's if it sent one, unless another format names one to continue.
    fn begin(&self, judge: Judge<'_>, context: Context<'_>, entropy: impl FnOnce() -> Entropy) -> Outcome {
        let Caller { state, trace, .. } = context.caller;
        let (parent, begun) = match trace {
            Some(randomness) => (Parent { randomness, is_random: false, state, threshold: None }, None),
            None => {
                let (trace_id, span_id) = fresh_ids(entropy());
                (Parent::of_new_trace(trace_id, state), Some((trace_id, span_id)))
            }
        };
        let verdict = judge.continued(&parent, self.on_unknown_randomness);
        let sampled = verdict.sampled;

        let mut events = context.events();
        events.restarted = begun.is_some() && (events.invalid_context || events.untrusted_parent);
        events.tracestate_dropped = context.tracestate.is_some();
        events.randomness_assumed = verdict.randomness_assumed;

        let root = begun.filter(|_| sampled || self.emit_unsampled_roots).map(|(trace_id, span_id)| Root {
            trace_id,
            span_id,
            sampled,
        });
        let (traceparent, threshold) = match (&root, context.inbound) {
            (Some(root), Inbound::Absent | Inbound::Invalid | Inbound::Valid { .. }) => {
                let Root { trace_id, span_id, .. } = *root;
                let outbound = Traceparent { trace_id, parent_id: span_id, sampled, random: true };
                (Change::Set(outbound.format()), self.threshold_update(verdict))
            }
            (None, Inbound::Invalid | Inbound::Valid { .. }) => (Change::Remove, ThresholdUpdate::Keep),
            (None, Inbound::Absent) | (_, Inbound::Unread) => (Change::Keep, ThresholdUpdate::Keep),
        };
        let tracestate = match Tracestate::EMPTY.update(threshold).0 {
            Updated::Changed(field) => Change::Set(field),
            Updated::Unchanged | Updated::Empty if context.tracestate.is_some() => Change::Remove,
            Updated::Unchanged | Updated::Empty => Change::Keep,
        };
        let others = context.agree(sampled, root.as_ref());
        Outcome { verdict, action: Action { traceparent, tracestate, others, ..Action::default() }, events }
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
