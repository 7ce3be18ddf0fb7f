//! The limiter of one configuration: finds the limits that apply to a request, and takes from all of them or none.

use palisade_sdk::config::Percent;
use palisade_sdk::matching::{Attributes, Field, Matcher, RequestView, Verdict as Matches};

use crate::clock::Clock;
use crate::config::{Accuracy, Config, Cost, Exempt, Grant, Limit, OnMissing};
use crate::decision::Decision;
use crate::headers::{Shown, Standing};
use crate::key::Seed;
use crate::lease::{Lease, Leases};
use crate::policy::{Answer, Demand, Policy, Taken};
use crate::store::{Ask, Events, Outcome, Place, Shards, Store};
use crate::table::Room;

/// The name of the filter in metrics, and in a route's metadata where that chooses the limits.
pub const NAME: &str = "rate_limit";

/// Decides about requests as one configuration says.
pub struct Limiter {
    config: Config,
    seed: Seed,
    store: Store,
    leases: Leases,
    clock: Clock,
}

/// What the limits say about a request.
#[derive(Debug, Default)]
pub struct Ruling<'l> {
    /// Those that applied, in the order of the config.
    pub reports: Vec<Report<'l>>,
    /// Those for which a service is to be asked, each with its number in the config.
    pub(crate) global: Vec<(usize, &'l Limit)>,
    /// What to charge when the response is over.
    pub due: Vec<Due<'l>>,
    /// What happened on the way.
    pub seen: Seen,
}

/// What one limit says about a request.
#[derive(Clone, Copy, Debug)]
pub struct Report<'l> {
    /// The limit.
    pub(crate) limit: &'l Limit,
    /// How it is shown, where that is known.
    pub shown: Option<Shown>,
    /// The most that can be taken at once.
    pub capacity: u64,
    /// The decision.
    pub decision: Decision,
    /// What follows from it.
    pub verdict: Verdict,
    /// What was taken.
    pub held: Held<'l>,
}

/// What was taken for a request.
#[derive(Clone, Copy, Debug, Default)]
pub enum Held<'l> {
    /// Nothing.
    #[default]
    Nothing,
    /// This, in a shard.
    Taken(&'l Policy, u32, Taken),
    /// So many tokens of a key that this worker leases.
    Leased(u64, u64),
}

/// What follows from a limit's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request is within the limit.
    Admitted,
    /// It is refused.
    Refused(Reason),
    /// It would be refused, if the limit were enforced.
    Shadow(Reason),
}

/// Why a limit refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The limit is used up.
    Exhausted,
    /// A part of the key is missing.
    NoKey,
    /// Other workers were faster time and again.
    Contended,
    /// The service gives no answer.
    Unavailable,
}

/// A charge that is to come.
#[derive(Clone, Copy, Debug)]
pub struct Due<'l> {
    /// The limit.
    pub(crate) limit: &'l Limit,
    policy: &'l Policy,
    place: Place,
}

/// What happened on the way to a ruling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The request is exempt.
    pub exempt: bool,
    /// A value that a limit reads came more than once.
    pub ambiguous: bool,
    /// The route names a limit that does not exist.
    pub unknown_rule: bool,
    /// A part of a key was missing.
    pub missing_key: bool,
    /// A cost was no number.
    pub invalid_cost: bool,
    /// Other workers were faster time and again.
    pub contended: bool,
}

/// A limit that applies to a request.
struct Applied<'l> {
    limit: &'l Limit,
    grant: &'l Grant,
    place: Place,
    demand: Demand,
    enforced: bool,
    known: Known,
}

/// What this worker can say by itself.
#[derive(Clone, Copy)]
enum Known {
    /// Nothing.
    Nothing,
    /// The tokens are here.
    Tokens(Lease),
    /// All is used up still.
    Refused(Decision),
}

/// A key, or why there is none.
enum Read {
    Key(Place, bool),
    Skip,
    Deny,
}

// === impl Limiter ===

