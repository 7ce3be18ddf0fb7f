//! The limiter of one configuration: finds the limits that apply to a request, and takes from all of them or none.

use palisade_sdk::config::Percent;
use palisade_sdk::matching::{Attributes, Field, Matcher, RequestView, Verdict as Matches};

use crate::clock::Clock;
use crate::config::{Accuracy, Config, Cost, Exempt, Grant, Limit, OnMissing};
use crate::key::{Beginning, Seed};
use crate::lease::{Lease, Leases};
use crate::policy::{Demand, Policy, Taken};
use crate::store::{Events, Place, Shards, Store};

mod ruling;
mod taking;

use taking::{Applied, Known};

pub use ruling::{Due, Held, Reason, Report, Ruling, Seen, Verdict};

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

/// What a request's key may have.
enum Granted<'l> {
    This(&'l Grant),
    Everything,
    Nothing,
}

/// A key, or what becomes of the request without.
enum Read {
    Key(Place),
    Skip,
    Deny,
}

// === impl Limiter ===

impl Limiter {
    /// The limiter of this configuration, in a process with this seed.
    pub fn new(config: Config, seed: Seed) -> Self {
        let store = Store::new(config.storage.slots, config.storage.on_full);
        Self { config, seed, store, leases: Leases::default(), clock: Clock::default() }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The secret of this process's hashes.
    pub(crate) fn seed(&self) -> &Seed {
        &self.seed
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
    pub fn decide<A, S>(&self, request: &RequestView<'_, A>, shards: &S) -> Result<Ruling<'_>, A::Error>
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
                // Who sends twice what a matcher reads does not get out of the limit.
                None => evaluate(&limit.matcher, request, &mut ruling.seen)? != Matches::NoMatch,
            };
            if applies && limit.rls.is_some() {
                ruling.global.push((number, limit));
            } else if applies {
                self.apply(limit, request, &mut applied, &mut ruling)?;
            }
        }
        self.take(shards, applied, &mut ruling)?;
        Ok(ruling)
    }

