//! A VM's state: what host calls read and change.

use crate::callout::{Callout, CalloutId, CalloutKind};
use crate::counters::Counters;
use crate::effect::{Effect, Effects};
use crate::error::Why;
use crate::faults::{self, Faults};
use crate::fields::Fields;
use crate::limits::{CALL, Limits, MemoryLimit};
use crate::metrics::Defined;
use crate::plugin::{Plugin, VmSettings};
use crate::queues::Owner;
use crate::shared::{LogLine, Shared};
use crate::status::Status;
use crate::stream::{Action, Exchange};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use wasmtime::{Func, Memory};

/// Where a VM lives.
#[derive(Clone)]
pub(crate) struct Home {
    /// Its worker.
    pub worker: usize,
    /// Its number on all workers.
    pub vm: u64,
    /// Where its worker's effects go.
    pub effects: Effects,
}

/// What host calls read and change.
pub(crate) struct VmState {
    pub settings: VmSettings,
    pub shared: Arc<Shared>,
    pub home: Home,
    pub memory: Option<Memory>,
    pub allocate: Option<Func>,
    pub memory_limit: MemoryLimit,
    pub contexts: BTreeMap<u32, Context>,
    next_context: u32,
    current: u32,
    /// What `proxy_set_effective_context` was called with, during one call; 0 where it was not.
    pub effective: u32,
    /// Whether the client was answered during the current call.
    pub stop_iteration: bool,
    pub restriction: Restriction,
    pub actions: VecDeque<Action>,
    /// The plugin configuration, in `proxy_on_configure`.
    pub configuration: Option<Vec<u8>>,
    /// The answer to a callout, and the root that gets it.
    pub answer: Option<(u32, Answer)>,
    /// What `proxy_get_status` tells.
    pub status: (u32, Vec<u8>),
    /// The callouts in flight, and the root of each.
    pub callouts: BTreeMap<u32, u32>,
    tokens: [u32; 3],
    /// How often roots tick, in milliseconds, and when they tick next.
    pub ticks: BTreeMap<u32, (u32, u64)>,
    /// Roots that are to end as soon as their guest says that it is done.
    pub pending: BTreeSet<u32>,
    pub metrics: Defined,
    pub counters: Counters,
    pub faults: Faults,
    log_left: usize,
    handed_left: usize,
    limits: Limits,
}

/// A context of the guest: a plugin's root, or a filter of a stream.
pub(crate) struct Context {
    /// The root of a stream context; 0 for a root.
    pub parent: u32,
    pub plugin: Rc<Plugin>,
    pub stream: Option<(Weak<RefCell<Exchange>>, usize)>,
}

/// An answer to a callout while it is told.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub headers: Option<Fields>,
    pub body: Option<Vec<u8>>,
    pub trailers: Option<Fields>,
    pub grpc_initial: Option<Fields>,
    pub grpc_trailing: Option<Fields>,
    pub grpc_message: Option<Vec<u8>>,
}

/// Where only some host calls work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restriction {
    None,
    /// In the start functions.
    Start,
    /// In the allocator.
    Allocation,
}

impl VmState {
    pub(crate) fn new(settings: VmSettings, shared: Arc<Shared>, home: Home, limits: &Limits) -> Self {
        let faults = shared.faults();
        Self {
            settings,
            shared,
            home,
            memory: None,
            allocate: None,
            memory_limit: MemoryLimit::new(limits.memory),
            contexts: BTreeMap::new(),
            next_context: 1,
            current: 0,
            effective: 0,
            stop_iteration: false,
            restriction: Restriction::None,
            actions: VecDeque::new(),
            configuration: None,
            answer: None,
            status: (0, Vec::new()),
            callouts: BTreeMap::new(),
            tokens: [0; 3],
            ticks: BTreeMap::new(),
            pending: BTreeSet::new(),
            metrics: Defined::default(),
            counters: Counters::default(),
            faults,
            log_left: limits.log,
            handed_left: limits.handed,
            limits: limits.clone(),
        }
    }

    pub(crate) fn begin(&mut self, context: u32, callback: &str) {
        self.current = context;
        self.effective = 0;
        self.log_left = self.limits.log;
        self.handed_left = self.limits.handed;
        self.counters.callback(callback);
    }

    pub(crate) const fn finish(&mut self) {
        self.current = 0;
        self.effective = 0;
    }

    pub(crate) fn add_context(&mut self, context: Context) -> u32 {
        let id = self.next_context;
        self.next_context = id.saturating_add(1);
        self.contexts.insert(id, context);
        id
    }

    /// The context that host calls act on, and its number; `None` in start functions.
    pub(crate) fn context(&self) -> Option<(u32, &Context)> {
        let of = |id| self.contexts.get(&id).map(|context| (id, context));
        of(self.effective).or_else(|| of(self.current))
    }

    /// The root of the context that host calls act on.
    pub(crate) fn root(&self) -> u32 {
        self.context().map_or(0, |(id, context)| if context.parent == 0 { id } else { context.parent })
    }

