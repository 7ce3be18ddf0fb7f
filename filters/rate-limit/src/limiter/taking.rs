//! Taking: from all limits that apply to a request, or from none.

use crate::config::{Accuracy, Grant, Limit};
use crate::decision::Decision;
use crate::lease::Lease;
use crate::policy::{Answer, Demand, Policy};
use crate::store::{Ask, Outcome, Place, Shards};

use super::{Held, Limiter, Reason, Report, Ruling, Verdict};

/// A limit that applies to a request.
pub(super) struct Applied<'l> {
    pub(super) limit: &'l Limit,
    pub(super) grant: &'l Grant,
    pub(super) place: Place,
    pub(super) demand: Demand,
    pub(super) enforced: bool,
    pub(super) known: Known,
}

/// What this worker can say by itself.
#[derive(Clone, Copy)]
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// The tokens are here.
    Tokens(Lease),
    /// All is used up still.
    Refused(Decision),
}

// === impl Limiter ===

impl Limiter {
    /// Takes from all limits that apply, or from none.
    pub(super) fn take<'l, S: Shards>(
        &self,
        shards: &S,
        clock: impl FnOnce() -> Result<u64, S::Error>,
        mut applied: Vec<Applied<'l>>,
        ruling: &mut Ruling<'l>,
    ) -> Result<(), S::Error> {
        if ruling.is_refused() || applied.is_empty() {
            return Ok(());
        }
        let now = self.clock.at(clock()?);
        for applied in &mut applied {
            applied.known = self.known(applied, now);
            if !self.leases_to(applied, now) {
                applied.demand.spare = 0;
            }
        }
        let known_refused = |applied: &Applied<'_>| applied.enforced && matches!(applied.known, Known::Refused(_));
        let unknown: Vec<_> = match applied.iter().any(known_refused) {
            true => Vec::new(),
            false => applied.iter().filter(|applied| applied.is_unknown()).map(Applied::ask).collect(),
        };
        let (answers, contended) = match unknown.is_empty() {
            true => (Vec::new(), false),
            false => match self.store.ask(shards, now, &unknown)? {
                Outcome::Answered(answers) => (answers, false),
                Outcome::Contended => (Vec::new(), true),
            },
        };
        ruling.seen.contended |= contended;
        let refused = applied.iter().any(known_refused)
            || contended && applied.iter().any(|applied| applied.enforced && !applied.contended().admitted)
            || applied
                .iter()
                .filter(|applied| applied.is_unknown())
                .zip(&answers)
                .any(|(applied, answer)| applied.enforced && !answer.decision.admitted);
        let mut answers = answers.into_iter();
        for applied in &applied {
            let answer = if applied.is_unknown() { answers.next() } else { None };
            let (decision, reason) = match (applied.known, answer) {
                (Known::Tokens(lease), _) => (applied.by_tokens(&lease, now), Reason::Exhausted),
                (Known::Refused(decision), _) => (decision, Reason::Exhausted),
                (Known::Nothing, Some(answer)) => (answer.decision, Reason::Exhausted),
                (Known::Nothing, None) if contended => (applied.contended(), Reason::Contended),
                // Another limit is known to refuse, so that this one was not asked.
                (Known::Nothing, None) => continue,
            };
            let verdict = match (decision.admitted, applied.enforced) {
                (true, _) => Verdict::Admitted,
                (false, true) => Verdict::Refused(reason),
                (false, false) => Verdict::Shadow(reason),
            };
            let held = match applied.limit.accuracy {
                Accuracy::Exact => answer.map_or(Held::Nothing, |answer| {
                    Held::Taken(&applied.grant.policy, applied.place.shard, answer.taken)
                }),
                Accuracy::Lease { .. } => self.keep_lease(applied, answer, refused, now),
            };
            ruling.reports.push(applied.report(decision, verdict, held));
        }
        if refused {
            ruling.due.clear();
        }
        Ok(())
    }

    /// Whether tokens that are taken ahead have a place.
    fn leases_to(&self, applied: &Applied<'_>, now: u64) -> bool {
        applied.demand.spare > 0 && self.leases.has_place(applied.place.fingerprint, now)
    }

    /// What this worker can say about a leased limit by itself.
    fn known(&self, applied: &Applied<'_>, now: u64) -> Known {
        let (Accuracy::Lease { .. }, Policy::Rate(gcra)) = (applied.limit.accuracy, &applied.grant.policy) else {
            return Known::Nothing;
        };
        let lease = self.leases.of(applied.place.fingerprint);
        let need = applied.demand.need;
        if lease.tokens >= need {
            return Known::Tokens(lease);
        }
        match lease.refusal(need, now, gcra.horizon()) {
            Some(until) => Known::Refused(Decision {
                admitted: false,
                remaining: gcra.remaining(lease.tat, now).saturating_add(lease.tokens).min(need.saturating_sub(1)),
                reset: lease.tat.saturating_sub(now),
                retry: Some(until.saturating_sub(now)),
            }),
            None => Known::Nothing,
        }
    }

    /// Keeps what was taken ahead and what is known about refusals, and spends what an admitted request takes.
    fn keep_lease<'l>(&self, applied: &Applied<'l>, answer: Option<Answer>, refused: bool, now: u64) -> Held<'l> {
        let Applied { place, demand, .. } = applied;
        let lease = match (applied.known, answer) {
            (Known::Tokens(lease), _) if !refused => lease,
            (Known::Nothing, Some(answer)) if !answer.decision.admitted => {
                if let Some(retry) = answer.decision.retry {
                    let refused = Some((demand.need, now.saturating_add(retry)));
                    let tat = now.saturating_add(answer.decision.reset);
                    self.leases.keep(Lease { refused, tat, ..self.leases.of(place.fingerprint) }, now);
                }
                return Held::Nothing;
            }
            // Those who share a budget lease nothing of it.
            (Known::Nothing, Some(answer)) if answer.taken.fingerprint == place.fingerprint => {
                let lease = self.leases.of(place.fingerprint);
                let tokens = lease.tokens.saturating_add(answer.taken.amount);
                Lease { tokens, tat: answer.taken.until, refused: None, ..lease }
            }
            _ => return Held::Nothing,
        };
        self.leases.keep(Lease { tokens: lease.tokens.saturating_sub(demand.take), ..lease }, now);
        Held::Leased(place.fingerprint, demand.take)
    }
}