impl Limiter {
    /// The limiter of this configuration, in a process with this seed.
    pub fn new(config: Config, seed: Seed) -> Self {
        let policies = config.limits.iter().flat_map(Limit::grants).map(|grant| grant.policy.horizon());
        let room = Room { slots: config.storage.slots, horizon: policies.max().unwrap_or_default() };
        let store = Store::new(room, config.storage.on_full);
        Self { config, seed, store, leases: Leases::default(), clock: Clock::default() }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What happened in the store since this was asked last.
    pub fn take_events(&self) -> Events {
        self.store.take_events()
    }

    /// Decides about a request, and takes what it costs.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub fn decide<A, S>(
        &self,
        request: &RequestView<'_, A>,
        shards: &S,
        clock: impl FnOnce() -> Result<u64, S::Error>,
    ) -> Result<Ruling<'_>, A::Error>
    where
        A: Attributes,
        A::Error: From<S::Error>,
        S: Shards,
    {
        let mut ruling = Ruling::default();
        if self.is_exempt(request, &mut ruling.seen)? {
            ruling.seen.exempt = true;
            return Ok(ruling);
        }
        let named = self.named_by_route(request, &mut ruling.seen)?;
        let mut applied = Vec::new();
        for (number, limit) in self.config.limits.iter().enumerate() {
            let applies = match &named {
                Some(names) => names.iter().any(|name| *name == limit.name.as_bytes()),
                None => matches(&limit.matcher, request, &mut ruling.seen)?,
            };
            if applies && limit.rls.is_some() {
                ruling.global.push((number, limit));
            } else if applies {
                self.apply(limit, request, &mut applied, &mut ruling)?;
            }
        }
        self.take(shards, clock, applied, &mut ruling)?;
        Ok(ruling)
    }

