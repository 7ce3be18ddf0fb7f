//! JWKS: key sets that are fetched (RFC 7517), by one worker for all.
//!
//! The background task of each worker looks at the record that all of them share, and fetches when it is due and
//! nobody else does. Requests only read what is there, and wait for it where there is nothing yet or where their token names a
//! key that the set lacks.

mod config;
mod fetch;
mod record;
mod slots;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use palisade_sdk::metrics::Family;
use palisade_sdk::random::fill;
use palisade_sdk::{Counter, Event, Filter, Gauge, Handle, HostError, Plugin, SharedKey, UpdateError, labels, now};
use sha2::{Digest as _, Sha256};

use crate::jose::KeySet;
pub use config::RemoteConfig;
use config::{half, millis};
use fetch::FetchError;
use record::{Digest, Failure, Millis, Next, Policy, Reason, Record};
use slots::Slots;

/// How often a worker looks what another one's fetch has brought.
const LOOK_OFTEN: Millis = 20;

/// How often a worker looks at all: so long it may use a set that another one has replaced.
const LOOK: Millis = 1_000;

/// The remote key sets of one configuration.
pub struct RemoteKeySets {
    plugin: Plugin,
    slots: Slots,
    sets: Vec<Rc<RemoteKeys>>,
}

/// A key set that is fetched.
pub struct RemoteKeys {
    provider: String,
    config: RemoteConfig,
    policy: Policy,
    shared_record: SharedKey,
    shared_text: SharedKey,
    /// The record as it was seen or written last.
    record: Cell<Record>,
    /// The newest set that was seen, and when it was fetched.
    newest: RefCell<Option<(Rc<Keys>, Millis)>>,
    /// A token has named a key that the set lacks, or the shared text is not what the record says.
    missed: Cell<bool>,
    /// The background task is to look.
    asked: Event,
    /// The record has changed.
    changed: Event,
    fetches: Family<Counter, 2>,
    fetched_at: Family<Gauge, 1>,
}

/// A key set in use.
pub struct Keys {
    /// The keys.
    pub set: KeySet,
    digest: Digest,
}

/// There are no keys, or none that are young enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// When the next fetch is due.
    pub retry_after: Duration,
}

// === impl RemoteKeySets ===

impl RemoteKeySets {
    /// Without any set.
    #[must_use]
    pub fn new(plugin: Plugin) -> Self {
        Self { plugin, slots: Slots::default(), sets: Vec::new() }
    }

    /// The set of a provider; one and the same for providers that want the same.
    pub fn add(&mut self, provider: &str, config: RemoteConfig) -> Rc<RemoteKeys> {
        if let Some(known) = self.sets.iter().find(|known| known.config == config) {
            return known.clone();
        }
        let slot = self.slots.take(config.policy().source);
        let keys = Rc::new(RemoteKeys::new(&self.plugin, provider, config, slot));
        self.sets.push(keys.clone());
        keys
    }

    /// Keeps all sets fresh, for ever: the work of the filter's background task.
    pub async fn keep_fresh<F: Filter>(&self, handle: &Handle<F>) {
        let mut tasks: Vec<_> = self.sets.iter().map(|keys| Box::pin(keys.keep_fresh(handle))).collect();
        poll_fn(|context| {
            tasks.retain_mut(|task| task.as_mut().poll(context).is_pending());
            Poll::<()>::Pending
        })
        .await;
    }
}

// === impl Keys ===

impl Keys {
    /// A number that stands for the set: another one after a rotation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        let [first, second, ..] = self.digest.as_chunks().0 else { return 0 };
        u64::from_le_bytes(*first) ^ u64::from_le_bytes(*second)
    }
}

// === impl RemoteKeys ===

impl RemoteKeys {
    fn new(plugin: &Plugin, provider: &str, config: RemoteConfig, slot: u8) -> Self {
        let policy = config.policy();
        Self {
            provider: provider.to_owned(),
            policy,
            config,
            shared_record: plugin.shared(&format!("jwks/{slot}/record")),
            shared_text: plugin.shared(&format!("jwks/{slot}/text")),
            record: Cell::new(Record::new(&policy)),
            newest: RefCell::default(),
            missed: Cell::new(false),
            asked: Event::default(),
            changed: Event::default(),
            fetches: plugin.counters("jwks_fetches", labels!["provider", "outcome"]),
            fetched_at: plugin.gauges("jwks_fetched_at", labels!["provider"]),
        }
    }

