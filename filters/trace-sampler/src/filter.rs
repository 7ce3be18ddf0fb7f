//! The filter: asks the host for what the sampler reads, and does to the request what it decides.

use std::borrow::Cow;
use std::cell::RefCell;

use palisade_sdk::config::ConfigErrors;
use palisade_sdk::exchange::Snapshot;
use palisade_sdk::matching::Field;
use palisade_sdk::{
    Counter, Exchange, Filter, HeaderError, HeaderMap, HostError, OnFailure, Phases, Plugin, Reply, Request, phases,
};

use crate::action::{Action, Change, Events};
use crate::config::Config;
use crate::context::Entropy;
use crate::decision::{Reason, Verdict};
use crate::entropy::EntropySupply;
use crate::sampler::{self, NAME, Sampler, Tier};

/// The trace sampler as a filter.
pub struct TraceSampler {
    sampler: Sampler,
    plugin: Plugin,
    entropy: EntropySupply,
    decisions: RefCell<Vec<(Decided, Counter)>>,
    events: [(Happened, Counter); EVENTS.len()],
}

/// Whether something happened on the way.
type Happened = fn(&Events) -> bool;

/// What may happen on the way, and the name of its counter.
const EVENTS: [(Happened, &str); 10] = [
    (|events| events.restarted, "restarts"),
    (|events| events.invalid_traceparent, "invalid"),
    (|events| events.untrusted_parent, "untrusted"),
    (|events| events.tracestate_dropped, "tracestate_dropped"),
    (|events| events.ot_too_long, "ot_too_long"),
    (|events| events.randomness_assumed, "randomness_assumed"),
    (|events| events.request_id_unusable, "request_id_unusable"),
    (|events| events.ambiguous_request, "ambiguous"),
    (|events| events.unknown_rule, "unknown_rule"),
    (|events| events.force_refused, "force_refused"),
];

/// The labels of a decision.
#[derive(PartialEq, Eq)]
struct Decided {
    tier: String,
    reason: Reason,
    sampled: bool,
}

impl Filter for TraceSampler {
    type Config = Config;

    const NAME: &'static str = NAME;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers];
    const ON_FAILURE: OnFailure = OnFailure::Pass;

    fn configure(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        let events = EVENTS.map(|(happened, name)| (happened, plugin.counter(name, &[])));
        Ok(Self {
            sampler: Sampler::new(config),
            plugin,
            entropy: EntropySupply::default(),
            decisions: RefCell::default(),
            events,
        })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let mut request = exchange.request().await;
        // The whole map costs the host about as much as the first single header.
        let snapshot = request.snapshot()?;
        let mut drawn = Ok(Entropy::default());
        let decision = self.sampler.decide(&snapshot, || {
            drawn = self.entropy.draw();
            drawn.unwrap_or_default()
        })?;
        drawn?;
        self.apply(&mut request, &snapshot.headers, &decision.outcome.action)?;
        self.count(decision.tier, decision.outcome.verdict, &decision.outcome.events);
        Ok(())
    }
}

impl TraceSampler {
    fn apply(&self, request: &mut Request<Self>, before: &HeaderMap, action: &Action) -> Result<(), HeaderError> {
        // In this order: should the host refuse the second, no trace carries the state of another.
        change(request, before, "tracestate", &action.tracestate)?;
        change(request, before, "traceparent", &action.traceparent)?;
        // Envoy reads both of these when it chooses the route anew, which a changed header makes it do.
        change(request, before, "x-request-id", &action.request_id)?;
        if action.force_trace {
            request.set_header("x-envoy-force-trace", "true")?;
        }
        match self.sampler.force_header() {
            Some(name) if action.strip_force_header => request.remove_header(name),
            _ => Ok(()),
        }
    }

    fn count(&self, tier: Tier<'_>, Verdict { reason, sampled, .. }: Verdict, events: &Events) {
        let tier = tier.name();
        let mut decisions = self.decisions.borrow_mut();
        let known = decisions
            .iter()
            .find(|(decided, _)| decided.reason == reason && decided.sampled == sampled && decided.tier == tier);
        match known {
            Some((_, counter)) => counter.increment(),
            None => {
                let labels =
                    [("tier", tier), ("reason", reason.name()), ("sampled", if sampled { "true" } else { "false" })];
                let counter = self.plugin.counter("decisions", &labels);
                counter.increment();
                decisions.push((Decided { tier: tier.to_owned(), reason, sampled }, counter));
            }
        }
        drop(decisions);
        for (happened, counter) in &self.events {
            if happened(events) {
                counter.increment();
            }
        }
    }
}

/// Changes a header. To add one costs the host less than to replace one that is not there.
fn change<V: AsRef<[u8]>>(
    request: &mut Request<TraceSampler>,
    before: &HeaderMap,
    name: &str,
    change: &Change<V>,
) -> Result<(), HeaderError> {
    let is_there = || before.field(name) != Field::Absent;
    match change {
        Change::Set(value) if is_there() => request.set_header(name, value),
        Change::Set(value) => request.add_header(name, value),
        Change::Remove if is_there() => request.remove_header(name),
        Change::Remove | Change::Keep => Ok(()),
    }
}

impl sampler::Request for Snapshot {
    fn joined(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, HostError> {
        Ok(self.headers.joined(name))
    }
}