    /// The stream that host calls act on, and the filter's place in it.
    pub(crate) fn stream(&self) -> Option<(Rc<RefCell<Exchange>>, usize)> {
        let (stream, place) = self.context()?.1.stream.as_ref()?;
        Some((stream.upgrade()?, *place))
    }

    /// The answer to a callout, if the root of the context that host calls act on is being told one.
    pub(crate) fn answer(&self) -> Option<&Answer> {
        let root = self.root();
        self.answer.as_ref().filter(|(of, _)| *of == root).map(|(_, answer)| answer)
    }

    /// Like [`Self::answer`], to be changed.
    pub(crate) fn answer_mut(&mut self) -> Option<&mut Answer> {
        let root = self.root();
        self.answer.as_mut().filter(|(of, _)| *of == root).map(|(_, answer)| answer)
    }

    /// Who is told of a queue.
    pub(crate) fn owner(&self) -> Owner {
        Owner { worker: self.home.worker, vm: self.home.vm, root: self.root() }
    }

    /// Sends a callout and returns its token.
    pub(crate) fn send(&mut self, kind: CalloutKind, callout: Callout) -> u32 {
        let last = match kind {
            CalloutKind::Http => self.tokens.get_mut(0),
            CalloutKind::GrpcCall => self.tokens.get_mut(1),
            CalloutKind::GrpcStream => self.tokens.get_mut(2),
        };
        let token = last.map_or(0, |last| {
            *last = last.saturating_add(4);
            *last | kind as u32
        });
        self.callouts.insert(token, callout.root);
        self.effect(Effect::Callout(self.callout(token), callout));
        token
    }

    pub(crate) const fn callout(&self, token: u32) -> CalloutId {
        CalloutId { vm: self.home.vm, token }
    }

    /// Sets how often a root ticks; 0 is never.
    pub(crate) fn set_period(&mut self, root: u32, milliseconds: u32) {
        if milliseconds == 0 {
            self.ticks.remove(&root);
        } else {
            let next = self.shared.clock.now().saturating_add(u64::from(milliseconds).saturating_mul(1_000_000));
            self.ticks.insert(root, (milliseconds, next));
        }
    }

    /// The guest says that a root is done; `false` where nobody waits for that.
    pub(crate) fn finish_root(&mut self, root: u32) -> bool {
        let waited = self.pending.remove(&root);
        if waited {
            self.actions.push_back(Action::Delete(root));
        }
        waited
    }

    /// Forgets a context. What a root waits for is given up: there is nobody to tell.
    pub(crate) fn remove_context(&mut self, id: u32) {
        let is_root = self.contexts.remove(&id).is_some_and(|context| context.parent == 0);
        if !is_root {
            return;
        }
        self.ticks.remove(&id);
        for (token, _) in self.callouts.extract_if(.., |_, root| *root == id) {
            let callout = CalloutId { vm: self.home.vm, token };
            self.home.effects.borrow_mut().push_back(Effect::Cancelled(callout));
        }
    }

    pub(crate) fn effect(&self, effect: Effect) {
        self.home.effects.borrow_mut().push_back(effect);
    }

    /// Counts bytes that the guest hands to the host; `false` where it has handed over too many in this call.
    pub(crate) const fn take_over(&mut self, bytes: usize) -> bool {
        let left = self.handed_left.checked_sub(bytes);
        self.handed_left = if let Some(left) = left { left } else { 0 };
        left.is_some()
    }

    /// Counts a host call, and gives what a fault has it answer.
    ///
    /// # Errors
    ///
    /// It is a trap: by a fault, or as one that is not allowed now or too many.
    pub(crate) fn enter(&mut self, name: &'static str, is_restricted: bool) -> Result<Option<Status>, Why> {
        self.counters.host_call(name);
        if !self.take_over(CALL) {
            return Err(Why::Handed);
        }
        if is_restricted {
            return Err(Why::Restricted(name));
        }
        match self.faults.at(name) {
            Some(faults::Effect::Trap) => Err(Why::Injected(name)),
            Some(faults::Effect::Answer(status)) => Ok(Some(status)),
            None => Ok(None),
        }
    }

    /// Bytes that the guest may still log in this call.
    pub(crate) const fn log_left(&self) -> usize {
        self.log_left
    }

    /// Writes a line of the guest's to the log; `false` where it has written too much in this call.
    pub(crate) fn log(&mut self, level: u32, text: &[u8]) -> bool {
        if text.len() > self.log_left {
            return false;
        }
        self.log_left = self.log_left.saturating_sub(text.len());
        let text = String::from_utf8_lossy(text).into_owned();
        self.shared.log(LogLine { worker: self.home.worker, level, plugin: self.plugin_name(), text });
        true
    }

    /// Writes a line of the host's own to the log.
    pub(crate) fn log_as_host(&self, level: u32, text: &str) {
        let text = text.to_owned();
        self.shared.log(LogLine { worker: self.home.worker, level, plugin: self.plugin_name(), text });
    }

    fn plugin_name(&self) -> String {
        let context = self.context().or_else(|| self.contexts.first_key_value().map(|(id, context)| (*id, context)));
        context.map_or_else(String::new, |(_, context)| context.plugin.name.clone())
    }
}
