//! The five shipped configs side by side: what each lets the filter decide, about what the upstream is told and about
//! Envoy's own spans.

use palisade_testbed::{Request, Response};

use crate::mesh::VERSIONS;
use crate::trace::{Trace, traceparent};
use crate::traced::{Span, Traced};

/// Its last 14 digits are small, so that no probability of the shipped configs but 100 % samples it.
const TRACE_ID: &str = "4bf92f3577b34da6a300000000000001";
const PARENT_ID: &str = "00f067aa0ba902b7";

/// The trace with which a request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inbound {
    Absent,
    Unsampled,
    Sampled,
    Invalid,
}

/// Who asks, or for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    /// 100 %.
    Vip,
    /// 1 %.
    Free,
    /// Never.
    Health,
}

/// What becomes of a request.
struct Expected {
    /// What the upstream is told; `None` where it is left to a small probability.
    sampled: Option<bool>,
    /// Whether the caller's trace goes on.
    continues: bool,
    spans: Spans,
}

/// Which spans Envoy exports of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spans {
    /// None, whatever is decided.
    Never,
    /// One, which begins the trace, if the filter samples.
    RootIfSampled,
    /// One, below what the filter writes, if it samples.
    BelowIfSampled,
    /// One for the request and one for its attempt, whatever the filter decides.
    OfEnvoy,
}

/// No provider: the filter has the headers to itself.
fn propagate(inbound: Inbound, tier: Tier) -> Expected {
    let sampled = match (tier, inbound) {
        (Tier::Health, _) => Some(false),
        (Tier::Vip, _) | (Tier::Free, Inbound::Sampled) => Some(true),
        (Tier::Free, Inbound::Unsampled) => Some(false),
        (Tier::Free, Inbound::Absent | Inbound::Invalid) => None,
    };
    Expected { sampled, continues: inbound.is_valid(), spans: Spans::Never }
}

/// A provider at the edge, told by the filter: a client's trace counts for nothing.
fn edge(_: Inbound, tier: Tier) -> Expected {
    let sampled = match tier {
        Tier::Vip => Some(true),
        Tier::Free => None,
        Tier::Health => Some(false),
    };
    Expected { sampled, continues: false, spans: Spans::RootIfSampled }
}

/// A provider behind the filter: as without one, and Envoy's span follows.
fn two_passes(inbound: Inbound, tier: Tier) -> Expected {
    Expected { spans: Spans::BelowIfSampled, ..propagate(inbound, tier) }
}

/// A provider before the filter: Envoy's spans follow the caller, the upstream follows the filter.
fn upstream(inbound: Inbound, tier: Tier) -> Expected {
    let sampled = match (tier, inbound) {
        (Tier::Vip, _) => Some(true),
        (Tier::Free, Inbound::Absent | Inbound::Invalid) => None,
        (Tier::Free, Inbound::Unsampled | Inbound::Sampled) | (Tier::Health, _) => Some(false),
    };
    let spans = match inbound {
        Inbound::Absent | Inbound::Sampled => Spans::OfEnvoy,
        // Envoy makes no span below a parent that is not sampled, or that it cannot read.
        Inbound::Unsampled | Inbound::Invalid => Spans::Never,
    };
    Expected { sampled, continues: inbound.is_valid(), spans }
}

#[test]
fn without_a_provider_the_filter_decides_what_the_upstream_is_told() {
    observe("propagate", propagate);
}

#[test]
fn at_the_edge_envoys_span_and_the_upstream_follow_the_trace_reason() {
    observe("envoy-decision", edge);
}

#[test]
fn at_the_edge_envoys_span_and_the_upstream_follow_the_decision_header() {
    observe("thin-out", edge);
}

#[test]
fn in_a_second_pass_envoys_span_and_the_upstream_follow_the_filter_and_its_parent() {
    observe("two-passes", two_passes);
}

#[test]
fn in_the_cluster_the_upstream_follows_the_filter_and_envoys_spans_do_not() {
    observe("upstream", upstream);
}