    /// The keys. Where there are none, it waits up to `startup_wait` for a fetch that may end by then.
    ///
    /// # Errors
    ///
    /// There are no keys: nobody can be let in.
    pub async fn get<F: Filter>(&self, handle: &Handle<F>) -> Result<Rc<Keys>, Unavailable> {
        let mut time = read_clock(handle)?;
        let deadline = time.saturating_add(millis(self.config.startup_wait));
        loop {
            if let Some(keys) = self.usable(time) {
                return Ok(keys);
            }
            self.look(handle);
            if let Some(keys) = self.usable(time) {
                return Ok(keys);
            }
            let left = deadline.saturating_sub(time);
            let due = match self.record.get().next(time, Reason::Due, &self.policy) {
                Next::Fetch | Next::Underway => 0,
                Next::Wait(due) => due,
            };
            if left <= due {
                return Err(Unavailable { retry_after: Duration::from_millis(due) });
            }
            time = self.wait(handle, left).await?;
        }
    }

    /// Keys that are not these, in which a token's key is missing: asks for another fetch, unless the last one began less than
    /// ten seconds ago, and waits up to `startup_wait` for what it brings. `None`: there are no others.
    pub async fn newer_than<F: Filter>(&self, keys: &Keys, handle: &Handle<F>) -> Option<Rc<Keys>> {
        let mut time = read_clock(handle).ok()?;
        let deadline = time.saturating_add(millis(self.config.startup_wait));
        loop {
            self.look(handle);
            let other = self.usable(time).filter(|newest| newest.digest != keys.digest);
            if other.is_some() {
                return other;
            }
            match self.record.get().next(time, Reason::Miss, &self.policy) {
                Next::Fetch => self.missed.set(true),
                Next::Underway => {}
                Next::Wait(_) => return None,
            }
            let left = deadline.saturating_sub(time);
            time = self.wait(handle, left).await.ok().filter(|time| *time < deadline)?;
        }
    }

    /// Has the background task look, and waits until the record changes.
    async fn wait<F: Filter>(&self, handle: &Handle<F>, at_most: Millis) -> Result<Millis, Unavailable> {
        self.asked.notify();
        let changed = self.changed.wait(handle, Duration::from_millis(at_most)).await;
        changed.map_err(|error| unavailable(handle, &error))?;
        read_clock(handle)
    }

    /// The newest keys, if they are young enough.
    fn usable(&self, time: Millis) -> Option<Rc<Keys>> {
        let newest = self.newest.borrow();
        let (keys, _) = newest.as_ref().filter(|(_, fetched)| self.policy.is_usable(*fetched, time))?;
        Some(keys.clone())
    }

    // === the background task ===

    async fn keep_fresh<F: Filter>(&self, handle: &Handle<F>) {
        // Not at once: Envoy gives each configuration a trial run, which ends before its first tick.
        let mut pause = 0;
        loop {
            if let Err(error) = self.asked.wait(handle, Duration::from_millis(pause)).await {
                return handle.report(&error);
            }
            pause = match read_clock(handle) {
                Ok(time) => self.step(handle, time).await,
                Err(_) => LOOK,
            };
        }
    }

    /// Fetches if that is due, and says when to look again.
    async fn step<F: Filter>(&self, handle: &Handle<F>, time: Millis) -> Millis {
        self.look(handle);
        let reason = if self.missed.take() { Reason::Miss } else { Reason::Due };
        match self.record.get().next(time, reason, &self.policy) {
            Next::Fetch if self.take_lease(handle, time, reason) => {
                self.fetch(handle, time).await;
                0
            }
            // Somebody else was faster.
            Next::Fetch | Next::Underway => LOOK_OFTEN,
            Next::Wait(due) => LOOK.min(due),
        }
    }

    async fn fetch<F: Filter>(&self, handle: &Handle<F>, began: Millis) {
        let outcome = fetch::fetch(handle, &self.config).await;
        let time = read_clock(handle).unwrap_or(began);
        let label = outcome.as_ref().map_or_else(FetchError::reason, |_| "ok");
        self.fetches.increment([&self.provider, label]);
        self.log(self.record.get().is_failing(), outcome.as_ref().err());
        match outcome {
            Ok((text, set)) => {
                let digest = digest_of(&text);
                // The text goes first: who sees the record finds what it is about.
                if let Err(error) = self.shared_text.set(&text) {
                    handle.report(&error);
                }
                self.keep(Keys { set, digest }, time);
                self.update(handle, |record| Some(record.succeeded(time, digest, jitter(), &self.policy)));
                self.fetched_at.set([&self.provider], time.div_euclid(1000));
            }
            Err(error) => {
                let failure = if let FetchError::NotSent(_) = error { Failure::Unsent } else { Failure::Failed };
                self.update(handle, |record| Some(record.failed(time, failure, jitter())));
            }
        }
        self.changed.notify();
    }

