//! The filter: asks the host for what the limiter reads, and does to the request what it decides.

use palisade_sdk::config::ConfigErrors;
use palisade_sdk::matching::RequestView;
use palisade_sdk::metrics::Family;
use palisade_sdk::{
    Counter, Exchange, ExchangeError, Filter, HostError, OnFailure, Phases, Plugin, Reply, Request, Response, labels,
    now, phases,
};

use crate::config::Config;
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
    habit: Habit,
    decisions: Family<Counter, 2>,
    seen: [(fn(&Seen) -> bool, Counter); SEEN.len()],
    events: [(fn(&Events) -> u32, Counter); EVENTS.len()],
}

/// What may happen on the way to a ruling, and the name of its counter.
const SEEN: [(fn(&Seen) -> bool, &str); 6] = [
    (|seen| seen.exempt, "exempt"),
    (|seen| seen.ambiguous, "ambiguous"),
    (|seen| seen.unknown_rule, "unknown_rule"),
    (|seen| seen.missing_key, "missing_key"),
    (|seen| seen.invalid_cost, "invalid_cost"),
    (|seen| seen.contended, "contended"),
];

/// What may happen in the store, and the name of its counter.
const EVENTS: [(fn(&Events) -> u32, &str); 3] = [
    (|events| events.full, "table_full"),
    (|events| events.retried, "retries"),
    (|events| events.lost, "refunds_lost"),
];

impl Filter for RateLimit {
    type Config = Config;

    const NAME: &'static str = NAME;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers, response_headers, end];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        let seed = shared::seed(&plugin)?;
        let shards = SharedShards::new(plugin.clone(), config.storage.shards)?;
        Ok(Self {
            limiter: Limiter::new(config, seed),
            shards,
            habit: Habit::default(),
            decisions: plugin.counters("decisions", labels!["limit", "verdict"]),
            seen: SEEN.map(|(seen, name)| (seen, plugin.counter(name))),
            events: EVENTS.map(|(events, name)| (events, plugin.counter(name))),
        })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let request = exchange.request().await;
        let mut ruling = self.rule(&request)?;
        if ruling.is_refused() {
            return Err(self.refusal(&request, &ruling)?);
        }
        let lines = self.lines(&ruling);
        let mut settlement = Settlement::new(self, request.handle().clone(), &mut ruling);
        drop(ruling);
        if lines.is_empty() && settlement.is_empty() {
            return Ok(());
        }
        if lines.is_empty() && !settlement.reads_headers() {
            request.end().await;
        } else {
            let mut response = request.response().await;
            // The request is done: what goes wrong now is reported, and the response goes on.
            let told = self.tell(&mut response, lines).and_then(|()| settlement.read(&response));
            if let Err(error) = told {
                response.handle().report(&error);
            }
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
    /// What the limits say about a request; what they allow is taken.
    fn rule(&self, request: &Request<Self>) -> Result<Ruling<'_>, ExchangeError> {
        let reading = Reading::new(request, &self.habit);
        let view = RequestView::new(&reading, &self.limiter.config().client_ip);
        let ruling = self.limiter.decide(&view, &self.shards, nanoseconds)?;
        for Report { limit, verdict, .. } in &ruling.reports {
            self.decisions.increment([&limit.name, verdict.name()]);
        }
        self.count_seen(ruling.seen);
        Ok(ruling)
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
        let mut lines = match ruling.telling() {
            Some(telling) if headers.when == When::Always => {
                let standings: Vec<_> = ruling.told().map(Report::standing).collect();
                headers.lines(&standings, &telling.standing())
            }
            _ => Lines::new(),
        };
        if headers.shadow && ruling.reports.iter().any(|report| matches!(report.verdict, Verdict::Shadow(_))) {
            lines.push(("x-ratelimit-shadow", "deny".to_owned()));
        }
        lines
    }

    /// The answer to a request that is refused.
    fn refusal(&self, request: &Request<Self>, ruling: &Ruling<'_>) -> Result<Reply, ExchangeError> {
        let config = self.limiter.config();
        let Some(telling) = ruling.telling() else {
            return Ok(Reply::new(config.deny.status, "palisade_rate_limit"));
        };
        let mut reply = Reply::new(config.deny.status, telling.verdict.details()).grpc_status(config.deny.grpc_status);
        if config.headers.when != When::Never {
            let standings: Vec<_> = ruling.told().map(Report::standing).collect();
            for (name, value) in config.headers.lines(&standings, &telling.standing()) {
                reply = reply.header(name, value)?;
            }
        }
        let is_grpc = request.header("content-type")?.is_some_and(|value| value.starts_with(b"application/grpc"));
        match telling.decision.retry {
            Some(retry) => {
                reply = reply.header("retry-after", headers::retry_after(retry).to_string())?;
                if is_grpc {
                    let milliseconds = retry.div_ceil(1_000_000);
                    reply = reply.header("grpc-retry-pushback-ms", milliseconds.to_string())?;
                }
            }
            // What a gRPC client reads as "do not try again".
            None if is_grpc => reply = reply.header("grpc-retry-pushback-ms", "-1")?,
            None => {}
        }
        if config.deny.problem && !is_grpc {
            let violated: Vec<_> = ruling
                .reports
                .iter()
                .filter(|report| matches!(report.verdict, Verdict::Refused(_)))
                .map(|report| report.limit.name.as_str())
                .collect();
            let body = headers::problem(config.deny.status, &violated);
            reply = reply.header("content-type", "application/problem+json")?.body(body);
        }
        Ok(reply)
    }

    /// Tells the client about its limits on a response.
    fn tell(&self, response: &mut Response<Self>, lines: Lines) -> Result<(), ExchangeError> {
        let upstream = self.limiter.config().headers.upstream;
        if upstream == Upstream::KeepLower
            && let Some(ours) = headers::remaining(&lines)
            && headers::remaining_upstream(|name| response.joined(name))?.is_some_and(|theirs| theirs <= ours)
        {
            return Ok(());
        }
        for (name, value) in lines {
            match upstream {
                Upstream::Append => response.add_header(name, value)?,
                Upstream::Overwrite | Upstream::KeepLower => response.set_header(name, value)?,
            }
        }
        Ok(())
    }
}

fn nanoseconds() -> Result<u64, HostError> {
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
            },
        }
    }
}
