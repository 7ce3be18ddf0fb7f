//! Global: what rate limit services say about a request that the local limits admit.

use palisade_sdk::{ExchangeError, GrpcAnswer, GrpcCall, GrpcError, Request};

use crate::config::{FailureMode, Limit};
use crate::decision::Decision;
use crate::filter::{RateLimit, nanoseconds};
use crate::headers::Lines;
use crate::limiter::{Held, Reason, Report, Ruling, Verdict};
use crate::reading::Reading;
use crate::rls::{self, Answer, Asked, Question};
pub(crate) use crate::rls::{Rls, RlsConfig};

/// A service that gives no answer may give one soon.
const RETRY: u64 = 1_000_000_000;

/// What services add to the messages.
#[derive(Default)]
pub(crate) struct Global {
    request_headers: Vec<(String, Vec<u8>)>,
    pub(crate) response_headers: Lines,
    pub(crate) body: Vec<u8>,
}

/// What a service is being asked.
pub(crate) struct Asking<'s> {
    limit: &'s Limit,
    service: &'s Rls,
    config: &'s RlsConfig,
    question: Question,
    enforced: bool,
}

impl RateLimit {
    /// The question for the service of a limit, and the call that asks it; `None` where the answer is known without.
    pub(crate) fn question<'s>(
        &'s self,
        (number, limit): (usize, &'s Limit),
        reading: &Reading<'_, Self>,
        ruling: &mut Ruling<'s>,
        global: &mut Global,
    ) -> Result<Option<(Asking<'s>, GrpcCall)>, ExchangeError> {
        let (Some(Some(service)), Some(config)) = (self.services.get(number), &limit.rls) else { return Ok(None) };
        let view = reading.view(&self.limiter);
        let enforced = self.limiter.enforces(limit, &view)?;
        let cost = self.limiter.cost(limit, &view, &mut ruling.seen)?;
        let question = match rls::question(config, &limit.on_missing, &view, cost, &mut ruling.seen)? {
            Asked::Question(question) => question,
            Asked::Nothing => return Ok(None),
            Asked::Missing => {
                ruling.reports.push(report(limit, refused(None), enforced, Reason::NoKey));
                return Ok(None);
            }
        };
        if let Some(answer) = service.remembered(&limit.name, self.limiter.seed(), &question) {
            global.refuse(limit, enforced, answer, ruling);
            return Ok(None);
        }
        let call = Rls::call(config, &question, reading.handle());
        Ok(Some((Asking { limit, service, config, question, enforced }, call)))
    }

    /// Takes a service's answer. Where it refuses, what was taken of other limits comes back.
    pub(crate) fn answered<'s>(
        &'s self,
        asking: &Asking<'s>,
        answer: Result<GrpcAnswer, GrpcError>,
        reading: &Reading<'_, Self>,
        ruling: &mut Ruling<'s>,
        global: &mut Global,
    ) -> Result<(), ExchangeError> {
        let Asking { limit, service, config, question, enforced } = asking;
        match (service.verdict(&limit.name, self.limiter.seed(), question, answer), config.failure_mode()) {
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
                self.limiter.decide_alone(limit, &reading.view(&self.limiter), &self.shards, nanoseconds, ruling)?;
            }
        }
        Ok(())
    }

    /// Gives back what was taken of local limits for a request that a service refuses.
    pub(crate) fn give_back(&self, ruling: &mut Ruling<'_>) -> Result<(), ExchangeError> {
        let now = nanoseconds()?;
        for report in &mut ruling.reports {
            // A place under a limit of concurrency is settled when the request is over, as always.
            if !report.holds_place() {
                self.limiter.give_back(&self.shards, now, std::mem::take(&mut report.held))?;
            }
        }
        ruling.due.clear();
        Ok(())
    }
}

impl Global {
    /// Adds to the request what services want in it. A line that cannot be written is reported and left out.
    pub(crate) fn change_request(&mut self, request: &mut Request<RateLimit>) {
        for (name, value) in self.request_headers.drain(..) {
            if let Err(error) = request.add_header(&name, value) {
                request.handle().report(&error);
            }
        }
    }

    fn refuse<'s>(&mut self, limit: &'s Limit, enforced: bool, answer: Answer, ruling: &mut Ruling<'s>) {
        ruling.reports.push(answered(limit, &answer, false, enforced));
        if enforced {
            self.add(answer);
        }
    }

    fn add(&mut self, mut answer: Answer) {
        self.request_headers.append(&mut answer.request_headers);
        self.response_headers.extend(answer.response_headers.into_iter().map(|(name, value)| (name.into(), value)));
        if !answer.body.is_empty() {
            self.body = answer.body;
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
