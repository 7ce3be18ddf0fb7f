//! Taking: from all limits that apply to a request, or from none.

use crate::config::{Accuracy, Grant, Limit};
use crate::decision::Decision;
use crate::lease::{Lease, Leases};
use crate::policy::{Answer, Demand, Policy, Taken};
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
        mut applied: Vec<Applied<'l>>,
        ruling: &mut Ruling<'l>,
    ) -> Result<(), S::Error> {
        if ruling.is_refused() || applied.is_empty() {
            return Ok(());
        }
        let host = shards.now()?;
        let now = self.now(host);
        let mut rest = applied.as_mut_slice();
        while let Some((last, before)) = rest.split_last_mut() {
            last.known = self.known(last, now);
            let own = last.place.names.own;
            let is_taken = |other: &Applied<'_>| other.demand.spare > 0 && Leases::collide(other.place.names.own, own);
            if before.iter().any(is_taken) || last.demand.spare > 0 && !self.leases.has_place(own, now) {
                last.demand.spare = 0;
            }
            rest = before;
        }
        let known_refused = |applied: &Applied<'_>| applied.enforced && matches!(applied.known, Known::Refused(_));
        let unknown: Vec<_> = match applied.iter().any(known_refused) {
            true => Vec::new(),
            false => applied.iter().filter(|applied| applied.is_unknown()).map(Applied::ask).collect(),
        };
        let (answers, contended) = match unknown.is_empty() {
            true => (Vec::new(), false),
            false => match self.store.ask(shards, host, &unknown)? {
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
            let held = self.hold(applied, answer, refused, now);
            ruling.reports.push(applied.report(decision, verdict, held));
        }
        if refused {
            ruling.due.clear();
        }
        Ok(())
    }

    /// What this worker can say about a leased limit by itself.
    fn known(&self, applied: &Applied<'_>, now: u64) -> Known {
        let (Accuracy::Lease { .. }, Policy::Rate(gcra)) = (applied.limit.accuracy, &applied.grant.policy) else {
            return Known::Nothing;
        };
        let lease = self.leases.of(applied.place.names.own);
        let need = applied.demand.need;
        let left = lease.tokens.amount;
        if left >= need {
            return Known::Tokens(lease);
        }
        match lease.refusal(need, now) {
            Some(until) => Known::Refused(Decision {
                admitted: false,
                remaining: gcra.remaining(lease.tat, now).saturating_add(left).min(need.saturating_sub(1)),
                reset: lease.tat.saturating_sub(now),
                retry: Some(until.saturating_sub(now)),
            }),
            None => Known::Nothing,
        }
    }

    /// What was taken for a request. Keeps what was taken ahead, and what is known about refusals.
    fn hold<'l>(&self, applied: &Applied<'l>, answer: Option<Answer>, refused: bool, now: u64) -> Held<'l> {
        let Applied { grant, place, demand, limit, .. } = applied;
        let lease = match applied.known {
            Known::Tokens(lease) => lease,
            _ => self.leases.of(place.names.own),
        };
        match (applied.known, answer) {
            (Known::Tokens(_), _) if !refused => {
                let amount = lease.tokens.amount.saturating_sub(demand.take);
                self.leases.keep(Lease { tokens: Taken { amount, ..lease.tokens }, ..lease }, now);
                Held::Leased(&grant.policy, place.shard, Taken { amount: demand.take, ..lease.tokens })
            }
            (Known::Nothing, Some(Answer { decision, .. })) if !decision.admitted => {
                if let (Accuracy::Lease { .. }, Some(retry)) = (limit.accuracy, decision.retry) {
                    let tat = now.saturating_add(decision.reset);
                    let refused_until = now.saturating_add(retry);
                    self.leases.keep(Lease { refused: demand.need, refused_until, tat, ..lease }, now);
                }
                Held::Nothing
            }
            (Known::Nothing, Some(Answer { taken, .. })) if taken.amount > demand.take => {
                // What was left is spent first: it was taken before, and does not come back.
                let left = lease.tokens.amount;
                let amount = left.saturating_add(taken.amount).saturating_sub(demand.take);
                let tokens = Taken { amount, ..taken };
                self.leases.keep(Lease { tokens, tat: taken.until, ..Lease::default() }, now);
                let amount = demand.take.saturating_sub(left);
                Held::Taken(&grant.policy, place.shard, Taken { amount, ..taken })
            }
            (Known::Nothing, Some(Answer { taken, .. })) => Held::Taken(&grant.policy, place.shard, taken),
            _ => Held::Nothing,
        }
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
        let left = lease.tokens.amount.saturating_sub(self.demand.take);
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
