//! Driving Envoy's own span: Envoy's tracer writes the W3C headers, and the filter tells it the verdict.
//!
//! Envoy keeps its tracing decision in the `x-request-id`: in the first digit of the third group of the UUID,
//! where a random UUID has its version. It reads it again when it decides the route anew, and so it does with the
//! sampling of the route that is chosen then. That works where Envoy's tracer lets the local decision count, which is
//! without an inbound `traceparent`.

use crate::{
    action::{Action, Change, Outcome},
    context::{Context, Entropy, fresh_ids},
    decision::{Judge, Parent, Reason, SamplingState, UnknownRandomness, Verdict},
    traceparent::Inbound,
    tracestate::Tracestate,
};

const LENGTH: usize = 36;
const TRACE_REASON: usize = 14;

/// How Envoy is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signal {
    /// By the trace reason in `x-request-id`.
    #[default]
    RequestId,
    /// By `x-envoy-force-trace: true` on requests that are sampled; the upstream sees that header too.
    ForceTraceHeader,
    /// By `x-palisade-sampled: 0` or `1`, on which routes match that trace nothing or go on as before.
    DecisionHeader,
}

impl Signal {
    /// Decides about a request and says how Envoy learns of it. `entropy` is asked at most once.
    pub fn decide(
        self,
        judge: Judge<'_>,
        unknown: UnknownRandomness,
        context: Context<'_>,
        request_id: Option<&[u8]>,
        entropy: impl FnOnce() -> Entropy,
    ) -> Outcome {
        let mut events = context.events();
        let verdict = match context.inbound {
            Inbound::Valid { traceparent, .. } if context.trusted => {
                let list = context.tracestate.and_then(|field| Tracestate::parse(field).ok());
                let parent = Parent::new(traceparent, &list.unwrap_or(Tracestate::EMPTY));
                judge.continued(&parent, unknown)
            }
            _ => {
                let parent = Parent::of_new_trace(fresh_ids(entropy()).0, SamplingState::Deferred);
                judge.continued(&parent, unknown)
            }
        };
        events.randomness_assumed = verdict.randomness_assumed;

        let mut action = Action::default();
        match self {
            Self::ForceTraceHeader => action.force_trace = verdict.sampled,
            // A client's own is replaced, whatever it says.
            Self::DecisionHeader => action.decision_header = Change::Set(if verdict.sampled { "1" } else { "0" }),
            Self::RequestId => match request_id.and_then(|id| rewrite(id, verdict)) {
                Some(change) => action.request_id = change,
                None => events.request_id_unusable = true,
            },
        }
        Outcome { verdict, action, events }
    }
}