// === impl Applied ===

impl<'l> Applied<'l> {
    fn is_unknown(&self) -> bool {
        matches!(self.known, Known::Nothing)
    }

    fn ask(&self) -> Ask<'l> {
        Ask { policy: &self.grant.policy, place: self.place, demand: self.demand, enforced: self.enforced }
    }

    fn report(&self, decision: Decision, verdict: Verdict, held: Held<'l>) -> Report<'l> {
        let Self { limit, grant, .. } = self;
        let capacity = grant.policy.capacity();
        Report { limit, shown: Some(grant.shown), capacity, decision, verdict, held }
    }

    /// The decision where the tokens are here.
    fn by_tokens(&self, lease: &Lease, now: u64) -> Decision {
        let left = lease.tokens.saturating_sub(self.demand.take);
        let remaining = match &self.grant.policy {
            Policy::Rate(gcra) => gcra.remaining(lease.tat, now).saturating_add(left).min(gcra.burst()),
            _ => left,
        };
        Decision { admitted: true, remaining, reset: lease.tat.saturating_sub(now), retry: None }
    }

    /// The decision where other workers were faster time and again.
    fn contended(&self) -> Decision {
        /// It helps to try again at once, and a client should not.
        const RETRY: u64 = 1_000_000_000;

        let admitted = matches!(self.limit.accuracy, Accuracy::Lease { allow: true, .. });
        Decision { admitted, remaining: 0, reset: RETRY, retry: (!admitted).then_some(RETRY) }
    }
}
