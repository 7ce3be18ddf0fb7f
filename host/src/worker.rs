//! A worker: one thread's VMs, and the streams that pass through them.
//!
//! A worker does no input and output of its own: it is told what came, and says by [`Effect`]s what is to go out.

mod answers;
mod roots;
mod timers;

use crate::callout::{CalloutEvent, CalloutId};
use crate::counters::Counters;
use crate::effect::{Effect, Effects};
use crate::error::Failure;
use crate::faults::Fault;
use crate::fields::Fields;
use crate::limits::Limits;
use crate::plugin::VmKey;
use crate::shared::Shared;
use crate::stream::{self, Direction, Exchange, Handle, Info, LocalReply};
use crate::vm::VmHandle;
use roots::Slot;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// One thread's VMs and streams.
pub struct Worker {
    index: usize,
    shared: Arc<Shared>,
    limits: Limits,
    buffer_limit: usize,
    effects: Effects,
    vms: BTreeMap<VmKey, VmHandle>,
    /// VMs that have failed and were replaced, the last of them: what they used and why they failed can still be asked for.
    retired: Vec<VmHandle>,
    chain: Vec<Slot>,
    streams: BTreeMap<u64, Handle>,
    next_stream: u64,
    timeouts: BTreeMap<CalloutId, u64>,
}

/// How an upstream fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamFailure {
    /// No connection.
    Refused,
    /// The connection or the stream broke.
    Reset,
    /// No answer in time.
    TimedOut,
}

/// How often in a row gRPC calls are refused before all else goes on.
const REFUSALS: usize = 16;

/// Bytes that a filter may hold back, as Envoy's listeners and clusters have it by default.
pub const BUFFER_LIMIT: usize = 1 << 20;

impl Worker {
    /// A worker without plugins. The one with the index 0 is Envoy's main thread, which has VMs but no streams.
    #[must_use]
    pub fn new(index: usize, shared: Arc<Shared>, limits: Limits) -> Self {
        Self {
            index,
            shared,
            limits,
            buffer_limit: BUFFER_LIMIT,
            effects: Effects::default(),
            vms: BTreeMap::new(),
            retired: Vec::new(),
            chain: Vec::new(),
            streams: BTreeMap::new(),
            next_stream: 1,
            timeouts: BTreeMap::new(),
        }
    }

    /// Sets how many bytes a filter may hold back of each message.
    pub const fn set_buffer_limit(&mut self, limit: usize) {
        self.buffer_limit = limit;
    }

    // --- Streams ---

    /// Begins a stream, and returns its number.
    pub fn open(&mut self, info: Info) -> u64 {
        let id = self.next_stream;
        self.next_stream = id.saturating_add(1);
        let filters = self.filters();
        let (effects, clock) = (Rc::clone(&self.effects), self.shared.clock.clone());
        let exchange = Exchange::new(id, info, filters, self.buffer_limit, effects, clock);
        self.streams.insert(id, Rc::new(RefCell::new(exchange)));
        id
    }

    /// The client sent headers, and nothing behind them if `end_stream`.
    pub fn request_headers(&mut self, stream: u64, headers: Fields, end_stream: bool) {
        let Some(stream) = self.receiving(stream, Direction::Request) else { return };
        {
            let mut exchange = stream.borrow_mut();
            exchange.forwarded_proto = headers.get("x-forwarded-proto").is_some();
            exchange.request.headers = Some(headers);
            exchange.request.complete = end_stream;
        }
        stream::pass_headers(&stream, Direction::Request, 0, end_stream);
    }

    /// The client sent a piece of a body.
    pub fn request_data(&mut self, stream: u64, data: Vec<u8>, end_stream: bool) {
        let Some(stream) = self.receiving(stream, Direction::Request) else { return };
        {
            let request = &mut stream.borrow_mut().request;
            request.complete = end_stream;
            request.body_bytes = request.body_bytes.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        }
        stream::pass_data(&stream, Direction::Request, 0, data, end_stream);
    }

