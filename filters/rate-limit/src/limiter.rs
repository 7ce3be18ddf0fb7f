//! The limiter of one configuration: finds the limits that apply to a request, and takes from all of them or none.

use palisade_sdk::config::Percent;
use palisade_sdk::matching::{Attributes, Field, Matcher, RequestView, Verdict as Matches};

use crate::clock::Clock;
use crate::config::{Accuracy, Config, Cost, Exempt, Grant, Limit, OnMissing};
use crate::key::Seed;
use crate::lease::{Lease, Leases};
use crate::policy::Demand;
use crate::store::{Events, Place, Shards, Store};
use crate::table::Room;

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
        let horizon = config.limits.iter().map(Limit::horizon).max().unwrap_or_default();
        let room = Room { slots: config.storage.slots, horizon };
        let store = Store::new(room, config.storage.on_full);
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
        clock: impl FnOnce() -> Result<u64, S::Error>,
        ruling: &mut Ruling<'s>,
    ) -> Result<(), A::Error>
    where
        A: Attributes,
        A::Error: From<S::Error>,
        S: Shards,
    {
        let mut applied = Vec::new();
        self.apply(limit, request, &mut applied, ruling)?;
        self.take(shards, clock, applied, ruling)?;
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
                self.leases.keep(Lease { tokens: lease.tokens.saturating_add(tokens), ..lease }, self.clock.at(now));
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
}

fn matches<A: Attributes>(matcher: &Matcher, request: &RequestView<'_, A>, seen: &mut Seen) -> Result<bool, A::Error> {
    let verdict = matcher.evaluate(request)?;
    seen.ambiguous |= verdict == Matches::Ambiguous;
    Ok(verdict == Matches::Match)
}

/// Whether a key with this hash is in this part of all keys.
fn is_within(part: Percent, hash: u64) -> bool {
    // Both factors of a percentage are below 2^67.
    u128::from(hash >> 32).wrapping_mul(part.denominator()) < part.numerator() << 32
}

#[cfg(test)]
mod tests;
