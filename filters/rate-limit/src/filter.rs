//! The filter: asks the host for what the limiter reads, and does to the request what it decides.

use palisade_sdk::config::ConfigErrors;
use palisade_sdk::{
    Exchange, ExchangeError, Filter, Handle, HeaderError, OnFailure, Phases, Plugin, Reply, Request, Response, phases,
};

use crate::config::{Config, LocalConfig};
use crate::counts::Counts;
use crate::headers::{self, Lines, Upstream, When};
use crate::limiter::{Limiter, NAME, Reason, Report, Ruling, Verdict};
use crate::reading::{Habit, Reading};
use crate::settlement::Settlement;
use crate::shared::{self, SharedShards};

/// The rate limit filter.
pub struct RateLimit {
    pub(crate) limiter: Limiter,
    pub(crate) shards: SharedShards,
    habit: Habit,
    counts: Counts,
}

/// What stands in an answer beside what the limits say.
#[derive(Default)]
pub(crate) struct Addition {
    pub(crate) headers: Lines,
    /// The body of a refusal.
    pub(crate) body: Vec<u8>,
}

/// The `grpc-status` of a request that is refused because a service gives no answer.
const UNAVAILABLE: u8 = 14;

impl Filter for RateLimit {
    type Config = LocalConfig;

    const NAME: &'static str = NAME;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers, response_headers, end];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(LocalConfig(config): LocalConfig, plugin: Plugin) -> Result<Self, ConfigErrors> {
        Self::new(config, plugin)
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let request = exchange.request().await;
        let mut settlement = self.settlement(request.handle());
        let ruling = self.decide(&self.read(&request), &mut settlement)?;
        self.conclude(request, ruling, Addition::default(), settlement).await
    }
}

impl RateLimit {
    /// The filter of one configuration.
    ///
    /// # Errors
    ///
    /// When the host refuses what the workers share.
    pub(crate) fn new(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        let seed = shared::seed(&plugin)?;
        Ok(Self {
            counts: Counts::new(&plugin),
            shards: SharedShards::new(plugin, config.storage.shards)?,
            limiter: Limiter::new(config, seed),
            habit: Habit::default(),
        })
    }

    /// The request, to be read.
    pub(crate) fn read<'r, F: Filter>(&'r self, request: &'r Request<F>) -> Reading<'r, F> {
        Reading::new(request, &self.habit)
    }

    /// What a request will owe and hold: nothing so far.
    pub(crate) fn settlement<F: Filter>(&self, handle: &Handle<F>) -> Settlement<'_, F> {
        Settlement::new(&self.limiter, &self.shards, &self.counts, handle.clone())
    }

    /// Decides about a request by all limits that ask no service.
    pub(crate) fn decide<'s, F: Filter>(
        &'s self,
        reading: &Reading<'_, F>,
        settlement: &mut Settlement<'s, F>,
    ) -> Result<Ruling<'s>, ExchangeError> {
        let ruling = self.limiter.decide(&reading.view(&self.limiter), &self.shards)?;
        settlement.hold(&ruling.reports);
        Ok(ruling)
    }

    /// Does what is ruled, and settles it when the request is over.
    pub(crate) async fn conclude<'s, F: Filter>(
        &'s self,
        request: Request<F>,
        ruling: Ruling<'s>,
        addition: Addition,
        mut settlement: Settlement<'s, F>,
    ) -> Result<(), Reply> {
        let lines = self.rule(&request, ruling, addition, &mut settlement)?;
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

    /// Refuses what is refused; else says what the client is told on the response.
    fn rule<'s, F: Filter>(
        &'s self,
        request: &Request<F>,
        mut ruling: Ruling<'s>,
        mut addition: Addition,
        settlement: &mut Settlement<'s, F>,
    ) -> Result<Lines, Reply> {
        self.counts.ruling(&ruling, self.limiter.take_events());
        if ruling.is_refused() {
            return Err(self.refusal(request, &ruling, addition)?);
        }
        settlement.owe(std::mem::take(&mut ruling.due));
        let mut lines = self.lines(&ruling);
        lines.append(&mut addition.headers);
        Ok(lines)
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
    fn refusal<F: Filter>(
        &self,
        request: &Request<F>,
        ruling: &Ruling<'_>,
        addition: Addition,
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
        let Addition { mut headers, mut body } = addition;
        lines.append(&mut headers);
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
    fn tell<F: Filter>(&self, response: &mut Response<F>, lines: Lines, settlement: &mut Settlement<'_, F>) {
        if let Err(error) = self.write(response, lines) {
            response.handle().report(&error);
        }
        settlement.read(response);
    }

    fn write<F: Filter>(&self, response: &mut Response<F>, lines: Lines) -> Result<(), ExchangeError> {
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

// === impl Verdict ===

impl Verdict {
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