    /// The client sent trailers.
    pub fn request_trailers(&mut self, stream: u64, trailers: Fields) {
        let Some(stream) = self.receiving(stream, Direction::Request) else { return };
        {
            let request = &mut stream.borrow_mut().request;
            request.complete = true;
            request.trailers = Some(trailers);
        }
        stream::pass_trailers(&stream, Direction::Request, 0);
    }

    /// The client went away.
    pub fn client_gone(&mut self, stream: u64) {
        if let Some(stream) = self.streams.get(&stream).cloned() {
            stream::end(&stream);
        }
    }

    /// Which upstream takes the stream.
    pub fn upstream_chosen(&mut self, stream: u64, address: String) {
        if let Some(stream) = self.streams.get(&stream) {
            stream.borrow_mut().info.upstream = Some(address);
        }
    }

    /// The upstream sent headers.
    pub fn response_headers(&mut self, stream: u64, headers: Fields, end_stream: bool) {
        let Some(stream) = self.receiving(stream, Direction::Response) else { return };
        {
            let mut exchange = stream.borrow_mut();
            if exchange.response.headers.is_some() {
                return;
            }
            exchange.info.details = Some("via_upstream".to_owned());
            exchange.response.headers = Some(headers);
            exchange.response.complete = end_stream;
        }
        stream::pass_headers(&stream, Direction::Response, 0, end_stream);
    }

    /// The upstream sent a piece of a body.
    pub fn response_data(&mut self, stream: u64, data: Vec<u8>, end_stream: bool) {
        let Some(stream) = self.receiving(stream, Direction::Response) else { return };
        stream.borrow_mut().response.complete = end_stream;
        stream::pass_data(&stream, Direction::Response, 0, data, end_stream);
    }

    /// The upstream sent trailers.
    pub fn response_trailers(&mut self, stream: u64, trailers: Fields) {
        let Some(stream) = self.receiving(stream, Direction::Response) else { return };
        {
            let response = &mut stream.borrow_mut().response;
            response.complete = true;
            response.trailers = Some(trailers);
        }
        stream::pass_trailers(&stream, Direction::Response, 0);
    }

    /// The upstream failed before its response was whole.
    pub fn upstream_failed(&mut self, stream: u64, failure: UpstreamFailure) {
        let Some(stream) = self.receiving(stream, Direction::Response) else { return };
        let begun = stream.borrow().response.headers.is_some();
        if begun {
            stream.borrow_mut().info.details =
                Some("upstream_reset_after_response_started{connection_termination}".to_owned());
            stream::abort(&stream);
        } else {
            stream::local_reply(&stream, failure.reply());
        }
    }

    /// Whether a filter holds the request back.
    #[must_use]
    pub fn paused(&self, stream: u64, direction: Direction) -> bool {
        self.streams.get(&stream).is_some_and(|stream| {
            let exchange = stream.borrow();
            exchange.filters.iter().any(|filter| filter.side(direction).iteration != stream::Iteration::Continue)
        })
    }

    /// Whether a filter holds so much of a message back that its sender is to wait, as Envoy's flow control has it.
    #[must_use]
    pub fn stalled(&self, stream: u64, direction: Direction) -> bool {
        self.streams.get(&stream).is_some_and(|stream| {
            let exchange = stream.borrow();
            exchange.filters.iter().any(|filter| filter.side(direction).stalls(exchange.buffer_limit))
        })
    }

    /// The number that the next stream gets.
    #[must_use]
    pub const fn next_stream(&self) -> u64 {
        self.next_stream
    }

    /// The number of the oldest stream that is not over.
    #[must_use]
    pub fn oldest_stream(&self) -> Option<u64> {
        self.streams.first_key_value().map(|(stream, _)| *stream)
    }

    fn receiving(&self, stream: u64, direction: Direction) -> Option<Handle> {
        let stream = self.streams.get(&stream)?;
        let exchange = stream.borrow();
        // Nothing more is taken of a stream that was answered here.
        (!exchange.replied && exchange.open(direction)).then(|| Rc::clone(stream))
    }

