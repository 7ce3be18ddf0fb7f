//! The filter: asks the host for what the limiter reads, and does to the request what it decides.

use palisade_sdk::config::ConfigErrors;
use palisade_sdk::metrics::Family;
use palisade_sdk::{
    Counter, Exchange, ExchangeError, Filter, HeaderError, HostError, OnFailure, Phases, Plugin, Reply, Request,
    Response, labels, now, phases,
};

use crate::config::Config;
use crate::global::{Global, Rls};
use crate::headers::{self, Lines, Upstream, When};
use crate::limiter::{Limiter, NAME, Reason, Report, Ruling, Seen, Verdict};
use crate::reading::{Habit, Reading};
use crate::settlement::Settlement;
use crate::shared::{self, SharedShards};
use crate::store::Events;

/// The rate limit filter.
pub struct RateLimit {
    pub(crate) limiter: Limiter,
    pub(crate) shards: SharedShards,
    /// The service of each limit that has one.
    pub(crate) services: Vec<Option<Rls>>,
    habit: Habit,
    decisions: Family<Counter, 2>,
    seen: Vec<(Happened, Counter)>,
    events: Vec<(Count, Counter)>,
}

/// The `grpc-status` of a request that is refused because a service gives no answer.
const UNAVAILABLE: u8 = 14;

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

impl Filter for RateLimit {
    type Config = Config;

    const NAME: &'static str = NAME;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    #[cfg(not(feature = "global"))]
    const PHASES: Phases = phases![request_headers, response_headers, end];
    #[cfg(feature = "global")]
    const PHASES: Phases = phases![request_headers, response_headers, grpc_call, end];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        let seed = shared::seed(&plugin)?;
        let shards = SharedShards::new(plugin.clone(), config.storage.shards)?;
        Ok(Self {
            services: config.limits.iter().map(|limit| Rls::of(limit, &plugin)).collect(),
            limiter: Limiter::new(config, seed),
            shards,
            habit: Habit::default(),
            decisions: plugin.counters("decisions", labels!["limit", "verdict"]),
            seen: SEEN.iter().map(|(seen, name)| (*seen, plugin.counter(name))).collect(),
            events: EVENTS.iter().map(|(events, name)| (*events, plugin.counter(name))).collect(),
        })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let mut request = exchange.request().await;
        let mut settlement = Settlement::new(self, request.handle().clone());
        #[cfg_attr(not(feature = "global"), expect(unused_mut, reason = "services add to it"))]
        let mut global = Global::default();
        let reading = Reading::new(&request, &self.habit);
        #[cfg_attr(not(feature = "global"), expect(unused_mut, reason = "services add to it"))]
        let mut ruling = self.limiter.decide(&reading.view(&self.limiter), &self.shards, nanoseconds)?;
        settlement.hold(&ruling.reports);
        #[cfg(feature = "global")]
        for limit in std::mem::take(&mut ruling.global) {
            if ruling.is_refused() {
                break;
            }
            if let Some((asking, call)) = self.question(limit, &reading, &mut ruling, &mut global)? {
                let answer = call.send().await;
                self.answered(&asking, answer, &reading, &mut ruling, &mut global)?;
            }
            if ruling.is_refused() {
                self.give_back(&mut ruling)?;
            }
        }
        drop(reading);
        let lines = self.conclude(&mut request, ruling, global, &mut settlement)?;
        if lines.is_empty() && settlement.is_empty() {
            return Ok(());
        }
        if lines.is_empty() && !settlement.reads_headers() {
            request.end().await;
        } else {
            let mut response = request.response().await;
            self.tell(&mut response, lines, &mut settlement);
            if settlement.is_empty() {
                return Ok(());
            }
            response.end().await;
        }
        settlement.finish()?;
        Ok(())
    }
}

