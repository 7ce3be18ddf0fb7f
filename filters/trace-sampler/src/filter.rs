//! The filter: asks the host for what the sampler reads, and does to the request what it decides.

use std::borrow::Cow;

use palisade_sdk::config::ConfigErrors;
use palisade_sdk::exchange::Snapshot;
use palisade_sdk::matching::Field;
use palisade_sdk::metrics::Family;
use palisade_sdk::{
    Counter, Exchange, Filter, HeaderError, HeaderMap, HostError, OnFailure, Phases, Plugin, Reply, Request, SharedKey,
    labels, phases,
};

use crate::action::{Action, Change, Events};
use crate::config::Config;
use crate::context::{Entropy, dated};
use crate::decision::{Reason, Verdict};
use crate::entropy::EntropySupply;
use crate::sampler::{self, Decision, NAME, Sampler, Tier};
use crate::shared_window::{SharedWindow, WINDOW};

/// The trace sampler as a filter.
pub struct TraceSampler {
    sampler: Sampler,
    entropy: EntropySupply,
    window: SharedKey,
    decisions: Family<Counter, 3>,
    cap_dropped: Family<Counter, 1>,
    events: [(Happened, Counter); EVENTS.len()],
}

/// Whether something happened on the way.
type Happened = fn(&Events) -> bool;

/// What may happen on the way, and the name of its counter.
const EVENTS: [(Happened, &str); 11] = [
    (|events| events.restarted, "restarts"),
    (|events| events.invalid_context, "invalid"),
    (|events| events.contradicting, "contradicting"),
    (|events| events.untrusted_parent, "untrusted"),
    (|events| events.tracestate_dropped, "tracestate_dropped"),
    (|events| events.ot_too_long, "ot_too_long"),
    (|events| events.randomness_assumed, "randomness_assumed"),
    (|events| events.request_id_unusable, "request_id_unusable"),
    (|events| events.ambiguous_request, "ambiguous"),
    (|events| events.unknown_rule, "unknown_rule"),
    (|events| events.force_refused, "force_refused"),
];

impl Filter for TraceSampler {
    type Config = Config;

    const NAME: &'static str = NAME;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers];
    const ON_FAILURE: OnFailure = OnFailure::Pass;

    fn configure(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        let events = EVENTS.map(|(happened, name)| (happened, plugin.counter(name)));
        Ok(Self {
            sampler: Sampler::new(config),
            entropy: EntropySupply::default(),
            window: plugin.shared(WINDOW),
            decisions: plugin.counters("decisions", labels!["tier", "reason", "sampled"]),
            cap_dropped: plugin.counters("cap_dropped", labels!["tier"]),
            events,
        })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        self.sample(&mut exchange.request().await)?;
        Ok(())
    }
}

impl TraceSampler {
    /// Decides about a request, and does to it what is decided.
    pub(crate) fn sample<F: Filter>(&self, request: &mut Request<F>) -> Result<(Snapshot, Decision<'_>), Reply> {
        // The whole map costs the host about as much as the first single header.
        let snapshot = request.snapshot()?;
        let mut drawn = Ok(Entropy::default());
        let process = SharedWindow { key: &self.window, handle: request.handle() };
        let decision = self.sampler.decide(&snapshot, &process, || {
            drawn = self.draw();
            drawn.unwrap_or_default()
        })?;
        drawn?;
        self.apply(request, &snapshot.headers, &decision.outcome.action)?;
        self.count(decision.tier, decision.outcome.verdict, &decision.outcome.events);
        Ok((snapshot, decision))
    }

    fn draw(&self) -> Result<Entropy, HostError> {
        let entropy = self.entropy.draw()?;
        Ok(if self.sampler.dates_traces() { dated(entropy, palisade_sdk::now()?) } else { entropy })
    }

    fn apply<F: Filter>(
        &self,
        request: &mut Request<F>,
        before: &HeaderMap,
        action: &Action,
    ) -> Result<(), HeaderError> {
        if let Some(name) = self.sampler.force_header().filter(|_| action.strip_force_header) {
            request.remove_header(name)?;
        }
        // In this order: should the host refuse the second, no trace carries the state of another.
        change(request, before, "tracestate", &action.tracestate)?;
        change(request, before, "traceparent", &action.traceparent)?;
        for (name, value) in &action.others {
            change(request, before, name, value)?;
        }
        // Envoy reads these when it chooses the route anew, which a changed header makes it do.
        change(request, before, "x-request-id", &action.request_id)?;
        change(request, before, "x-palisade-sampled", &action.decision_header)?;
        if action.force_trace {
            request.set_header("x-envoy-force-trace", "true")?;
        }
        Ok(())
    }

    fn count(&self, tier: Tier<'_>, Verdict { reason, sampled, .. }: Verdict, events: &Events) {
        self.decisions.increment([tier.name(), reason.name(), if sampled { "true" } else { "false" }]);
        if reason == Reason::Cap {
            self.cap_dropped.increment([tier.name()]);
        }
        for (happened, counter) in &self.events {
            if happened(events) {
                counter.increment();
            }
        }
    }
}

/// Changes a header. To add one costs the host less than to replace one that is not there.
fn change<F: Filter, V: AsRef<[u8]>>(
    request: &mut Request<F>,
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
