//! Client: asks a rate limit service, and remembers what it refused.

use super::answer::Answer;
use super::config::RlsConfig;
use super::descriptors::Question;
use super::message::{self, Code, Response};
use super::refusals::{Refusal, Refusals};
use crate::config::Limit;
use crate::decision::Decision;
use crate::key::Seed;
use palisade_sdk::metrics::Family;
use palisade_sdk::{Counter, Filter, GrpcAnswer, GrpcCall, GrpcError, Handle, Plugin, labels};
use std::cell::Cell;
use std::fmt;

const SERVICE: &str = "envoy.service.ratelimit.v3.RateLimitService";
const METHOD: &str = "ShouldRateLimit";

/// The service of one limit, as one worker asks it.
pub(crate) struct Rls {
    refusals: Refusals,
    /// Whether the last call had no answer, so that an outage is logged once.
    failing: Cell<bool>,
    outcomes: Family<Counter, 2>,
}

/// What a service says about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is within its limits.
    Admitted(Answer),
    /// It is over one of them.
    Refused(Answer),
    /// There is no answer, or none that can be told: the failure mode decides.
    Failed,
}

/// Why there is no verdict.
enum Failure {
    Call(GrpcError),
    Malformed,
    Unknown,
}

// === impl Rls ===

impl Rls {
    /// The service of a limit, if it has one.
    pub(crate) fn of(limit: &Limit, plugin: &Plugin) -> Option<Self> {
        Some(Self {
            refusals: Refusals::new(limit.rls.as_ref()?.remember),
            failing: Cell::new(false),
            outcomes: plugin.counters("rls", labels!["limit", "outcome"]),
        })
    }

    /// The call that asks the service.
    pub(crate) fn call<F: Filter>(config: &RlsConfig, question: &Question, handle: &Handle<F>) -> GrpcCall {
        let message = message::request(&config.domain, &question.descriptors, question.hits);
        handle.grpc_call(&config.cluster, SERVICE, METHOD).message(message).timeout(config.timeout)
    }

    /// The refusal of the same before, while it holds.
    pub(crate) fn remembered(&self, limit: &str, seed: &Seed, question: &Question) -> Option<Answer> {
        let now = palisade_sdk::now().ok()?;
        let mut longest: Option<Refusal> = None;
        for descriptor in &question.descriptors {
            if let Some(found) = self.refusals.find(hash(seed, descriptor), question.hits, now)
                && longest.is_none_or(|longest| found.until > longest.until)
            {
                longest = Some(found);
            }
        }
        let Refusal { until, standing, .. } = longest?;
        let left = u64::try_from(until.saturating_sub(now).as_nanos()).unwrap_or(u64::MAX);
        let standing =
            standing.map(|(shown, decision)| (shown, Decision { reset: left, retry: Some(left), ..decision }));
        self.outcomes.increment([limit, "remembered"]);
        Some(Answer { standing, retry: Some(left), ..Answer::default() })
    }

    /// What comes of the service's answer.
    pub(crate) fn verdict(
        &self,
        limit: &str,
        seed: &Seed,
        question: &Question,
        answer: Result<GrpcAnswer, GrpcError>,
    ) -> Verdict {
        let response = match read(answer) {
            Ok(response) => response,
            Err(failure) => {
                self.outcomes.increment([limit, failure.outcome()]);
                if !self.failing.replace(true) {
                    log::warn!("rate_limit: limit \"{limit}\" has no answer: {failure} (the next are only counted)");
                }
                return Verdict::Failed;
            }
        };
        self.failing.set(false);
        if response.code != Code::OverLimit {
            self.outcomes.increment([limit, "admitted"]);
            return Verdict::Admitted(response.into_answer());
        }
        self.outcomes.increment([limit, "refused"]);
        self.remember(seed, question, &response);
        Verdict::Refused(response.into_answer())
    }

    fn remember(&self, seed: &Seed, question: &Question, response: &Response) {
        let Ok(now) = palisade_sdk::now() else { return };
        // Else it is unknown which status is about which descriptor.
        if response.statuses.len() != question.descriptors.len() {
            return;
        }
        for (descriptor, status) in question.descriptors.iter().zip(&response.statuses) {
            if let (Code::OverLimit, Some(lasts)) = (status.code, status.until_reset) {
                let (descriptor, until) = (hash(seed, descriptor), now.saturating_add(lasts));
                let refusal = Refusal { descriptor, hits: question.hits, until, standing: status.standing() };
                self.refusals.remember(refusal, now);
            }
        }
    }
}

/// Clients choose what is hashed.
fn hash(seed: &Seed, descriptor: &[u8]) -> u64 {
    seed.key(descriptor).hash().0
}

fn read(answer: Result<GrpcAnswer, GrpcError>) -> Result<Response, Failure> {
    let response = Response::decode(&answer.map_err(Failure::Call)?.message).ok_or(Failure::Malformed)?;
    if response.code == Code::Unknown { Err(Failure::Unknown) } else { Ok(response) }
}

// === impl Failure ===

impl Failure {
    /// The name in metrics.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Call(GrpcError::NotSent(_) | GrpcError::Name) => "not_sent",
            Self::Call(GrpcError::Timeout) => "timeout",
            Self::Call(GrpcError::Unreachable) => "unreachable",
            Self::Call(GrpcError::TooLong | GrpcError::Malformed) | Self::Malformed => "malformed",
            Self::Call(_) => "error",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Malformed => f.write_str("the service's answer is no RateLimitResponse"),
            Self::Unknown => f.write_str("the service says neither OK nor OVER_LIMIT"),
        }
    }
}