/// Sends one request of each kind over each version of HTTP, one after another.
fn observe(config: &str, expected: fn(Inbound, Tier) -> Expected) {
    let traced = Traced::start(config, Ok);
    for (version, exchange) in VERSIONS {
        for inbound in [Inbound::Absent, Inbound::Unsampled, Inbound::Sampled, Inbound::Invalid] {
            for tier in [Tier::Vip, Tier::Free, Tier::Health] {
                let case = format!("{config}, {version}, {inbound:?}, {tier:?}");
                let expected = expected(inbound, tier);
                let count = |response: &Response| expected.spans.count(Trace::of(response).sampled());
                let (response, spans) = traced.observe(exchange, &request(inbound, tier), count);
                let trace = Trace::of(&response);
                expected.assert_told(&trace, &case);
                nothing_leaks(&response, &case);
                expected.spans.assert_exported(&spans, inbound, &trace, &case);
            }
        }
    }
}

fn request(inbound: Inbound, tier: Tier) -> Request {
    let request = match tier {
        Tier::Vip => Request::get("/orders").header("x-user-tier", "vip"),
        Tier::Free => Request::get("/orders"),
        Tier::Health => Request::get("/healthz").header("x-user-tier", "vip"),
    };
    // What a client says about the decision counts nowhere.
    let request = request.header("x-palisade-sampled", if tier == Tier::Vip { "0" } else { "1" });
    match inbound {
        Inbound::Absent => request,
        Inbound::Unsampled => request.header("traceparent", traceparent(TRACE_ID, "00")),
        Inbound::Sampled => request.header("traceparent", traceparent(TRACE_ID, "01")).header("tracestate", "foo=1"),
        Inbound::Invalid => request.header("traceparent", "garbage").header("tracestate", "foo=1"),
    }
}

/// The mark of the decision is between the filter and Envoy, where there is one; elsewhere it is any header.
fn nothing_leaks(response: &Response, case: &str) {
    let marks = response.echo().unwrap().header("x-palisade-sampled").len();
    assert_eq!(marks, usize::from(!case.starts_with("thin-out")), "{case}");
}

// === impl Inbound ===

impl Inbound {
    fn is_valid(self) -> bool {
        matches!(self, Self::Unsampled | Self::Sampled)
    }
}

// === impl Expected ===

impl Expected {
    fn assert_told(&self, trace: &Trace, case: &str) {
        if let Some(sampled) = self.sampled {
            assert_eq!(trace.sampled(), sampled, "{case}: {trace:?}");
        }
        assert_eq!(trace.trace_id == TRACE_ID, self.continues, "{case}: {trace:?}");
    }
}

// === impl Spans ===

impl Spans {
    fn count(self, sampled: bool) -> usize {
        match self {
            Self::Never => 0,
            Self::RootIfSampled | Self::BelowIfSampled => usize::from(sampled),
            Self::OfEnvoy => 2,
        }
    }

    /// Whether these spans stand where they should in the trace that the upstream was told.
    fn assert_exported(self, spans: &[Span], inbound: Inbound, told: &Trace, case: &str) {
        let case = format!("{case}: {told:?}, {spans:?}");
        assert!(spans.iter().all(|span| span.trace_id == told.trace_id), "{case}");
        match (self, spans) {
            (_, []) => {}
            (Self::RootIfSampled, [span]) => {
                assert_eq!((&*span.parent_id, &span.span_id), ("", &told.parent_id), "{case}");
            }
            (Self::BelowIfSampled, [span]) => {
                assert_eq!(span.span_id, told.parent_id, "{case}");
                // A parent that samples is kept; in all other cases the filter has written a new one.
                assert_eq!(span.parent_id == PARENT_ID, inbound == Inbound::Sampled, "{case}");
                assert_eq!(span.parent_id.len(), 16, "{case}");
            }
            (Self::OfEnvoy, [one, other]) => {
                let (request, attempt) = if one.parent_id == other.span_id { (other, one) } else { (one, other) };
                assert_eq!(attempt.parent_id, request.span_id, "{case}");
                let above = if inbound == Inbound::Sampled { PARENT_ID } else { "" };
                assert_eq!(request.parent_id, above, "{case}");
                // The upstream is below Envoy's span, unless the filter has decided otherwise.
                assert_eq!(told.parent_id == attempt.span_id, told.sampled(), "{case}");
            }
            _ => panic!("{case}"),
        }
    }
}