    /// Tells of the first failure of many, and of their end.
    fn log(&self, was_failing: bool, error: Option<&FetchError>) {
        let Self { provider, config: RemoteConfig { cluster, path, .. }, .. } = self;
        match (was_failing, error) {
            (false, Some(error)) => log::warn!("no key set for {provider} from {path} of cluster {cluster}: {error}"),
            (true, None) => log::info!("a key set for {provider} has come again from {path} of cluster {cluster}"),
            _ => {}
        }
    }

    // === what the workers share ===

    /// Takes the lease, if nobody else was faster.
    fn take_lease<F: Filter>(&self, handle: &Handle<F>, time: Millis, reason: Reason) -> bool {
        self.update(handle, |record| record.begin(time, reason, &self.policy))
    }

    /// Replaces the record by what `change` makes of it; false where it makes nothing, or where others are faster. Where
    /// nothing can be shared, each worker has a record of its own.
    fn update<F: Filter>(&self, handle: &Handle<F>, change: impl Fn(&Record) -> Option<Record>) -> bool {
        let mut changed = None;
        let outcome = self.shared_record.update(|bytes| {
            changed = change(&self.read(bytes));
            changed.map(Record::to_bytes)
        });
        match outcome {
            Ok(()) => {}
            Err(UpdateError::Contended) => return false,
            Err(error) => {
                handle.report(&error);
                changed = change(&self.record.get());
            }
        }
        if let Some(record) = changed {
            self.see(record);
        }
        changed.is_some()
    }

    /// Takes what other workers have brought.
    fn look<F: Filter>(&self, handle: &Handle<F>) {
        let record = match self.shared_record.get() {
            Ok(bytes) => self.read(bytes.as_deref()),
            Err(error) => return handle.report(&error),
        };
        if let Some((fetched, digest)) = record.fetched() {
            let is_known = match &mut *self.newest.borrow_mut() {
                Some((keys, time)) if keys.digest == digest => {
                    *time = fetched;
                    true
                }
                _ => false,
            };
            if !is_known {
                match self.shared_text.get() {
                    Ok(text) => self.take(&text.unwrap_or_default(), digest, fetched),
                    Err(error) => handle.report(&error),
                }
            }
        }
        self.see(record);
    }

    /// Takes a set from its shared text. Where that is another one, as while it is being replaced, a fetch will help.
    fn take(&self, text: &[u8], digest: Digest, fetched: Millis) {
        let set = if digest_of(text) == digest { KeySet::parse(text).ok() } else { None };
        match set {
            Some(set) => self.keep(Keys { set, digest }, fetched),
            None => self.missed.set(true),
        }
    }

    fn keep(&self, keys: Keys, fetched: Millis) {
        let mut newest = self.newest.borrow_mut();
        // A set that comes again is still the same one, also for who caches by it.
        let former = newest.take().map(|(former, _)| former).filter(|former| former.digest == keys.digest);
        *newest = Some((former.unwrap_or_else(|| Rc::new(keys)), fetched));
    }

    fn see(&self, record: Record) {
        if self.record.replace(record) != record {
            self.changed.notify();
        }
    }

    /// The record in shared data; where that is nobody's or of another place, as it was seen last.
    fn read(&self, bytes: Option<&[u8]>) -> Record {
        bytes.and_then(|bytes| Record::from_bytes(bytes, &self.policy)).unwrap_or_else(|| self.record.get())
    }
}

fn read_clock<F: Filter>(handle: &Handle<F>) -> Result<Millis, Unavailable> {
    now().map(millis).map_err(|error| unavailable(handle, &error))
}

fn unavailable<F: Filter>(handle: &Handle<F>, error: &HostError) -> Unavailable {
    handle.report(error);
    Unavailable { retry_after: Duration::from_millis(LOOK) }
}

fn digest_of(text: &[u8]) -> Digest {
    half(&Sha256::digest(text))
}

/// Any number; without a source of randomness always the same, which only lets the fetches of several processes coincide.
fn jitter() -> u32 {
    let mut bytes = [0; 4];
    fill(&mut bytes).map_or(0, |()| u32::from_le_bytes(bytes))
}
