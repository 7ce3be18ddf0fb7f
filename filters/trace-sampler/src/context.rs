//! The trace context with which a request comes, and the randomness with which it may have to go on.

use crate::{
    decision::Parent,
    traceparent::{Inbound, Traceparent},
    tracestate::Tracestate,
};

/// The trace context of a request.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The trace that it continues, if it does.
    pub inbound: Inbound,
    /// Whether the caller may decide and name the trace.
    pub trusted: bool,
    /// Every line of `tracestate`, joined with `,`.
    pub tracestate: Option<&'a [u8]>,
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

impl Parent {
    /// The parent that a `traceparent` and its list describe.
    pub(crate) fn new(traceparent: Traceparent, list: &Tracestate<'_>) -> Self {
        Self { traceparent, randomness: list.randomness(), threshold: list.threshold() }
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
    fn every_random_byte_is_used() {
        let mut entropy = [0; 24];
        for (value, byte) in (1..).zip(&mut entropy) {
            *byte = value;
        }
        assert_eq!(fresh_ids(entropy), (0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10, 0x1112_1314_1516_1718));
    }
}
