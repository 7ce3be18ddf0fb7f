//! Describing a host for tests.

use super::{Answer, Host, Inner, Message, Script};
use crate::callout::Callout;
use crate::capabilities::Capabilities;
use crate::clock::Clock;
use crate::compiler::Compiler;
use crate::error::StartError;
use crate::faults::Fault;
use crate::limits::Limits;
use crate::lock;
use crate::plugin::{FailurePolicy, Plugin};
use crate::random::Random;
use crate::shared::{LogLine, Shared};
use crate::worker::{BUFFER_LIMIT, Worker};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

/// A host that is yet to be built. What describes a plugin is about the last [`HostBuilder::module`].
#[must_use]
pub struct HostBuilder {
    plugins: Vec<Described>,
    workers: usize,
    limits: Limits,
    seed: u64,
    log_level: u32,
    buffer_limit: usize,
    clusters: BTreeMap<String, Script<Callout>>,
    upstream: Option<Script<Message>>,
    faults: Vec<Fault>,
    shared: Option<Arc<Shared>>,
}

struct Described {
    code: Vec<u8>,
    change: Vec<Change>,
}

type Change = Box<dyn FnOnce(&mut Plugin)>;

impl Default for HostBuilder {
    fn default() -> Self {
        Self {
            plugins: Vec::new(),
            workers: 1,
            limits: Limits::default(),
            seed: 1,
            log_level: 2,
            buffer_limit: BUFFER_LIMIT,
            clusters: BTreeMap::new(),
            upstream: None,
            faults: Vec::new(),
            shared: None,
        }
    }
}

impl HostBuilder {
    /// A plugin more behind the others, in a module of these bytes.
    pub fn module(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.plugins.push(Described { code: bytes.as_ref().to_vec(), change: Vec::new() });
        self
    }

    /// The plugin's name, in place of `plugin`.
    pub fn name(self, name: &str) -> Self {
        let name = name.to_owned();
        self.change(move |plugin| plugin.name = name)
    }

    /// What the plugin is configured with.
    pub fn config(self, configuration: impl AsRef<[u8]>) -> Self {
        let configuration = configuration.as_ref().to_vec();
        self.change(move |plugin| plugin.configuration = configuration)
    }

    /// What the plugin's VM is configured with.
    pub fn vm_config(self, configuration: impl AsRef<[u8]>) -> Self {
        let configuration = configuration.as_ref().to_vec();
        self.change(move |plugin| plugin.vm.configuration = configuration)
    }

    /// The id of the plugin's VM.
    pub fn vm_id(self, id: &str) -> Self {
        let id = id.to_owned();
        self.change(move |plugin| plugin.vm.id = id)
    }

    /// The plugin's root id.
    pub fn root_id(self, id: &str) -> Self {
        let id = id.to_owned();
        self.change(move |plugin| plugin.root_id = id)
    }

    /// A variable in the environment of the plugin's VM.
    pub fn environment(self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.change(move |plugin| {
            plugin.vm.environment.insert(name, value);
        })
    }

    /// What the plugin may call and what is called of it.
    pub fn capabilities<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        let capabilities: Capabilities = names.into_iter().collect();
        self.change(move |plugin| plugin.vm.capabilities = capabilities)
    }

    /// What becomes of requests where the plugin cannot run.
    pub fn failure_policy(self, policy: FailurePolicy) -> Self {
        self.change(move |plugin| plugin.failure_policy = policy)
    }

    /// Whether pausing in the plugin's headers callbacks leaves its body callbacks running.
    pub fn allow_on_headers_stop_iteration(self, allow: bool) -> Self {
        self.change(move |plugin| plugin.allow_on_headers_stop_iteration = allow)
    }

    /// How many workers there are, in place of one.
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// What VMs may use.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What random bytes come of.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The least severe level that is logged: 0 trace .. 5 critical.
    pub const fn log_level(mut self, level: u32) -> Self {
        self.log_level = level;
        self
    }

    /// Bytes that a filter may hold back, in place of 1 MiB.
    pub const fn buffer_limit(mut self, limit: usize) -> Self {
        self.buffer_limit = limit;
        self
    }

    /// A cluster that callouts may go to.
    pub fn cluster(mut self, name: &str, script: impl FnMut(&Callout) -> Answer + 'static) -> Self {
        self.clusters.insert(name.to_owned(), Box::new(script));
        self
    }

    /// What answers whole requests; without it the test does.
    pub fn upstream(mut self, script: impl FnMut(&Message) -> Answer + 'static) -> Self {
        self.upstream = Some(Box::new(script));
        self
    }

    /// A fault of all VMs from their start on.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// With clock, data, queues and metrics of another host, in place of its own. What is logged goes where the other's goes.
    pub fn shared(mut self, shared: Arc<Shared>) -> Self {
        self.shared = Some(shared);
        self
    }

    /// Starts it: a canary, the main thread, the workers.
    ///
    /// # Errors
    ///
    /// A module that Envoy would not load, or a plugin that does not start.
    pub fn build(self) -> Result<Host, StartError> {
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&log);
        let write = move |line: LogLine| lock(&sink).push(line);
        let own = || {
            let shared = Shared::new(Clock::still(), Random::Seeded(self.seed), write);
            shared.set_log_level(self.log_level);
            Arc::new(shared)
        };
        let shared = self.shared.unwrap_or_else(own);
        for name in self.clusters.keys() {
            shared.add_cluster(name);
        }
        for fault in self.faults {
            shared.add_fault(fault);
        }
        let mut plugins = Vec::new();
        for described in self.plugins {
            let mut plugin = Plugin::new("plugin", Compiler::once(&described.code, &self.limits)?);
            for change in described.change {
                change(&mut plugin);
            }
            plugins.push(plugin);
        }
        let workers = (0..=self.workers).map(|index| {
            let mut worker = Worker::new(index, Arc::clone(&shared), self.limits.clone());
            worker.set_buffer_limit(self.buffer_limit);
            worker
        });
        let mut inner = Inner {
            workers: workers.collect(),
            shared,
            plugins: Vec::new(),
            proven: BTreeSet::new(),
            limits: self.limits,
            clusters: self.clusters,
            upstream: self.upstream,
            traffic: BTreeMap::new(),
            callouts: Vec::new(),
            scheduled: BTreeMap::new(),
            next_scheduled: 0,
            next_worker: 0,
            log,
        };
        inner.load(plugins)?;
        let host = Host(Rc::new(RefCell::new(inner)));
        host.settle();
        Ok(host)
    }

    fn change(mut self, change: impl FnOnce(&mut Plugin) + 'static) -> Self {
        if let Some(plugin) = self.plugins.last_mut() {
            plugin.change.push(Box::new(change));
        }
        self
    }
}
