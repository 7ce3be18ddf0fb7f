//! A host for tests: workers on the test's thread, a virtual clock, and everything around them scripted.

mod answer;
mod builder;
mod draft;
mod exchange;
mod traffic;

use crate::callout::{Callout, CalloutEvent, CalloutId};
use crate::counters::Counters;
use crate::effect::Effect;
use crate::error::{Failure, StartError};
use crate::faults::Fault;
use crate::plugin::Plugin;
use crate::shared::{LogLine, Shared};
use crate::worker::Worker;
use crate::{lock, nanoseconds};
pub use answer::Answer;
pub use builder::HostBuilder;
pub use draft::{Delivery, Draft};
pub use exchange::{Exchange, NewRequest, RequestBuilder, ResponseBuilder};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
pub use traffic::Message;
use traffic::Traffic;

/// A host for tests. Clones are the same host.
#[derive(Clone)]
pub struct Host(Rc<RefCell<Inner>>);

struct Inner {
    shared: Arc<Shared>,
    /// The first is the main thread, which has no streams.
    workers: Vec<Worker>,
    plugins: Vec<Plugin>,
    /// Plugins whose configuration a canary has accepted.
    proven: BTreeSet<(String, String, Vec<u8>)>,
    limits: crate::limits::Limits,
    clusters: BTreeMap<String, Script<Callout>>,
    upstream: Option<Script<Message>>,
    traffic: BTreeMap<(usize, u64), Traffic>,
    callouts: Vec<(CalloutId, Callout)>,
    scheduled: BTreeMap<(u64, u64), Scheduled>,
    next_scheduled: u64,
    next_worker: usize,
    log: Arc<Mutex<Vec<LogLine>>>,
}

/// The address of the upstream, as properties tell it.
const UPSTREAM: &str = "127.0.0.1:8000";

/// How often everything in turn may happen at one moment.
const ROUNDS: usize = 1_000;

/// How something outside answers.
type Script<T> = Box<dyn FnMut(&T) -> Answer>;

enum Scheduled {
    Callout(usize, CalloutId, CalloutEvent),
    Upstream(usize, u64, answer::Outcome),
}

impl Host {
    /// A host that is yet to be described.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// A request that is yet to be described: `GET /path`.
    pub fn request(&self, line: &str) -> RequestBuilder {
        RequestBuilder::request(self.clone(), line)
    }

    /// Moves the clock on, and everything that is due on the way happens in its order. Where filters never come to rest, as one
    /// that answers each answer by another callout, the log says so, and the time passes all the same.
    pub fn advance(&self, by: Duration) {
        let clock = self.0.borrow().shared.clock.clone();
        let end = clock.now().saturating_add(nanoseconds(by));
        loop {
            let next = self.0.borrow().next_due();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            clock.set(next.max(clock.now()));
            self.0.borrow_mut().run_due();
            if !self.came_to_rest() {
                break;
            }
        }
        clock.set(end);
        self.settle();
    }

    /// Lets everything happen that needs no time to pass.
    pub fn settle(&self) {
        self.came_to_rest();
    }

    fn came_to_rest(&self) -> bool {
        let rests = (0..ROUNDS).any(|_| !self.0.borrow_mut().step());
        if !rests {
            let text = "the host does not come to rest: filters set off each other without end".to_owned();
            self.0.borrow().shared.log(LogLine { worker: 0, level: 5, plugin: String::new(), text });
        }
        rests
    }

    /// Puts another configuration of the last plugin into effect, as an update of Envoy's listener does.
    ///
    /// # Errors
    ///
    /// The plugin refuses it, or traps; the one before stays in effect.
    pub fn update(&self, configuration: impl AsRef<[u8]>) -> Result<(), StartError> {
        let mut plugins = self.0.borrow().plugins.clone();
        if let Some(plugin) = plugins.last_mut() {
            plugin.configuration = configuration.as_ref().to_vec();
        }
        let outcome = self.0.borrow_mut().load(plugins);
        self.settle();
        outcome
    }

    /// Ends what only streams of earlier configurations used, as Envoy does when a listener has drained.
    pub fn drain(&self) {
        for worker in &mut self.0.borrow_mut().workers {
            worker.drain();
        }
        self.settle();
    }