    // --- Outside ---

    /// What is to go out, in order.
    pub fn effects(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        // A guest that is refused may ask again at once.
        for _ in 0..REFUSALS {
            let refused = self.take_effects(&mut effects);
            if refused.is_empty() {
                break;
            }
            for id in refused {
                self.callout(id, CalloutEvent::GrpcClose(14, b"Cluster not available".to_vec()));
            }
        }
        let now = self.shared.clock.now();
        for effect in &effects {
            match effect {
                Effect::Ended { stream } => {
                    self.streams.remove(stream);
                }
                Effect::Callout(id, callout) if callout.timeout > 0 => {
                    let timeout = u64::from(callout.timeout).saturating_mul(1_000_000);
                    self.timeouts.insert(*id, now.saturating_add(timeout));
                }
                Effect::Cancelled(id) => {
                    self.timeouts.remove(id);
                }
                _ => {}
            }
        }
        effects
    }

    /// Takes what is to go out, and returns the gRPC calls that do not: those to clusters that there are none of.
    fn take_effects(&mut self, effects: &mut Vec<Effect>) -> Vec<CalloutId> {
        let mut refused = Vec::new();
        for effect in self.effects.borrow_mut().drain(..) {
            match effect {
                Effect::Callout(id, callout) if !self.shared.has_cluster(&callout.cluster) => refused.push(id),
                effect => effects.push(effect),
            }
        }
        refused
    }

    /// What came of a callout; nothing where nobody waits for it any more.
    pub fn callout(&mut self, id: CalloutId, event: CalloutEvent) {
        if let Some(vm) = self.vm(id.vm)
            && answers::tell(&vm, id.token, event)
        {
            self.timeouts.remove(&id);
        }
    }

    /// Tells roots of queues that have got items, and says whether there were any.
    pub fn queues(&mut self) -> bool {
        let all = self.shared.queues.take_ready(self.index);
        for ready in &all {
            let vm = self.vm(ready.owner.vm);
            let is_there = |vm: &VmHandle| vm.borrow().state().contexts.contains_key(&ready.owner.root);
            if let Some(vm) = vm.filter(is_there) {
                stream::run(&vm, ready.owner.root, "proxy_on_queue_ready", &[ready.token]);
            }
        }
        !all.is_empty()
    }

    // --- Control ---

    /// What the VMs have used, added up by plugin chain order: one for each VM.
    #[must_use]
    pub fn counters(&self) -> Vec<Counters> {
        self.all_vms().map(|vm| vm.borrow().state().counters.clone()).collect()
    }

    /// Why VMs do not run any more.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        self.all_vms().filter_map(|vm| vm.borrow().failure().cloned()).collect()
    }

    /// Gives a fault to the VMs that there are.
    pub fn inject(&mut self, fault: &Fault) {
        for vm in self.all_vms() {
            vm.borrow_mut().state_mut().faults.add(fault.clone());
        }
    }

    /// Takes all faults from the VMs that there are.
    pub fn clear_faults(&mut self) {
        for vm in self.all_vms() {
            vm.borrow_mut().state_mut().faults.clear();
        }
    }

    fn all_vms(&self) -> impl Iterator<Item = &VmHandle> {
        self.vms.values().chain(&self.retired)
    }

    fn vm(&self, number: u64) -> Option<VmHandle> {
        self.all_vms().find(|vm| vm.borrow().state().home.vm == number).cloned()
    }
}

// === impl UpstreamFailure ===

impl UpstreamFailure {
    fn reply(self) -> LocalReply {
        let before = "upstream connect error or disconnect/reset before headers";
        match self {
            Self::Refused => {
                let body = format!("{before}. reset reason: remote connection failure");
                LocalReply::upstream_failure(&body, "upstream_reset_before_response_started{remote_connection_failure}")
            }
            Self::Reset => LocalReply::upstream_reset(),
            Self::TimedOut => LocalReply {
                status: 504,
                ..LocalReply::upstream_failure("upstream request timeout", "response_timeout")
            },
        }
    }
}
