//! The limiter of one configuration: finds the limits that apply to a request, and takes from all of them or none.

use palisade_sdk::config::Percent;
use palisade_sdk::matching::{Attributes, Field, Matcher, RequestView, Verdict as Matches};

use crate::clock::Clock;
use crate::config::{Accuracy, Config, Cost, Exempt, Grant, Limit, OnMissing};
use crate::decision::Decision;
use crate::gcra::Gcra;
use crate::headers::Standing;
use crate::key::Seed;
use crate::lease::{Lease, Leases};
use crate::policy::{Demand, Policy, Taken};
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
    /// What its key may have.
    pub(crate) grant: &'l Grant,
    /// The decision.
    pub decision: Decision,
    /// What follows from it.
    pub verdict: Verdict,
    /// The shard in which `taken` was taken.
    pub shard: u32,
    /// What was taken.
    pub taken: Taken,
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
    held: Held,
}

/// What this worker can say by itself.
enum Held {
    /// Nothing.
    Unknown,
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
        for limit in &self.config.limits {
            let applies = match &named {
                Some(names) => names.iter().any(|name| *name == limit.name.as_bytes()),
                None => matches(&limit.matcher, request, &mut ruling.seen)?,
            };
            if applies {
                self.apply(limit, request, &mut applied, &mut ruling)?;
            }
        }
        if ruling.is_refused() || applied.is_empty() {
            return Ok(ruling);
        }
        let now = self.clock.at(clock()?);
        self.take(shards, now, applied, &mut ruling)?;
        Ok(ruling)
    }

    /// Gives back what was taken for a request that is refused after all.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub fn give_back<S: Shards>(
        &self,
        shards: &S,
        now: u64,
        reports: &mut [Report<'_>],
    ) -> Result<(), S::Error> {
        let now = self.clock.at(now);
        for Report { grant, shard, taken, .. } in reports {
            self.store.give_back(shards, now, &grant.policy, *shard, std::mem::take(taken))?;
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
        let (place, enforced) = match self.key(limit, grant, request, &mut ruling.seen)? {
            Read::Key(place, enforced) => (place, enforced),
            Read::Skip => return Ok(()),
            Read::Deny => {
                ruling.reports.push(Report::without_key(limit, grant));
                return Ok(());
            }
        };
        let cost = match &limit.cost {
            Cost::One => 1,
            Cost::Request { value, default, max } => {
                let selection = value.select(request)?;
                ruling.seen.ambiguous |= selection.ambiguous;
                // Nothing costs less than 1: a client must not choose to be free.
                selection.value.map_or(*default, |value| ruling.seen.cost(&value, *default)).clamp(1, *max)
            }
            Cost::ResponseHeader { .. } | Cost::ResponseBytes { .. } => {
                ruling.due.push(Due { limit, policy: &grant.policy, place });
                applied.push(Applied {
                    limit,
                    grant,
                    place,
                    demand: Demand { need: 1, take: 0, spare: 0 },
                    enforced,
                    held: Held::Unknown,
                });
                return Ok(());
            }
        };
        let spare = match limit.accuracy {
            Accuracy::Exact => 0,
            Accuracy::Lease { batch, .. } => batch.saturating_sub(cost),
        };
        let demand = Demand { need: cost, take: cost, spare };
        applied.push(Applied { limit, grant, place, demand, enforced, held: Held::Unknown });
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
        grant: &Grant,
        request: &RequestView<'_, A>,
        seen: &mut Seen,
    ) -> Result<Read, A::Error> {
        let mut key = self.seed.key(&grant.identity);
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
        now: u64,
        mut applied: Vec<Applied<'l>>,
        ruling: &mut Ruling<'l>,
    ) -> Result<(), S::Error> {
        for applied in &mut applied {
            applied.held = self.held(applied, now);
        }
        let known_refused = |applied: &Applied<'_>| applied.enforced && matches!(applied.held, Held::Refused(_));
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
        drop(unknown);
        ruling.seen.contended = contended;
        let mut answers = answers.into_iter();
        let first = ruling.reports.len();
        for applied in &applied {
            let (decision, taken, reason) = match applied.held {
                Held::Tokens(lease) => (applied.from_tokens(&lease, now), Taken::default(), Reason::Exhausted),
                Held::Refused(decision) => (decision, Taken::default(), Reason::Exhausted),
                Held::Unknown => match answers.next() {
                    Some(answer) => (answer.decision, answer.taken, Reason::Exhausted),
                    None if contended => (applied.contended(), Taken::default(), Reason::Contended),
                    // Another limit is known to refuse, so that this one was not asked.
                    None => continue,
                },
            };
            let verdict = match (decision.admitted, applied.enforced) {
                (true, _) => Verdict::Admitted,
                (false, true) => Verdict::Refused(reason),
                (false, false) => Verdict::Shadow(reason),
            };
            let Applied { limit, grant, place, .. } = applied;
            ruling.reports.push(Report { limit, grant, decision, verdict, shard: place.shard, taken });
        }
        if ruling.is_refused() {
            ruling.due.clear();
        }
        if !contended {
            self.keep_leases(now, &applied, ruling, first);
        }
        Ok(())
    }

    /// What this worker can say about a leased limit by itself.
    fn held(&self, applied: &Applied<'_>, now: u64) -> Held {
        let (Accuracy::Lease { .. }, Policy::Rate(gcra)) = (applied.limit.accuracy, &applied.grant.policy) else {
            return Held::Unknown;
        };
        let lease = self.leases.of(applied.place.fingerprint);
        let need = applied.demand.need;
        if lease.tokens >= need {
            return Held::Tokens(lease);
        }
        match lease.refusal(need, now) {
            Some(until) => Held::Refused(Decision {
                admitted: false,
                remaining: gcra.remaining(lease.tat, now).saturating_add(lease.tokens).min(need.saturating_sub(1)),
                reset: lease.tat.saturating_sub(now),
                retry: Some(until.saturating_sub(now)),
            }),
            None => Held::Unknown,
        }
    }

    /// Keeps what was taken ahead, and what was spent of it, and what is known about refusals.
    fn keep_leases(&self, now: u64, applied: &[Applied<'_>], ruling: &Ruling<'_>, first: usize) {
        let admitted = !ruling.is_refused();
        let reports = ruling.reports.get(first..).unwrap_or_default();
        for applied in applied.iter().filter(|applied| matches!(applied.limit.accuracy, Accuracy::Lease { .. })) {
            let fingerprint = applied.place.fingerprint;
            match applied.held {
                Held::Tokens(lease) if admitted => {
                    let tokens = lease.tokens.saturating_sub(applied.demand.take);
                    self.leases.keep(Lease { tokens, ..lease });
                }
                Held::Tokens(_) | Held::Refused(_) => {}
                Held::Unknown => {
                    let Some(report) = reports.iter().find(|report| std::ptr::eq(report.limit, applied.limit)) else {
                        continue;
                    };
                    let lease = self.leases.of(fingerprint);
                    if let (false, Some(retry)) = (report.decision.admitted, report.decision.retry) {
                        let refused = Some((applied.demand.need, now.saturating_add(retry)));
                        let tat = now.saturating_add(report.decision.reset);
                        self.leases.keep(Lease { refused, tat, ..lease });
                    } else if report.taken.fingerprint == fingerprint {
                        let spare = report.taken.amount.saturating_sub(applied.demand.take);
                        let tokens = lease.tokens.saturating_add(spare);
                        self.leases.keep(Lease { fingerprint, tokens, tat: report.taken.until, refused: None });
                    }
                }
            }
        }
    }
}

fn matches<A: Attributes>(
    matcher: &Matcher,
    request: &RequestView<'_, A>,
    seen: &mut Seen,
) -> Result<bool, A::Error> {
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
    /// How the client is told.
    pub fn standing(&self) -> Standing<'l> {
        Standing { name: &self.limit.name, shown: self.grant.shown, decision: self.decision }
    }

    /// How much is left, in parts of 2^32 of the whole.
    fn share(&self) -> u64 {
        let whole = self.grant.policy.capacity().max(1);
        let share = (u128::from(self.decision.remaining) << 32).checked_div(u128::from(whole)).unwrap_or_default();
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    fn without_key(limit: &'l Limit, grant: &'l Grant) -> Self {
        let decision = Decision { admitted: false, remaining: 0, reset: 0, retry: None };
        let verdict = match limit.enforce == Percent::ZERO {
            true => Verdict::Shadow(Reason::NoKey),
            false => Verdict::Refused(Reason::NoKey),
        };
        Self { limit, grant, decision, verdict, shard: 0, taken: Taken::default() }
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
        matches!(self.held, Held::Unknown)
    }

    fn ask(&self) -> Ask<'l> {
        Ask { policy: &self.grant.policy, place: self.place, demand: self.demand, enforced: self.enforced }
    }

    /// The decision where the tokens are here.
    fn from_tokens(&self, lease: &Lease, now: u64) -> Decision {
        let left = lease.tokens.saturating_sub(self.demand.take);
        let remaining = match &self.grant.policy {
            Policy::Rate(gcra) => Gcra::remaining(gcra, lease.tat, now).saturating_add(left).min(gcra.burst()),
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