    /// The lines of the log so far.
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        let log = Arc::clone(&self.0.borrow().log);
        lock(&log).clone()
    }

    /// The text of the log so far.
    #[must_use]
    pub fn log_text(&self) -> String {
        self.log().into_iter().map(|line| line.text + "\n").collect()
    }

    /// What the workers share.
    #[must_use]
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.0.borrow().shared)
    }

    /// The value of a counter or gauge of a filter's, by the name that the filter gave it.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<u64> {
        let shared = self.shared();
        let name = format!("wasmcustom.{name}");
        let number = |kind| shared.metrics.number(kind, &name);
        number(crate::metrics::Kind::Counter).or_else(|| number(crate::metrics::Kind::Gauge))
    }

    /// The callouts so far.
    #[must_use]
    pub fn callouts(&self) -> Vec<Callout> {
        self.0.borrow().callouts.iter().map(|(_, callout)| callout.clone()).collect()
    }

    /// What the VMs of a worker have used; 0 is the main thread.
    #[must_use]
    pub fn counters(&self, worker: usize) -> Vec<Counters> {
        self.0.borrow().workers.get(worker).map(Worker::counters).unwrap_or_default()
    }

    /// Why VMs do not run any more.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        self.0.borrow().workers.iter().flat_map(Worker::failures).collect()
    }

    /// Gives a fault to all VMs that there are.
    pub fn inject(&self, fault: &Fault) {
        for worker in &mut self.0.borrow_mut().workers {
            worker.inject(fault);
        }
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        for worker in &mut self.0.borrow_mut().workers {
            worker.clear_faults();
        }
    }

    /// Acts on a worker, and lets everything happen that follows.
    fn act<T>(&self, worker: usize, act: impl FnOnce(&mut Worker) -> T) -> Option<T> {
        let outcome = self.0.borrow_mut().workers.get_mut(worker).map(act);
        self.settle();
        outcome
    }

    fn traffic<T>(&self, key: (usize, u64), look: impl FnOnce(&mut Traffic) -> T) -> T {
        look(self.0.borrow_mut().traffic.entry(key).or_default())
    }
}

// === impl Inner ===

impl Inner {
    /// A canary first, then the main thread, then each worker.
    fn load(&mut self, plugins: Vec<Plugin>) -> Result<(), StartError> {
        for plugin in &plugins {
            let key = (plugin.name.clone(), plugin.vm.module.sha256().to_owned(), plugin.configuration.clone());
            if !self.proven.contains(&key) {
                let mut canary = Worker::new(0, Arc::clone(&self.shared), self.limits.clone());
                canary.load(std::slice::from_ref(plugin))?;
                self.proven.insert(key);
            }
        }
        for worker in &mut self.workers {
            worker.load(&plugins)?;
        }
        self.plugins = plugins;
        Ok(())
    }

    fn next_due(&self) -> Option<u64> {
        let timers = self.workers.iter().filter_map(Worker::next_timer);
        timers.chain(self.scheduled.keys().next().map(|(at, _)| *at)).min()
    }

    fn run_due(&mut self) {
        let now = self.shared.clock.now();
        while let Some(entry) = self.scheduled.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Scheduled::Callout(worker, id, event) => {
                    if let Some(worker) = self.workers.get_mut(worker) {
                        worker.callout(id, event);
                    }
                }
                Scheduled::Upstream(worker, stream, outcome) => {
                    if let Some(worker) = self.workers.get_mut(worker) {
                        outcome.play(worker, stream);
                    }
                }
            }
        }
        for worker in &mut self.workers {
            worker.run_timers();
        }
    }

    /// Does what is to be done now, and says whether there was anything.
    fn step(&mut self) -> bool {
        let mut busy = false;
        for index in 0..self.workers.len() {
            let Some(worker) = self.workers.get_mut(index) else { continue };
            busy |= worker.queues();
            for effect in worker.effects() {
                busy = true;
                self.carry_out(index, effect);
            }
        }
        if self.next_due().is_some_and(|next| next <= self.shared.clock.now()) {
            busy = true;
            self.run_due();
        }
        busy
    }

    fn carry_out(&mut self, worker: usize, effect: Effect) {
        match effect {
            Effect::Upstream { stream, request, frame } => {
                if let Some(worker) = self.workers.get_mut(worker) {
                    worker.upstream_chosen(stream, UPSTREAM.to_owned());
                }
                let traffic = self.traffic.entry((worker, stream)).or_default();
                let whole = traffic.upstream(request, frame);
                if let Some((request, script)) = whole.zip(self.upstream.as_mut()) {
                    let answer = script(&request);
                    for (after, outcome) in answer.outcomes() {
                        self.schedule(after, Scheduled::Upstream(worker, stream, outcome));
                    }
                }
            }
            Effect::Downstream { stream, frame } => {
                self.traffic.entry((worker, stream)).or_default().response.take(frame);
            }
            Effect::Ended { stream } => self.traffic.entry((worker, stream)).or_default().ended = true,
            Effect::Callout(id, callout) => {
                let answer = self.clusters.get_mut(&callout.cluster).map(|script| script(&callout));
                let outcomes = answer.map(|answer| answer.events(id)).unwrap_or_default();
                for (after, event) in outcomes {
                    self.schedule(after, Scheduled::Callout(worker, id, event));
                }
                self.callouts.push((id, callout));
            }
            Effect::Cancelled(id) => {
                self.scheduled.retain(|_, scheduled| !matches!(scheduled, Scheduled::Callout(_, of, _) if *of == id));
            }
            Effect::GrpcSend(..) => {}
        }
    }

    fn schedule(&mut self, after: Duration, scheduled: Scheduled) {
        let at = self.shared.clock.now().saturating_add(nanoseconds(after));
        self.next_scheduled = self.next_scheduled.saturating_add(1);
        self.scheduled.insert((at, self.next_scheduled), scheduled);
    }
}