    /// Decides about a request by a limit's own rate, while its service gives no answer.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub(crate) fn decide_alone<'s, A, S>(
        &'s self,
        limit: &'s Limit,
        request: &RequestView<'_, A>,
        shards: &S,
        clock: impl FnOnce() -> Result<u64, S::Error>,
    ) -> Result<Ruling<'s>, A::Error>
    where
        A: Attributes,
        A::Error: From<S::Error>,
        S: Shards,
    {
        let mut ruling = Ruling::default();
        let mut applied = Vec::new();
        self.apply(limit, request, &mut applied, &mut ruling)?;
        self.take(shards, clock, applied, &mut ruling)?;
        Ok(ruling)
    }

    /// How much a request takes of a limit, where that is known before the response.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub(crate) fn cost<A: Attributes>(
        &self,
        limit: &Limit,
        request: &RequestView<'_, A>,
        seen: &mut Seen,
    ) -> Result<u64, A::Error> {
        let Cost::Request { value, default, max } = &limit.cost else { return Ok(1) };
        let selection = value.select(request)?;
        seen.ambiguous |= selection.ambiguous;
        // Nothing costs less than 1: a client must not choose to be free.
        Ok(selection.value.map_or(*default, |value| seen.cost(&value, *default)).clamp(1, *max))
    }

    /// Whether what a limit's service refuses is refused.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub(crate) fn enforces<A: Attributes>(
        &self,
        limit: &Limit,
        request: &RequestView<'_, A>,
    ) -> Result<bool, A::Error> {
        if limit.enforce == Percent::ALL || limit.enforce == Percent::ZERO {
            return Ok(limit.enforce == Percent::ALL);
        }
        Ok(match self.key(limit, &limit.identity, request, &mut Seen::default())? {
            Read::Key(_, enforced) => enforced,
            Read::Skip | Read::Deny => true,
        })
    }

    /// Gives back what was taken for a request.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub fn give_back<S: Shards>(&self, shards: &S, now: u64, held: Held<'_>) -> Result<(), S::Error> {
        match held {
            Held::Nothing => {}
            Held::Taken(policy, shard, taken) => {
                self.store.give_back(shards, self.clock.at(now), policy, shard, taken)?;
            }
            Held::Leased(fingerprint, tokens) => {
                let lease = self.leases.of(fingerprint);
                self.leases.keep(Lease { tokens: lease.tokens.saturating_add(tokens), ..lease });
            }
        }
        Ok(())
    }

    /// Charges what a request has cost in the end.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub fn charge<S: Shards>(&self, shards: &S, now: u64, due: &Due<'_>, cost: u64) -> Result<(), S::Error> {
        match cost {
            0 => Ok(()),
            _ => self.store.charge(shards, self.clock.at(now), due.policy, due.place, cost),
        }
    }

    fn is_exempt<A: Attributes>(&self, request: &RequestView<'_, A>, seen: &mut Seen) -> Result<bool, A::Error> {
        for exempt in &self.config.exempt {
            let is_exempt = match exempt {
                Exempt::Cidr(cidr) => matches!(request.client_ip()?, Field::One(address) if cidr.contains(address)),
                Exempt::Match(matcher) => matches(matcher, request, seen)?,
            };
            if is_exempt {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The limits that the route names, or its virtual host, separated by commas; `None` where the matchers choose.
    fn named_by_route<A: Attributes>(
        &self,
        request: &RequestView<'_, A>,
        seen: &mut Seen,
    ) -> Result<Option<Vec<Vec<u8>>>, A::Error> {
        if !self.config.rule_by_route {
            return Ok(None);
        }
        let Some(names) = request.named_by_route(NAME)? else { return Ok(None) };
        let names: Vec<_> = names.split(|byte| *byte == b',').map(|name| name.trim_ascii().to_vec()).collect();
        let is_known = |name: &Vec<u8>| self.config.limits.iter().any(|limit| limit.name.as_bytes() == name);
        if names.iter().all(is_known) {
            return Ok(Some(names));
        }
        seen.unknown_rule = true;
        Ok(None)
    }

    /// Reads of the request what a limit needs to know.
    fn apply<'l, A: Attributes>(
        &'l self,
        limit: &'l Limit,
        request: &RequestView<'_, A>,
        applied: &mut Vec<Applied<'l>>,
        ruling: &mut Ruling<'l>,
    ) -> Result<(), A::Error> {
        let Some(grant) = self.grant(limit, request, &mut ruling.seen)? else { return Ok(()) };
        let (place, enforced) = match self.key(limit, &grant.identity, request, &mut ruling.seen)? {
            Read::Key(place, enforced) => (place, enforced),
            Read::Skip => return Ok(()),
            Read::Deny => {
                ruling.reports.push(Report::without_key(limit, grant));
                return Ok(());
            }
        };
        if limit.cost.is_after() {
            ruling.due.push(Due { limit, policy: &grant.policy, place });
            let demand = Demand { need: 1, take: 0, spare: 0 };
            applied.push(Applied { limit, grant, place, demand, enforced, known: Known::Nothing });
            return Ok(());
        }
        let cost = self.cost(limit, request, &mut ruling.seen)?;
        let spare = match limit.accuracy {
            Accuracy::Exact => 0,
            Accuracy::Lease { batch, .. } => batch.saturating_sub(cost),
        };
        let demand = Demand { need: cost, take: cost, spare };
        applied.push(Applied { limit, grant, place, demand, enforced, known: Known::Nothing });
        Ok(())
    }

    /// What the request's key may have; `None` where it has no limit.
    fn grant<'l, A: Attributes>(
        &self,
        limit: &'l Limit,
        request: &RequestView<'_, A>,
        seen: &mut Seen,
    ) -> Result<Option<&'l Grant>, A::Error> {
        if let Some(tiers) = &limit.tiers {
            let selection = tiers.by.select(request)?;
            seen.ambiguous |= selection.ambiguous;
            let tier = |value: &[u8]| tiers.grants.iter().find(|(name, _)| name.as_bytes() == value);
            if let Some((_, grant)) = selection.value.and_then(|value| tier(&value)) {
                return Ok(grant.as_ref());
            }
        }
        Ok(limit.grant.as_ref())
    }

    fn key<A: Attributes>(
        &self,
        limit: &Limit,
        identity: &[u8],
        request: &RequestView<'_, A>,
        seen: &mut Seen,
    ) -> Result<Read, A::Error> {
        let mut key = self.seed.key(identity);
        // Those who find no room share what the limit allows one.
        let shared = key.hash();
        for part in &limit.key {
            let selection = part.select(request)?;
            seen.ambiguous |= selection.ambiguous;
            match (&selection.value, &limit.on_missing) {
                (Some(value), _) => key.part(value),
                (None, missing) => {
                    seen.missing_key = true;
                    match missing {
                        OnMissing::Skip => return Ok(Read::Skip),
                        OnMissing::Deny => return Ok(Read::Deny),
                        OnMissing::Literal(text) => key.part(text.as_bytes()),
                    }
                }
            }
        }
        let hash = key.hash();
        let place = Place::new(hash, self.config.storage.shards, shared.0);
        Ok(Read::Key(place, is_within(limit.enforce, hash.1)))
    }

    /// Takes from all limits that apply, or from none.
    fn take<'l, S: Shards>(
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
        ruling.seen.contended = contended;
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
                (Known::Tokens(lease), _) => (applied.from_tokens(&lease, now), Reason::Exhausted),
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
        match lease.refusal(need, now) {
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
                    self.leases.keep(Lease { refused, tat, ..self.leases.of(place.fingerprint) });
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
        self.leases.keep(Lease { tokens: lease.tokens.saturating_sub(demand.take), ..lease });
        Held::Leased(place.fingerprint, demand.take)
    }
}