impl RateLimit {
    /// Refuses what is refused; else says what the client is told on the response.
    fn conclude<'s>(
        &'s self,
        request: &mut Request<Self>,
        mut ruling: Ruling<'s>,
        mut global: Global,
        settlement: &mut Settlement<'s, Self>,
    ) -> Result<Lines, Reply> {
        self.count(&ruling);
        if ruling.is_refused() {
            return Err(self.refusal(request, &ruling, global)?);
        }
        settlement.owe(std::mem::take(&mut ruling.due));
        global.change_request(request);
        let mut lines = self.lines(&ruling);
        lines.append(&mut global.response_headers);
        Ok(lines)
    }

    fn count(&self, ruling: &Ruling<'_>) {
        for Report { limit, verdict, .. } in &ruling.reports {
            self.decisions.increment([&limit.name, verdict.name()]);
        }
        self.count_seen(ruling.seen);
    }

    pub(crate) fn count_seen(&self, seen: Seen) {
        for (happened, counter) in &self.seen {
            if happened(&seen) {
                counter.increment();
            }
        }
        let events = self.limiter.take_events();
        for (happened, counter) in &self.events {
            counter.add(happened(&events));
        }
    }

    /// What the client is told on a response, other than a refusal.
    fn lines(&self, ruling: &Ruling<'_>) -> Lines {
        let headers = &self.limiter.config().headers;
        let mut lines = match headers.when {
            When::Always => self.standings(ruling),
            When::Denied | When::Never => Lines::new(),
        };
        if headers.shadow && ruling.reports.iter().any(|report| matches!(report.verdict, Verdict::Shadow(_))) {
            lines.push((headers::SHADOW.into(), b"deny".to_vec()));
        }
        lines
    }

    fn standings(&self, ruling: &Ruling<'_>) -> Lines {
        let standings: Vec<_> = ruling.told().filter_map(Report::standing).collect();
        match ruling.telling().and_then(Report::standing) {
            Some(telling) => self.limiter.config().headers.lines(&standings, &telling),
            None => Lines::new(),
        }
    }

    /// The answer to a request that is refused.
    fn refusal(
        &self,
        request: &Request<Self>,
        ruling: &Ruling<'_>,
        mut global: Global,
    ) -> Result<Reply, ExchangeError> {
        let config = self.limiter.config();
        let Some(Report { verdict, decision, .. }) = ruling.telling() else {
            return Ok(Reply::new(config.deny.status, "palisade_rate_limit"));
        };
        // That a service gives no answer is not the client's fault.
        let is_unavailable = *verdict == Verdict::Refused(Reason::Unavailable);
        let (status, grpc_status) = match is_unavailable {
            true => (503, UNAVAILABLE),
            false => (config.deny.status, config.deny.grpc_status),
        };
        let mut lines = match config.headers.when {
            When::Never => Lines::new(),
            When::Always | When::Denied => self.standings(ruling),
        };
        let is_grpc = request.header("content-type")?.is_some_and(|value| value.starts_with(b"application/grpc"));
        if let Some(retry) = decision.retry {
            lines.push(("retry-after".into(), headers::retry_after(retry).to_string().into_bytes()));
        }
        if is_grpc {
            // A gRPC client reads -1 as "do not try again" (gRFC A6).
            let milliseconds = decision.retry.map_or("-1".to_owned(), |retry| retry.div_ceil(1_000_000).to_string());
            lines.push(("grpc-retry-pushback-ms".into(), milliseconds.into_bytes()));
        }
        lines.append(&mut global.response_headers);
        let mut body = global.body;
        if config.deny.problem && !is_grpc && !is_unavailable {
            lines.push(("content-type".into(), b"application/problem+json".to_vec()));
            body = headers::problem(config.deny.status, &ruling.violated()).into_bytes();
        }
        let mut reply = Reply::new(status, verdict.details()).grpc_status(grpc_status).body(body);
        for (name, value) in lines {
            // What a service sends is not the client's fault: a line that cannot be written is left out.
            if let Err(error) = reply.add_header(&name, value) {
                request.handle().report(&error);
            }
        }
        Ok(reply)
    }

    /// Tells the client about its limits on a response, and reads there what it costs. The request is done: what goes wrong
    /// now is reported, and the response goes on.
    fn tell(&self, response: &mut Response<Self>, lines: Lines, settlement: &mut Settlement<'_, Self>) {
        if let Err(error) = self.write(response, lines) {
            response.handle().report(&error);
        }
        settlement.read(response);
    }

    fn write(&self, response: &mut Response<Self>, lines: Lines) -> Result<(), ExchangeError> {
        let upstream = self.limiter.config().headers.upstream;
        let keeps = upstream == Upstream::KeepLower
            && match headers::remaining(&lines) {
                Some(ours) => {
                    headers::remaining_upstream(|name| response.joined(name))?.is_some_and(|theirs| theirs <= ours)
                }
                None => false,
            };
        for (name, value) in lines {
            let is_ours = headers::is_about_limits(&name);
            let written = match upstream {
                _ if keeps && is_ours && name != headers::SHADOW => Ok(()),
                Upstream::Overwrite | Upstream::KeepLower if is_ours => response.set_header(&name, value),
                _ => response.add_header(&name, value),
            };
            match written {
                Err(HeaderError::Host(error)) => return Err(error.into()),
                Err(error) => response.handle().report(&error),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// The host's clock, in nanoseconds since the Unix epoch.
pub(crate) fn nanoseconds() -> Result<u64, HostError> {
    Ok(u64::try_from(now()?.as_nanos()).unwrap_or(u64::MAX))
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

    /// The reason in the access log.
    fn details(self) -> &'static str {
        match self {
            Self::Admitted => "palisade_rate_limit",
            Self::Refused(reason) | Self::Shadow(reason) => match reason {
                Reason::Exhausted => "palisade_rate_limit_exhausted",
                Reason::NoKey => "palisade_rate_limit_no_key",
                Reason::Contended => "palisade_rate_limit_contended",
                Reason::Unavailable => "palisade_rate_limit_unavailable",
            },
        }
    }
}
