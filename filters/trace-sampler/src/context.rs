//! The trace context with which a request comes, and the randomness with which it may have to go on.

use core::time::Duration;

use crate::{
    action::{Events, HeaderChange},
    decision::{Parent, SamplingState},
    formats::{self, Changes, Root, Told},
    probability::Randomness,
    traceparent::{Inbound, Traceparent},
    tracestate::Tracestate,
};

/// The trace context of a request, in every format in use.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The trace that `traceparent` continues, if it does.
    pub(crate) inbound: Inbound,
    /// Every line of `tracestate`, joined with `,`.
    pub(crate) tracestate: Option<&'a [u8]>,
    /// Whether the caller may decide and name the trace.
    pub(crate) trusted: bool,
    /// What the caller says, if it is trusted.
    pub(crate) caller: Caller,
    /// Whether any format says something valid.
    pub(crate) is_valid: bool,
    is_invalid: bool,
    others: Others<'a>,
}

/// What the request says in other formats than W3C's, in the order in which they count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Others<'a> {
    /// Each format in use.
    pub told: &'a [Told<'a>],
    /// How many of them count before W3C's.
    pub before_w3c: usize,
}

/// What a caller says in all formats together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Caller {
    /// What it has decided: the first format counts that decides at all, and a debug flag in any.
    pub(crate) state: SamplingState,
    /// The trace that it names in another format than W3C's, as far as sampling goes.
    pub(crate) trace: Option<Randomness>,
    /// Whether two formats tell different decisions.
    contradicting: bool,
}

/// Random bytes for a trace id and a parent id.
pub type Entropy = [u8; 24];

/// A trace id and a parent id, neither of them 0.
pub(crate) fn fresh_ids(entropy: Entropy) -> (u128, u64) {
    let [trace_id @ .., p0, p1, p2, p3, p4, p5, p6, p7] = entropy;
    let trace_id = u128::from_be_bytes(trace_id);
    let parent_id = u64::from_be_bytes([p0, p1, p2, p3, p4, p5, p6, p7]);
    (trace_id.max(1), parent_id.max(1))
}

/// The same randomness, with the time in the first four bytes of the trace id, where X-Ray looks for it. What
/// consistent sampling compares are the last seven.
pub(crate) fn dated(entropy: Entropy, unix_time: Duration) -> Entropy {
    let mut dated = entropy;
    for (byte, time) in dated.iter_mut().zip((unix_time.as_secs() as u32).to_be_bytes()) {
        *byte = time;
    }
    dated
}

// === impl Context ===

impl<'a> Context<'a> {
    /// The context of a trusted caller.
    pub fn new(inbound: Inbound, tracestate: Option<&'a [u8]>, others: Others<'a>) -> Self {
        let mut caller = Caller::default();
        let (mut is_valid, mut is_invalid) = (false, inbound == Inbound::Invalid);
        for rank in 0..=others.told.len() {
            if let Inbound::Valid { traceparent, .. } = inbound
                && rank == others.before_w3c
            {
                is_valid = true;
                caller.hear(traceparent.sampled.into());
            }
            match others.told.get(rank).map(|told| told.inbound) {
                Some(formats::Inbound::Valid(claim)) => {
                    is_valid = true;
                    caller.hear(claim.state);
                    caller.trace = caller.trace.or(claim.trace);
                }
                Some(formats::Inbound::Invalid) => is_invalid = true,
                Some(formats::Inbound::Absent) | None => {}
            }
        }
        Self { inbound, tracestate, trusted: true, caller, is_valid, is_invalid, others }
    }

    /// The context of a caller that may say nothing.
    pub fn distrusted(self) -> Self {
        Self { trusted: false, caller: Caller::default(), ..self }
    }

    /// What may be said of the context whatever is decided.
    pub(crate) fn events(&self) -> Events {
        Events {
            invalid_context: self.is_invalid,
            untrusted_parent: self.is_valid && !self.trusted,
            contradicting: self.caller.contradicting,
            ..Events::default()
        }
    }

    /// How the headers of the other formats come to tell the verdict. With a root, a trace begins in each of them that
    /// says nothing valid; without one, what is not valid goes.
    pub(crate) fn agree(&self, sampled: bool, root: Option<&Root>) -> Vec<HeaderChange> {
        let mut changes = Changes::default();
        for told in self.others.told {
            match (told.inbound, root) {
                (formats::Inbound::Valid(_), _) if self.trusted => told.agree(sampled, &mut changes),
                (_, Some(root)) => told.begin(root, &mut changes),
                (formats::Inbound::Absent, None) => {}
                (_, None) => told.remove(&mut changes),
            }
        }
        changes.0
    }
}

// === impl Caller ===

impl Caller {
    fn hear(&mut self, state: SamplingState) {
        let (known, heard) = (self.state.sampled(), state.sampled());
        self.contradicting |= known.is_some() && heard.is_some() && known != heard;
        if known.is_none() || state == SamplingState::Debug {
            self.state = state;
        }
    }
}

// === impl Parent ===

impl Parent {
    /// The parent that a `traceparent` and its list describe.
    pub(crate) fn new(traceparent: Traceparent, list: &Tracestate<'_>) -> Self {
        let Traceparent { trace_id, sampled, random, .. } = traceparent;
        let explicit = list.randomness();
        Self {
            randomness: explicit.unwrap_or(Randomness::of_trace(trace_id)),
            is_random: random || explicit.is_some(),
            state: sampled.into(),
            threshold: list.threshold(),
        }
    }

    /// What there is to go by in a trace that begins with this id.
    pub(crate) fn of_new_trace(trace_id: u128, state: SamplingState) -> Self {
        Self { randomness: Randomness::of_trace(trace_id), is_random: true, state, threshold: None }
    }

    /// The parent once another format may have decided. Its threshold says something of its own decision alone.
    pub(crate) fn overruled(self, state: SamplingState) -> Self {
        let threshold = self.threshold.filter(|_| self.state.sampled() == state.sampled());
        Self { state, threshold, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_never_zero() {
        assert_eq!(fresh_ids([0; 24]), (1, 1));
    }

    #[test]
    fn explicit_randomness_wins_over_the_trace_id() {
        let traceparent = Traceparent { trace_id: 5, parent_id: 1, sampled: true, random: false };
        let parent = Parent::new(traceparent, &Tracestate::EMPTY);
        assert_eq!((parent.randomness, parent.is_random), (Randomness::of_trace(5), false));
        let parent = Parent::new(Traceparent { random: true, ..traceparent }, &Tracestate::EMPTY);
        assert_eq!((parent.randomness, parent.is_random), (Randomness::of_trace(5), true));
        let parent = Parent::new(traceparent, &Tracestate::parse(b"ot=rv:00000000000007").unwrap());
        assert_eq!((parent.randomness, parent.is_random), (Randomness::of_trace(7), true));
    }

    #[test]
    fn a_dated_trace_begins_with_the_time() {
        let (trace_id, parent_id) = fresh_ids(dated([0xab; 24], Duration::from_secs(0x5759_e988)));
        assert_eq!(trace_id, 0x5759_e988_abab_abab_abab_abab_abab_abab);
        assert_eq!(parent_id, 0xabab_abab_abab_abab);
    }

    #[test]
    fn every_random_byte_is_used() {
        let mut entropy = [0; 24];
        for (value, byte) in (1..).zip(&mut entropy) {
            *byte = value;
        }
        assert_eq!(fresh_ids(entropy), (0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10, 0x1112_1314_1516_1718));
    }
}
