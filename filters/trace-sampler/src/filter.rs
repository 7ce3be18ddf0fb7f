//! The filter: asks the host for what the sampler reads, and does to the request what it decides.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};

use palisade_sdk::config::ConfigErrors;
use palisade_sdk::matching::{Attributes, Field};
use palisade_sdk::{
    Counter, Exchange, ExchangeError, Filter, HeaderMap, OnFailure, Phases, Plugin, Reply, Request, phases, random,
};

use crate::action::{Action, Change, Events};
use crate::config::Config;
use crate::context::Entropy;
use crate::decision::{Reason, Verdict};
use crate::sampler::{self, NAME, Sampler, Tier};

/// The trace sampler as a filter.
pub struct TraceSampler {
    sampler: Sampler,
    plugin: Plugin,
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
        Ok(Self { sampler: Sampler::new(config), plugin, decisions: RefCell::default(), events })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let mut request = exchange.request().await;
        let headers = Headers::of(&request);
        if self.sampler.always_reads_rules() {
            headers.all()?;
        }
        let mut random = Ok(());
        let decision = self.sampler.decide(&headers, || {
            let mut entropy = Entropy::default();
            random = random::fill(&mut entropy);
            entropy
        })?;
        random?;
        self.apply(&mut request, &decision.outcome.action)?;
        self.count(decision.tier, decision.outcome.verdict, &decision.outcome.events);
        Ok(())
    }
}

impl TraceSampler {
    fn apply(&self, request: &mut Request<Self>, action: &Action) -> Result<(), ExchangeError> {
        // In this order: should the host refuse the second, no trace carries the state of another.
        set(request, "tracestate", &action.tracestate)?;
        set(request, "traceparent", &action.traceparent)?;
        // Envoy reads both of these when it chooses the route anew, which a changed header makes it do.
        set(request, "x-request-id", &action.request_id)?;
        if action.force_trace {
            request.set_header("x-envoy-force-trace", "true")?;
        }
        match self.sampler.force_header() {
            Some(name) if action.strip_force_header => Ok(request.remove_header(name)?),
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

fn set<V: AsRef<[u8]>>(
    request: &mut Request<TraceSampler>,
    name: &str,
    change: &Change<V>,
) -> Result<(), ExchangeError> {
    match change {
        Change::Keep => Ok(()),
        Change::Set(value) => Ok(request.set_header(name, value)?),
        Change::Remove => Ok(request.remove_header(name)?),
    }
}

/// The headers of a request: single ones as they are asked for, or the whole map, which costs as much as two of them.
struct Headers<'a> {
    request: &'a Request<TraceSampler>,
    all: OnceCell<HeaderMap>,
}

impl<'a> Headers<'a> {
    fn of(request: &'a Request<TraceSampler>) -> Self {
        Self { request, all: OnceCell::new() }
    }

    fn all(&self) -> Result<&HeaderMap, ExchangeError> {
        match self.all.get() {
            Some(all) => Ok(all),
            None => {
                let all = self.request.headers()?;
                Ok(self.all.get_or_init(|| all))
            }
        }
    }
}

impl Attributes for Headers<'_> {
    type Error = ExchangeError;

    fn header(&self, name: &str) -> Result<Field<Cow<'_, [u8]>>, ExchangeError> {
        Ok(self.all()?.field(name).map(Cow::Borrowed))
    }

    fn property(&self, path: &[&str]) -> Result<Option<Cow<'_, [u8]>>, ExchangeError> {
        Ok(self.request.handle().property(path)?.map(Cow::Owned))
    }
}

impl sampler::Request for Headers<'_> {
    fn joined(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, ExchangeError> {
        match self.all.get() {
            Some(all) => Ok(all.joined(name)),
            None => Ok(self.request.joined(name)?.map(Cow::Owned)),
        }
    }
}
