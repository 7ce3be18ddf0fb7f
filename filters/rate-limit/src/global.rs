//! The rate limit filter that also asks rate limit services: about requests that the local limits admit.

use palisade_sdk::config::ConfigErrors;
use palisade_sdk::{
    Exchange, ExchangeError, Filter, GrpcAnswer, GrpcCall, GrpcError, Handle, OnFailure, Phases, Plugin, Reply,
    Request, phases,
};

use crate::config::{Config, FailureMode, Limit};
use crate::decision::Decision;
use crate::filter::{Addition, RateLimit};
use crate::limiter::{Held, Reason, Report, Ruling, Verdict};
use crate::reading::Reading;
use crate::rls::{self, Answer, Asked, Question, Rls, RlsConfig};
use crate::store::Shards as _;

/// The rate limit filter that asks services.
pub struct GlobalRateLimit {
    local: RateLimit,
    /// The service of each limit that has one.
    services: Vec<Option<Rls>>,
}

/// A service that gives no answer may give one soon.
const RETRY: u64 = 1_000_000_000;

/// What services add to the messages.
#[derive(Default)]
struct Global {
    request_headers: Vec<(String, Vec<u8>)>,
    answer: Addition,
}

/// What a service is being asked.
struct Asking<'s> {
    limit: &'s Limit,
    service: &'s Rls,
    config: &'s RlsConfig,
    question: Question,
    enforced: bool,
}

impl Filter for GlobalRateLimit {
    type Config = Config;

    const NAME: &'static str = RateLimit::NAME;
    const VERSION: &'static str = RateLimit::VERSION;
    const PHASES: Phases = phases![request_headers, response_headers, grpc_call, end];
    const ON_FAILURE: OnFailure = RateLimit::ON_FAILURE;

    fn configure(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        let services = config.limits.iter().map(|limit| Rls::of(limit, &plugin)).collect();
        Ok(Self { services, local: RateLimit::new(config, plugin)? })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let mut request = exchange.request().await;
        let mut settlement = self.local.settlement(request.handle());
        let mut global = Global::default();
        let reading = self.local.read(&request);
        let mut ruling = self.local.decide(&reading, &mut settlement)?;
        for limit in std::mem::take(&mut ruling.global) {
            if ruling.is_refused() {
                break;
            }
            let asked = match self.question(limit, &reading, &mut ruling, &mut global) {
                Ok(Some((asking, call))) => {
                    let answer = call.send().await;
                    self.answered(&asking, answer, &reading, &mut ruling, &mut global)
                }
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if asked.is_err() || ruling.is_refused() {
                self.give_back(&mut ruling, reading.handle());
            }
            asked?;
        }
        drop(reading);
        let Global { request_headers, answer } = global;
        if !ruling.is_refused() {
            change(&mut request, request_headers);
        }
        self.local.conclude(request, ruling, answer, settlement).await
    }
}

impl GlobalRateLimit {
    /// The question for the service of a limit, and the call that asks it; `None` where the answer is known without.
    fn question<'s>(
        &'s self,
        (number, limit): (usize, &'s Limit),
        reading: &Reading<'_, Self>,
        ruling: &mut Ruling<'s>,
        global: &mut Global,
    ) -> Result<Option<(Asking<'s>, GrpcCall)>, ExchangeError> {
        let (Some(Some(service)), Some(config)) = (self.services.get(number), &limit.rls) else { return Ok(None) };
        let view = reading.view(&self.local.limiter);
        let enforced = self.local.limiter.enforces(limit, &view)?;
        let cost = self.local.limiter.cost(limit, &view, &mut ruling.seen)?;
        let question = match rls::question(config, &limit.on_missing, &view, cost, &mut ruling.seen)? {
            Asked::Question(question) => question,
            Asked::Nothing => return Ok(None),
            Asked::Missing => {
                ruling.reports.push(report(limit, refused(None), enforced, Reason::NoKey));
                return Ok(None);
            }
        };
        if let Some(answer) = service.remembered(&limit.name, self.local.limiter.seed(), &question) {
            global.refuse(limit, enforced, answer, ruling);
            return Ok(None);
        }
        let call = Rls::call(config, &question, reading.handle());
        Ok(Some((Asking { limit, service, config, question, enforced }, call)))
    }