    /// Decides about a request by a limit's own rate, while its service gives no answer, and adds to a ruling what that says.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub(crate) fn decide_alone<'s, A, S>(
        &'s self,
        limit: &'s Limit,
        request: &RequestView<'_, A>,
        shards: &S,
        ruling: &mut Ruling<'s>,
    ) -> Result<(), A::Error>
    where
        A: Attributes,
        A::Error: From<S::Error>,
        S: Shards,
    {
        let mut applied = Vec::new();
        self.apply(limit, request, &mut applied, ruling)?;
        self.take(shards, applied, ruling)?;
        Ok(())
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
        if !limit.is_enforced_in_part() {
            return Ok(limit.enforce == Percent::ALL);
        }
        let (_, enforced) = self.key(limit, self.seed.begin(&limit.identity), request, &mut Seen::default())?;
        Ok(enforced)
    }

    /// Gives back what was taken for a request.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub fn give_back<S: Shards>(&self, shards: &S, now: u64, held: Held<'_>) -> Result<(), S::Error> {
        match held {
            Held::Nothing => {}
            Held::Taken(policy, shard, taken) => self.give_back_to_all(shards, now, policy, shard, taken)?,
            Held::Leased(policy, shard, taken) => {
                let mut lease = self.leases.of(taken.fingerprint);
                if !lease.is_of(taken) {
                    // With others that were taken since, the worker would hold more than a batch.
                    return self.give_back_to_all(shards, now, policy, shard, taken);
                }
                lease.tokens.amount = lease.tokens.amount.saturating_add(taken.amount);
                self.leases.keep(lease, self.now(now));
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
            _ => self.store.charge(shards, now, due.policy, due.place, cost),
        }
    }

    /// Gives back what a request held and charges what it owes. What the host refuses goes to `report`, and the rest goes on.
    pub fn settle<'l, S: Shards>(
        &self,
        shards: &S,
        now: u64,
        held: impl Iterator<Item = Held<'l>>,
        owed: impl Iterator<Item = (Due<'l>, u64)>,
        report: impl Fn(&S::Error),
    ) {
        let given_back = held.map(|held| self.give_back(shards, now, held));
        let charged = owed.map(|(due, cost)| self.charge(shards, now, &due, cost));
        for error in given_back.chain(charged).filter_map(Result::err) {
            report(&error);
        }
    }

    fn give_back_to_all<S: Shards>(
        &self,
        shards: &S,
        now: u64,
        policy: &Policy,
        shard: u32,
        taken: Taken,
    ) -> Result<(), S::Error> {
        let lease = self.leases.of(taken.fingerprint);
        if lease.refused > 0 {
            self.leases.keep(Lease { refused: 0, ..lease }, self.now(now));
        }
        self.store.give_back(shards, now, policy, shard, taken)
    }

    /// The time for what this worker knows by itself, given what the host says. Tables have their own.
    fn now(&self, host: u64) -> u64 {
        let (now, was_set_back) = self.clock.at(host);
        if was_set_back {
            self.leases.forget_refusals();
        }
        now
    }

    fn is_exempt<A: Attributes>(&self, request: &RequestView<'_, A>, seen: &mut Seen) -> Result<bool, A::Error> {
        for exempt in &self.config.exempt {
            let is_exempt = match exempt {
                Exempt::Cidr(cidr) => matches!(request.client_ip()?, Field::One(address) if cidr.contains(address)),
                Exempt::Match(matcher) => evaluate(matcher, request, seen)? == Matches::Match,
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
        let grant = match self.grant(limit, request, &mut ruling.seen)? {
            Granted::This(grant) => grant,
            Granted::Everything => return Ok(()),
            Granted::Nothing => {
                ruling.reports.push(Report::without_key(limit, None, self.enforces(limit, request)?));
                return Ok(());
            }
        };
        let beginning = grant.beginning.get_or_init(|| self.seed.begin(&grant.identity)).clone();
        let (read, enforced) = self.key(limit, beginning, request, &mut ruling.seen)?;
        let place = match read {
            Read::Key(place) => place,
            Read::Skip => return Ok(()),
            Read::Deny => {
                ruling.reports.push(Report::without_key(limit, Some(grant), enforced));
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

    /// What the request's key may have.
    fn grant<'l, A: Attributes>(
        &self,
        limit: &'l Limit,
        request: &RequestView<'_, A>,
        seen: &mut Seen,
    ) -> Result<Granted<'l>, A::Error> {
        let mut ambiguous = false;
        if let Some(tiers) = &limit.tiers {
            let selection = tiers.by.select(request)?;
            seen.ambiguous |= selection.ambiguous;
            let tier = |value: &[u8]| tiers.grants.iter().find(|(name, _)| name.as_bytes() == value);
            ambiguous = selection.ambiguous && selection.value.is_none();
            if let Some((_, grant)) = selection.value.and_then(|value| tier(&value)) {
                return Ok(grant.as_ref().map_or(Granted::Everything, Granted::This));
            }
        }
        Ok(match &limit.grant {
            Some(grant) => Granted::This(grant),
            // Who sends twice what names his tier does not get out of the limit.
            None if ambiguous => Granted::Nothing,
            None => Granted::Everything,
        })
    }

    /// The key, and whether the limit is enforced for it. What is missing of it is empty there: who leaves it out does not choose.
    fn key<A: Attributes>(
        &self,
        limit: &Limit,
        Beginning { mut key, hash: shared }: Beginning,
        request: &RequestView<'_, A>,
        seen: &mut Seen,
    ) -> Result<(Read, bool), A::Error> {
        let mut share = limit.is_enforced_in_part().then(|| Seed::PUBLIC.key(&limit.identity));
        let mut add =
            |part: &[u8]| [Some(&mut key), share.as_mut()].into_iter().flatten().for_each(|key| key.part(part));
        let mut missing = None;
        for part in &limit.key {
            let selection = part.select(request)?;
            seen.ambiguous |= selection.ambiguous;
            match &selection.value {
                Some(value) => add(value),
                None => {
                    seen.missing_key = true;
                    let (text, read) = match limit.on_missing.of(&selection) {
                        OnMissing::Skip => ("", Some(Read::Skip)),
                        OnMissing::Deny => ("", Some(Read::Deny)),
                        OnMissing::Literal(text) => (text.as_str(), None),
                    };
                    add(text.as_bytes());
                    missing = missing.or(read);
                }
            }
        }
        let hash = if limit.key.is_empty() { shared } else { key.hash() };
        let read = missing.unwrap_or_else(|| Read::Key(Place::new(hash, self.config.storage.shards, shared.0)));
        let enforced = share.map_or(limit.enforce == Percent::ALL, |share| is_within(limit.enforce, share.hash().1));
        Ok((read, enforced))
    }
}

fn evaluate<A: Attributes>(
    matcher: &Matcher,
    request: &RequestView<'_, A>,
    seen: &mut Seen,
) -> Result<Matches, A::Error> {
    let verdict = matcher.evaluate(request)?;
    seen.ambiguous |= verdict == Matches::Ambiguous;
    Ok(verdict)
}

/// Whether a key with this hash is in this part of all keys.
fn is_within(part: Percent, hash: u64) -> bool {
    // Both factors of a percentage are below 2^67.
    u128::from(hash >> 32).wrapping_mul(part.denominator()) < part.numerator() << 32
}

#[cfg(test)]
mod tests;