fn matches<A: Attributes>(matcher: &Matcher, request: &RequestView<'_, A>, seen: &mut Seen) -> Result<bool, A::Error> {
    let verdict = matcher.evaluate(request)?;
    seen.ambiguous |= verdict == Matches::Ambiguous;
    Ok(verdict == Matches::Match)
}

/// Whether a key with this hash is in this part of all keys.
fn is_within(part: Percent, hash: u64) -> bool {
    let hash = u128::from(hash >> 32);
    hash.saturating_mul(part.denominator()) < part.numerator().saturating_mul(1 << 32)
}

// === impl Ruling ===

impl<'l> Ruling<'l> {
    /// Whether the request is refused.
    pub fn is_refused(&self) -> bool {
        self.reports.iter().any(|report| matches!(report.verdict, Verdict::Refused(_)))
    }

    /// The refusal that lasts longest, else the limit of which the smallest share is left. Limits that are not enforced
    /// are not told of.
    pub fn telling(&self) -> Option<&Report<'l>> {
        let refused = self.reports.iter().filter(|report| matches!(report.verdict, Verdict::Refused(_)));
        let longest = refused.max_by_key(|report| report.decision.retry.unwrap_or(u64::MAX));
        longest.or_else(|| self.told().min_by(|one, other| one.share().cmp(&other.share())))
    }

    /// The limits of which the client is told.
    pub fn told(&self) -> impl Iterator<Item = &Report<'l>> {
        self.reports.iter().filter(|report| !matches!(report.verdict, Verdict::Shadow(_)))
    }
}

// === impl Report ===

impl<'l> Report<'l> {
    /// How the client is told, if there is something to tell.
    pub fn standing(&self) -> Option<Standing<'l>> {
        Some(Standing { name: &self.limit.name, shown: self.shown?, decision: self.decision })
    }

    /// Whether it holds a place under a limit of concurrency.
    pub(crate) fn holds_place(&self) -> bool {
        matches!(self.held, Held::Taken(Policy::Concurrency { .. }, _, taken) if taken.amount > 0)
    }

    /// How much is left, in parts of 2^32 of the whole.
    fn share(&self) -> u64 {
        let whole = self.capacity.max(1);
        let share = (u128::from(self.decision.remaining) << 32).checked_div(u128::from(whole)).unwrap_or_default();
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    fn without_key(limit: &'l Limit, grant: &'l Grant) -> Self {
        let decision = Decision { admitted: false, remaining: 0, reset: 0, retry: None };
        let verdict = match limit.enforce == Percent::ZERO {
            true => Verdict::Shadow(Reason::NoKey),
            false => Verdict::Refused(Reason::NoKey),
        };
        let capacity = grant.policy.capacity();
        Self { limit, shown: Some(grant.shown), capacity, decision, verdict, held: Held::Nothing }
    }
}

// === impl Due ===

impl Due<'_> {
    /// What a response costs that has these header values and this length.
    pub fn cost(&self, header: Option<&[u8]>, bytes: Option<u64>, seen: &mut Seen) -> u64 {
        match &self.limit.cost {
            Cost::ResponseHeader { default, max, .. } => {
                header.map_or(*default, |value| seen.cost(value, *default)).min(*max)
            }
            Cost::ResponseBytes { per, max } => bytes.unwrap_or_default().div_ceil((*per).max(1)).min(*max),
            Cost::One | Cost::Request { .. } => 0,
        }
    }

    /// The response header that says what it costs.
    pub fn header(&self) -> Option<&str> {
        match &self.limit.cost {
            Cost::ResponseHeader { name, .. } => Some(name),
            _ => None,
        }
    }
}

// === impl Seen ===

impl Seen {
    /// Adds what happened elsewhere on the way.
    pub(crate) fn add(&mut self, other: Self) {
        let Self { exempt, ambiguous, unknown_rule, missing_key, invalid_cost, contended } = other;
        self.exempt |= exempt;
        self.ambiguous |= ambiguous;
        self.unknown_rule |= unknown_rule;
        self.missing_key |= missing_key;
        self.invalid_cost |= invalid_cost;
        self.contended |= contended;
    }

    /// A cost as it stands in a header: decimal digits.
    fn cost(&mut self, value: &[u8], default: u64) -> u64 {
        let digits = value.trim_ascii();
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        if !is_number {
            self.invalid_cost = true;
            return default;
        }
        // More digits than fit are a large number all the same.
        str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX)
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
    fn from_tokens(&self, lease: &Lease, now: u64) -> Decision {
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

#[cfg(test)]
mod tests;
