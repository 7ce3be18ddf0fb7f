//! Counts: the counters of what was decided, and of what happened on the way.

use palisade_sdk::metrics::Family;
use palisade_sdk::{Counter, Plugin, labels};

use crate::limiter::{Report, Ruling, Seen, Verdict};
use crate::store::Events;

/// The counters of one plugin.
pub(crate) struct Counts {
    decisions: Family<Counter, 2>,
    seen: Vec<(Happened, Counter)>,
    events: Vec<(Count, Counter)>,
}

/// Whether something happened on the way to a ruling.
type Happened = fn(&Seen) -> bool;

/// How often something happened in the store.
type Count = fn(&Events) -> u32;

/// What may happen on the way to a ruling, and the name of its counter.
const SEEN: [(Happened, &str); 6] = [
    (|seen| seen.exempt, "exempt"),
    (|seen| seen.ambiguous, "ambiguous"),
    (|seen| seen.unknown_rule, "unknown_rule"),
    (|seen| seen.missing_key, "missing_key"),
    (|seen| seen.invalid_cost, "invalid_cost"),
    (|seen| seen.contended, "contended"),
];

/// What may happen in the store, and the name of its counter.
const EVENTS: [(Count, &str); 3] = [
    (|events| events.full, "table_full"),
    (|events| events.retried, "retries"),
    (|events| events.lost, "refunds_lost"),
];

// === impl Counts ===

impl Counts {
    /// The counters of a plugin, all of which are at zero.
    pub(crate) fn new(plugin: &Plugin) -> Self {
        Self {
            decisions: plugin.counters("decisions", labels!["limit", "verdict"]),
            seen: SEEN.iter().map(|(seen, name)| (*seen, plugin.counter(name))).collect(),
            events: EVENTS.iter().map(|(events, name)| (*events, plugin.counter(name))).collect(),
        }
    }

    /// Counts what is ruled, and what happened in the store.
    pub(crate) fn ruling(&self, ruling: &Ruling<'_>, events: Events) {
        for Report { limit, verdict, .. } in &ruling.reports {
            self.decisions.increment([&limit.name, verdict.name()]);
        }
        self.happened(ruling.seen, events);
    }

    /// Counts what happened on the way to a ruling or to its settlement, and in the store.
    pub(crate) fn happened(&self, seen: Seen, events: Events) {
        for (happened, counter) in &self.seen {
            if happened(&seen) {
                counter.increment();
            }
        }
        for (happened, counter) in &self.events {
            counter.add(happened(&events));
        }
    }
}

// === impl Verdict ===

impl Verdict {
    /// The name in metrics.
    fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Refused(_) => "refused",
            Self::Shadow(_) => "shadow_refused",
        }
    }
}
