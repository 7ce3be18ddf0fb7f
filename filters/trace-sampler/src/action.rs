//! What is to be done to a request once its trace is decided.

use crate::{decision::Verdict, traceparent};

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The decision.
    pub verdict: Verdict,
    /// What is to be done to the request.
    pub action: Action,
    /// What happened on the way.
    pub events: Events,
}

/// Everything that the decision changes in the request, and nothing that it leaves as it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// The `traceparent` header.
    pub traceparent: Change<[u8; traceparent::LENGTH]>,
    /// The `tracestate` header: setting it replaces every line of it.
    pub tracestate: Change<Vec<u8>>,
    /// The headers of other formats.
    pub others: Vec<HeaderChange>,
    /// The `x-request-id` header, which tells Envoy whether to trace. The route has to be decided anew for
    /// Envoy to read it: clear the route cache.
    pub request_id: Change<Vec<u8>>,
    /// Set `x-envoy-force-trace: true`, and clear the route cache.
    pub force_trace: bool,
    /// The header `x-palisade-sampled`, on which a route may match.
    pub decision_header: Change<&'static str>,
    /// Remove the force header: its value is not to be trusted.
    pub strip_force_header: bool,
}

/// What becomes of a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// Leave it alone. Writing the same value again would make Envoy choose the route anew, for nothing.
    #[default]
    Keep,
    /// Give it this value, whether it was there or not.
    Set(T),
    /// Take it away.
    Remove,
}

/// What becomes of a header with this name.
pub type HeaderChange = (&'static str, Change<Vec<u8>>);

/// What happened on the way, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// A trace context was malformed or there was more than one.
    pub invalid_context: bool,
    /// Two formats told different decisions.
    pub contradicting: bool,
    /// A parent was not trusted.
    pub untrusted_parent: bool,
    /// A trace began anew in place of one that could not be continued or trusted.
    pub restarted: bool,
    /// A `tracestate` was discarded: malformed, too long a list, or without a trace to belong to.
    pub tracestate_dropped: bool,
    /// The `ot` member would have exceeded 256 characters, so that the threshold was not written.
    pub ot_too_long: bool,
    /// A trace id was taken for random although nothing says so.
    pub randomness_assumed: bool,
    /// The `x-request-id` is missing or no UUID, so that Envoy cannot be told.
    pub request_id_unusable: bool,
    /// A rule was passed over because a header that it reads came more than once.
    pub ambiguous_request: bool,
    /// The route names a rule that does not exist.
    pub unknown_rule: bool,
    /// The force header's value was not one of the accepted tokens.
    pub force_refused: bool,
}