    /// Takes a service's answer. Where it refuses, what was taken of other limits comes back.
    fn answered<'s>(
        &'s self,
        asking: &Asking<'s>,
        answer: Result<GrpcAnswer, GrpcError>,
        reading: &Reading<'_, Self>,
        ruling: &mut Ruling<'s>,
        global: &mut Global,
    ) -> Result<(), ExchangeError> {
        let Asking { limit, service, config, question, enforced } = asking;
        match (service.verdict(&limit.name, self.local.limiter.seed(), question, answer), config.failure_mode()) {
            (rls::Verdict::Admitted(answer), _) => {
                ruling.reports.push(answered(limit, &answer, true, *enforced));
                global.add(answer);
            }
            (rls::Verdict::Refused(answer), _) => global.refuse(limit, *enforced, answer, ruling),
            (rls::Verdict::Failed, FailureMode::Allow) => {}
            (rls::Verdict::Failed, FailureMode::Deny) => {
                ruling.reports.push(report(limit, refused(Some(RETRY)), *enforced, Reason::Unavailable));
            }
            (rls::Verdict::Failed, FailureMode::Local) => {
                self.local.limiter.decide_alone(
                    limit,
                    &reading.view(&self.local.limiter),
                    &self.local.shards,
                    ruling,
                )?;
            }
        }
        Ok(())
    }

    /// Gives back what was taken of local limits for a request that is refused after all. What the host refuses is reported.
    fn give_back(&self, ruling: &mut Ruling<'_>, handle: &Handle<Self>) {
        ruling.due.clear();
        // A place under a limit of concurrency is settled when the request is over, as always.
        let reports = ruling.reports.iter_mut().filter(|report| !report.holds_place());
        let held = reports.map(|report| std::mem::take(&mut report.held));
        let RateLimit { limiter, shards, .. } = &self.local;
        match shards.now() {
            Ok(now) => limiter.settle(shards, now, held, std::iter::empty(), |error| handle.report(error)),
            Err(error) => handle.report(&error),
        }
    }
}

impl Global {
    fn refuse<'s>(&mut self, limit: &'s Limit, enforced: bool, answer: Answer, ruling: &mut Ruling<'s>) {
        ruling.reports.push(answered(limit, &answer, false, enforced));
        if enforced {
            self.add(answer);
        }
    }

    fn add(&mut self, mut answer: Answer) {
        self.request_headers.append(&mut answer.request_headers);
        let lines = answer.response_headers.into_iter().map(|(name, value)| (name.into(), value));
        self.answer.headers.extend(lines);
        if !answer.body.is_empty() {
            self.answer.body = answer.body;
        }
    }
}

/// Adds to the request what services want in it. A line that cannot be written is reported and left out.
fn change<F: Filter>(request: &mut Request<F>, lines: Vec<(String, Vec<u8>)>) {
    for (name, value) in lines {
        if let Err(error) = request.add_header(&name, value) {
            request.handle().report(&error);
        }
    }
}

fn answered<'l>(limit: &'l Limit, answer: &Answer, admitted: bool, enforced: bool) -> Report<'l> {
    let retry = if admitted { None } else { answer.retry };
    let (shown, decision) = match answer.standing {
        Some((shown, decision)) => (Some(shown), Decision { admitted, retry, ..decision }),
        None if admitted => (None, Decision { admitted, remaining: u64::MAX, reset: 0, retry }),
        None => (None, refused(retry)),
    };
    let capacity = shown.map_or(1, |shown| shown.count);
    Report { shown, capacity, ..report(limit, decision, enforced, Reason::Exhausted) }
}

fn report(limit: &Limit, decision: Decision, enforced: bool, reason: Reason) -> Report<'_> {
    let verdict = match (decision.admitted, enforced) {
        (true, _) => Verdict::Admitted,
        (false, true) => Verdict::Refused(reason),
        (false, false) => Verdict::Shadow(reason),
    };
    Report { limit, shown: None, capacity: 1, decision, verdict, held: Held::Nothing }
}

fn refused(retry: Option<u64>) -> Decision {
    Decision { admitted: false, remaining: 0, reset: retry.unwrap_or_default(), retry }
}
