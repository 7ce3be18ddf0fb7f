//! Writing: where the filter stands to Envoy's tracer, and which of the two writes the trace context how.

use palisade_sdk::config::{FromConfig, FromFields, Node, Object};

use crate::{
    decision::{ParentPolicy, UnknownRandomness},
    envoy_decision::Signal,
    formats::Formats,
    probability::Precision,
    propagation::{ParentIdPolicy, Propagation},
};

// Why a field is refused in a mode.
const NO_TRACER: &str = "without effect but in the mode \"envoy_decision\"; leave it out";
const TRACER_WRITES: &str =
    "without effect in the mode \"envoy_decision\", where Envoy's tracer writes the headers; leave it out";
pub(super) const RETRIES: &str =
    "not in the mode \"upstream\", where a retry is decided by the trace that the first attempt carried; leave it out";
const NO_W3C: &str = "without effect where \"propagators\" has no \"w3c\"; leave it out";
const NO_IDS: &str = "in the mode \"upstream\" a retry is decided by the id in traceparent; add \"w3c\"";

/// Who writes the trace context: the filter, wherever it stands, or Envoy's tracer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    Propagate(Propagation),
    EnvoyDecision(Signal),
}

/// The fields of the config that say who writes the trace context, and how.
pub(super) struct Writing {
    pub(super) mode: Mode,
    pub(super) formats: Formats,
    pub(super) on_unknown_randomness: UnknownRandomness,
    pub(super) precision: Precision,
}

/// Where the filter stands to Envoy's tracer: the field `mode`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// There is none that writes headers behind it.
    #[default]
    Alone,
    /// Before it.
    Before,
    /// Behind it, in a cluster. Each attempt passes, and must be decided like the one before.
    Behind,
}

/// The field `tracestate`.
pub(super) struct Tracestate {
    ot: bool,
    precision: Precision,
}

// === impl Writing ===

impl Writing {
    pub(super) fn read(object: &mut Object<'_>, place: Option<Place>) -> Option<Self> {
        let signal = object.optional("envoy_signal");
        let on_unknown_randomness = object.optional_with("on_unknown_randomness", |node| {
            node.one_of(&[("assume", UnknownRandomness::Assume), ("erase_th", UnknownRandomness::EraseThreshold)])
        });
        let formats = object.optional("propagators");
        let parent_id = object.optional("parent_id");
        let emit_unsampled_roots = object.optional("emit_unsampled_roots");
        let tracestate = object.optional::<Tracestate>("tracestate");

        let (signal, formats, parent_id, emit_unsampled_roots, tracestate) =
            (signal?, formats?, parent_id?, emit_unsampled_roots?, tracestate?);
        let place = place?;
        let is_before = place == Place::Before;
        let knows_w3c = formats.as_ref().is_none_or(|formats: &Formats| formats.w3c_rank.is_some());
        let misplaced = [
            ("envoy_signal", signal.is_some() && !is_before, NO_TRACER),
            ("propagators", formats.is_some() && is_before, TRACER_WRITES),
            ("propagators", place == Place::Behind && !knows_w3c, NO_IDS),
            ("parent_id", parent_id.is_some() && is_before, TRACER_WRITES),
            ("parent_id", parent_id.is_some() && !knows_w3c, NO_W3C),
            ("emit_unsampled_roots", emit_unsampled_roots.is_some() && is_before, TRACER_WRITES),
            ("emit_unsampled_roots", emit_unsampled_roots.is_some() && place == Place::Behind, RETRIES),
            ("tracestate", tracestate.is_some() && is_before, TRACER_WRITES),
        ];
        for (field, _, why) in misplaced.iter().filter(|(_, is_misplaced, _)| *is_misplaced) {
            object.error_at::<()>(field, why);
        }
        if misplaced.iter().any(|(_, is_misplaced, _)| *is_misplaced) {
            return None;
        }

        let on_unknown_randomness = on_unknown_randomness?.unwrap_or_default();
        let Tracestate { ot, precision } = tracestate.unwrap_or_default();
        let mode = if is_before {
            Mode::EnvoyDecision(signal.unwrap_or_default())
        } else {
            Mode::Propagate(Propagation {
                parent_id: parent_id.unwrap_or_default(),
                emit_unsampled_roots: emit_unsampled_roots.unwrap_or(true),
                write_threshold: ot,
                on_unknown_randomness,
            })
        };
        Some(Self { mode, formats: formats.unwrap_or_default(), on_unknown_randomness, precision })
    }
}

// === impl Place ===

impl Place {
    /// The policy where the config names none. Behind Envoy's tracer every request has a parent, which is Envoy's span:
    /// to respect it would be to decide nothing.
    pub(super) fn parent_policy(self) -> ParentPolicy {
        match self {
            Self::Alone | Self::Before => ParentPolicy::Respect,
            Self::Behind => ParentPolicy::Ignore,
        }
    }
}

impl FromConfig for Place {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.one_of(&[("propagate", Self::Alone), ("envoy_decision", Self::Before), ("upstream", Self::Behind)])
    }
}

// === impl ParentIdPolicy ===

impl FromConfig for ParentIdPolicy {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.one_of(&[("on_change", Self::OnChange), ("always", Self::Always), ("preserve", Self::Preserve)])
    }
}

// === impl Signal ===

impl FromConfig for Signal {
    fn from_config(node: Node<'_>) -> Option<Self> {
        node.one_of(&[
            ("request_id", Self::RequestId),
            ("force_trace_header", Self::ForceTraceHeader),
            ("decision_header", Self::DecisionHeader),
        ])
    }
}

// === impl Tracestate ===

impl FromFields for Tracestate {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let ot = object.optional("ot");
        let precision = object.optional_with("precision", |node| {
            node.integer(1..=14).and_then(|digits| Precision::new(u8::try_from(digits).ok()?))
        });
        Some(Self { ot: ot?.unwrap_or(true), precision: precision?.unwrap_or(Precision::RECOMMENDED) })
    }
}

impl Default for Tracestate {
    fn default() -> Self {
        Self { ot: true, precision: Precision::RECOMMENDED }
    }
}
