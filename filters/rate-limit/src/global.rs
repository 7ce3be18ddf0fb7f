//! Global: what rate limit services say about a request that the local limits admit.

use palisade_sdk::{ExchangeError, Request};

use crate::config::Limit;
use crate::decision::Decision;
use crate::filter::{RateLimit, nanoseconds};
use crate::headers::Lines;
use crate::limiter::{Held, Reason, Report, Ruling, Verdict};
use crate::reading::Reading;
use crate::rls::{self, Answer, Asked, FailureMode};

/// A service that gives no answer may give one soon.
const RETRY: u64 = 1_000_000_000;

/// What services add to the messages.
#[derive(Default)]
pub(crate) struct Global {
    request_headers: Vec<(String, Vec<u8>)>,
    pub(crate) response_headers: Lines,
    pub(crate) body: Vec<u8>,
}

impl RateLimit {
    /// Asks the services of all limits that apply, until one refuses; what was taken of local limits comes back then.
    pub(crate) async fn ask_services<'s>(
        &'s self,
        reading: &Reading<'_, Self>,
        ruling: &mut Ruling<'s>,
    ) -> Result<Global, ExchangeError> {
        let mut global = Global::default();
        for (number, limit) in std::mem::take(&mut ruling.global) {
            self.ask_service(number, limit, reading, ruling, &mut global).await?;
            if ruling.is_refused() {
                let now = nanoseconds()?;
                for report in &mut ruling.reports {
                    // A place under a limit of concurrency is settled when the request is over, as always.
                    if !report.holds_place() {
                        self.limiter.give_back(&self.shards, now, std::mem::take(&mut report.held))?;
                    }
                }
                ruling.due.clear();
                break;
            }
        }
        Ok(global)
    }

    async fn ask_service<'s>(
        &'s self,
        number: usize,
        limit: &'s Limit,
        reading: &Reading<'_, Self>,
        ruling: &mut Ruling<'s>,
        global: &mut Global,
    ) -> Result<(), ExchangeError> {
        let Some(service) = self.services.get(number).and_then(Option::as_ref) else { return Ok(()) };
        let view = reading.view(&self.limiter);
        let enforced = self.limiter.enforces(limit, &view)?;
        let cost = self.limiter.cost(limit, &view, &mut ruling.seen)?;
        let question = match service.question(&view, &limit.on_missing, cost, &mut ruling.seen)? {
            Asked::Question(question) => question,
            Asked::Nothing => return Ok(()),
            Asked::Missing => {
                ruling.reports.push(report(limit, refused(None), enforced, Reason::NoKey));
                return Ok(());
            }
        };
        match service.ask(&question, reading.handle()).await {
            rls::Verdict::Admitted(answer) => {
                ruling.reports.push(answered(limit, &answer, true, enforced));
                global.add(answer);
            }
            rls::Verdict::Refused(answer) => {
                ruling.reports.push(answered(limit, &answer, false, enforced));
                if enforced {
                    global.add(answer);
                }
            }
            rls::Verdict::Failed => match service.failure_mode() {
                FailureMode::Allow => {}
                FailureMode::Deny => {
                    ruling.reports.push(report(limit, refused(Some(RETRY)), enforced, Reason::Unavailable));
                }
                FailureMode::Local => {
                    let local = self.limiter.decide_alone(limit, &view, &self.shards, nanoseconds)?;
                    ruling.seen.add(local.seen);
                    ruling.reports.extend(local.reports);
                }
            },
        }
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
