//! Client: asks a rate limit service, and remembers what it refused.

use super::answer::Answer;
use super::config::{FailureMode, RlsConfig};
use super::descriptors::{self, Asked, Question};
use super::message::{self, Code, Response};
use super::protobuf::Malformed;
use super::refusals::{Refusal, Refusals};
use crate::config::OnMissing;
use crate::decision::Decision;
use crate::limiter::Seen;
use palisade_sdk::matching::{Attributes, RequestView};
use palisade_sdk::metrics::Family;
use palisade_sdk::random::Seed;
use palisade_sdk::{Counter, Filter, GrpcError, Handle, Plugin, labels};
use std::cell::Cell;
use std::fmt;
use std::hash::BuildHasher;
use std::time::Duration;

const SERVICE: &str = "envoy.service.ratelimit.v3.RateLimitService";
const METHOD: &str = "ShouldRateLimit";

/// The service of one limit, as one worker asks it.
pub(crate) struct Rls {
    limit: String,
    config: RlsConfig,
    refusals: Refusals,
    /// Without it nothing is remembered: clients choose what is hashed.
    seed: Option<Seed>,
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
    /// The service of the limit of this name.
    pub(crate) fn new(limit: &str, config: RlsConfig, plugin: &Plugin) -> Self {
        Self {
            limit: limit.to_owned(),
            refusals: Refusals::new(config.remember),
            config,
            seed: Seed::new().ok(),
            failing: Cell::new(false),
            outcomes: plugin.counters("rls", labels!["limit", "outcome"]),
        }
    }

    /// What holds after [`Verdict::Failed`].
    pub(crate) fn failure_mode(&self) -> FailureMode {
        self.config.failure_mode
    }

    /// What the service is to be asked about a request that takes so many hits.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub(crate) fn question<A: Attributes>(
        &self,
        request: &RequestView<'_, A>,
        on_missing: &OnMissing,
        hits: u64,
        seen: &mut Seen,
    ) -> Result<Asked, A::Error> {
        let hits = u32::try_from(hits).unwrap_or(u32::MAX);
        descriptors::read(&self.config.descriptors, on_missing, request, hits, seen)
    }

    /// Asks the service, unless it has refused the same before and that still holds.
    pub(crate) async fn ask<F: Filter>(&self, question: &Question, handle: &Handle<F>) -> Verdict {
        let now = palisade_sdk::now().ok();
        if let Some(answer) = now.and_then(|now| self.remembered(question, now)) {
            self.count("remembered");
            return Verdict::Refused(answer);
        }
        match self.call(question, handle).await {
            Ok(response) => {
                self.failing.set(false);
                self.judge(question, response)
            }
            Err(failure) => {
                self.count(failure.outcome());
                if !self.failing.replace(true) {
                    let limit = &self.limit;
                    log::warn!("rate_limit: limit {limit:?} has no answer: {failure} (the next are only counted)");
                }
                Verdict::Failed
            }
        }
    }

    async fn call<F: Filter>(&self, question: &Question, handle: &Handle<F>) -> Result<Response, Failure> {
        let RlsConfig { cluster, domain, timeout, .. } = &self.config;
        let message = message::request(domain, &question.descriptors, question.hits);
        let call = handle.grpc_call(cluster, SERVICE, METHOD).message(message).timeout(*timeout);
        let answer = call.send().await.map_err(Failure::Call)?;
        let response = Response::decode(&answer.message).map_err(|Malformed| Failure::Malformed)?;
        if response.code == Code::Unknown { Err(Failure::Unknown) } else { Ok(response) }
    }

    fn judge(&self, question: &Question, response: Response) -> Verdict {
        if response.code != Code::OverLimit {
            self.count("admitted");
            return Verdict::Admitted(response.into_answer());
        }
        self.count("refused");
        if let Ok(now) = palisade_sdk::now() {
            self.remember(question, &response, now);
        }
        Verdict::Refused(response.into_answer())
    }

    fn remember(&self, question: &Question, response: &Response, now: Duration) {
        let Some(seed) = &self.seed else { return };
        // Else it is unknown which status is about which descriptor.
        if response.statuses.len() != question.descriptors.len() {
            return;
        }
        for (descriptor, status) in question.descriptors.iter().zip(&response.statuses) {
            if let (Code::OverLimit, Some(lasts)) = (status.code, status.until_reset) {
                let (descriptor, until) = (seed.hash_one(descriptor), now.saturating_add(lasts));
                let refusal = Refusal { descriptor, hits: question.hits, until, standing: status.standing() };
                self.refusals.remember(refusal, now);
            }
        }
    }

    /// What is left of the refusal that lasts longest.
    fn remembered(&self, question: &Question, now: Duration) -> Option<Answer> {
        let seed = self.seed.as_ref()?;
        let find = |descriptor| self.refusals.find(seed.hash_one(descriptor), question.hits, now);
        let refusal = question.descriptors.iter().filter_map(find).max_by_key(|refusal| refusal.until)?;
        let left = u64::try_from(refusal.until.saturating_sub(now).as_nanos()).unwrap_or(u64::MAX);
        let decision = |decision| Decision { reset: left, retry: Some(left), ..decision };
        let standing = refusal.standing.map(|(shown, standing)| (shown, decision(standing)));
        Some(Answer { standing, retry: Some(left), ..Answer::default() })
    }

    fn count(&self, outcome: &'static str) {
        self.outcomes.increment([&self.limit, outcome]);
    }
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