/// The `x-request-id` that tells Envoy the verdict; `None` if it is no UUID, which Envoy would not read.
fn rewrite(request_id: &[u8], verdict: Verdict) -> Option<Change<Vec<u8>>> {
    let wanted = match verdict {
        Verdict { sampled: false, .. } => b'4',
        Verdict { reason: Reason::Forced, .. } => b'a',
        Verdict { .. } => b'9',
    };
    if request_id.len() != LENGTH {
        return None;
    }
    if request_id.get(TRACE_REASON) == Some(&wanted) {
        return Some(Change::Keep);
    }
    let mut rewritten = request_id.to_vec();
    *rewritten.get_mut(TRACE_REASON)? = wanted;
    Some(Change::Set(rewritten))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Events,
        context::Others,
        decision::{KnownThreshold, ParentPolicy, Policy},
        probability::{Probability, Threshold},
        traceparent,
    };

    const UNTRACED: &[u8] = b"5a7c1b9e-0f1d-4c1e-8d5e-3f6f0a4b2c1d";
    const ALWAYS: Policy =
        Policy { never: false, probability: Probability::AtLeast(Threshold::NONE), parent: ParentPolicy::Respect };

    fn decide(signal: Signal, traceparent: Option<&str>, request_id: Option<&[u8]>) -> Outcome {
        let inbound = traceparent::read(traceparent.map(str::as_bytes));
        let context = Context::new(inbound, Some(b"ot=th:8"), Others::default());
        signal.decide(Judge::unlimited(ALWAYS, false), UnknownRandomness::Assume, context, request_id, || [7; 24])
    }

    #[test]
    fn only_the_request_id_changes() {
        let outcome = decide(Signal::RequestId, None, Some(UNTRACED));
        let request_id = Change::Set(b"5a7c1b9e-0f1d-9c1e-8d5e-3f6f0a4b2c1d".to_vec());
        assert_eq!(outcome.action, Action { request_id, ..Action::default() });
        assert_eq!(outcome.events, Events::default());
    }

    #[test]
    fn the_force_trace_header_is_set_on_sampled_requests_only() {
        let outcome = decide(Signal::ForceTraceHeader, None, Some(UNTRACED));
        assert_eq!(outcome.action, Action { force_trace: true, ..Action::default() });

        let unsampled = "00-12345678901234567890123456789012-1234567890123456-00";
        let outcome = decide(Signal::ForceTraceHeader, Some(unsampled), Some(UNTRACED));
        assert_eq!(outcome.action, Action::default());
    }

    #[test]
    fn the_decision_header_is_set_on_every_request() {
        let outcome = decide(Signal::DecisionHeader, None, None);
        assert_eq!(outcome.action, Action { decision_header: Change::Set("1"), ..Action::default() });
        assert_eq!(outcome.events, Events::default());

        let unsampled = "00-12345678901234567890123456789012-1234567890123456-00";
        let outcome = decide(Signal::DecisionHeader, Some(unsampled), Some(UNTRACED));
        assert_eq!(outcome.action, Action { decision_header: Change::Set("0"), ..Action::default() });
    }

    #[test]
    fn a_parent_decides_and_its_headers_stay() {
        let unsampled = "00-12345678901234567890123456789012-1234567890123456-00";
        let outcome = decide(Signal::RequestId, Some(unsampled), Some(UNTRACED));
        assert_eq!(outcome.action, Action::default());
        assert_eq!((outcome.verdict.sampled, outcome.verdict.reason), (false, Reason::Parent));
    }

    #[test]
    fn an_invalid_traceparent_is_counted_and_left_to_envoy() {
        let outcome = decide(Signal::RequestId, Some("garbage"), Some(UNTRACED));
        assert!(outcome.verdict.sampled);
        assert_eq!(outcome.events, Events { invalid_context: true, ..Events::default() });
        assert_eq!((outcome.action.traceparent, outcome.action.tracestate), (Change::Keep, Change::Keep));
    }

    #[test]
    fn a_request_without_a_usable_id_is_counted() {
        for request_id in [None, Some(&b"1"[..])] {
            let outcome = decide(Signal::RequestId, None, request_id);
            assert_eq!(outcome.action, Action::default());
            assert!(outcome.events.request_id_unusable);
        }
    }

    fn verdict(sampled: bool, reason: Reason) -> Verdict {
        Verdict { sampled, reason, threshold: KnownThreshold::Unknown, randomness_assumed: false }
    }

    #[test]
    fn the_fifteenth_character_tells_the_verdict() {
        let id = b"5a7c1b9e-0f1d-4c1e-8d5e-3f6f0a4b2c1d";
        for (verdict, expected) in [
            (verdict(true, Reason::Probability), "5a7c1b9e-0f1d-9c1e-8d5e-3f6f0a4b2c1d"),
            (verdict(true, Reason::Parent), "5a7c1b9e-0f1d-9c1e-8d5e-3f6f0a4b2c1d"),
            (verdict(true, Reason::Forced), "5a7c1b9e-0f1d-ac1e-8d5e-3f6f0a4b2c1d"),
        ] {
            assert_eq!(rewrite(id, verdict), Some(Change::Set(expected.into())));
        }
        let traced = b"5a7c1b9e-0f1d-9c1e-8d5e-3f6f0a4b2c1d";
        for reason in [Reason::Never, Reason::Probability, Reason::Parent] {
            assert_eq!(rewrite(traced, verdict(false, reason)), Some(Change::Set(id.to_vec())));
        }
    }

    #[test]
    fn an_id_that_tells_the_verdict_already_is_left_alone() {
        let untraced = b"5a7c1b9e-0f1d-4c1e-8d5e-3f6f0a4b2c1d";
        assert_eq!(rewrite(untraced, verdict(false, Reason::Probability)), Some(Change::Keep));
        let forced = b"5a7c1b9e-0f1d-ac1e-8d5e-3f6f0a4b2c1d";
        assert_eq!(rewrite(forced, verdict(true, Reason::Forced)), Some(Change::Keep));
    }

    #[test]
    fn what_is_no_uuid_is_left_alone() {
        for id in ["", "1", "5a7c1b9e-0f1d-4c1e-8d5e-3f6f0a4b2c1", "5a7c1b9e-0f1d-4c1e-8d5e-3f6f0a4b2c1d0"] {
            assert_eq!(rewrite(id.as_bytes(), verdict(true, Reason::Probability)), None, "{id:?}");
        }
    }
}
