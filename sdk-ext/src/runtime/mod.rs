//! The runtime: turns the host's callbacks into polls of one future per exchange, and the futures' state into
//! answers for the host.
//!
//! It owns the pause state. What it answers and when it continues a stream keeps four promises: no message goes
//! twice, none is released by its body or trailers while its headers are held, nothing of a stream outlives it, and
//! no surprise of the host's is a trap.

pub(crate) mod calls;
pub(crate) mod flow;
mod ready;
pub(crate) mod root;
pub(crate) mod stream;
pub(crate) mod timers;

use crate::abi::{self, Buffer};
use crate::config;
use crate::direction::Direction;
use crate::exchange::Exchange;
use crate::filter::{Filter, OnFailure, Phases};
use crate::handle::{self, Handle};
use crate::headers;
use crate::http_call;
use crate::log;
use crate::plugin::Plugin;
use crate::reply::{Answer, ExchangeError, Kind, Reply};
use root::RootState;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;
use stream::{Stream, Task};

/// What a callback answers: the stream goes on.
const CONTINUE: u32 = 0;
/// What a callback answers: the stream is held.
const PAUSE: u32 = 1;

/// How often a future may wake itself in one callback before it counts as an endless loop.
const MAX_POLLS: usize = 1000;

/// A filter's configuration in this worker.
struct Root<F> {
    state: Rc<RootState>,
    filter: F,
}

/// Everything that one module holds in one VM; [`filter!`](crate::filter) makes one and calls it from the exports.
#[doc(hidden)]
pub struct Runtime<F: Filter> {
    /// The stream context that was created last and its root: it comes right before the stream's first callback.
    created: Cell<(u32, u32)>,
    roots: RefCell<Vec<Rc<Root<F>>>>,
    tasks: RefCell<BTreeMap<u32, Task>>,
    /// Futures are being polled because others woke them.
    waking: Cell<bool>,
}

impl<F: Filter> Default for Runtime<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Filter> Runtime<F> {
    /// A runtime without any context.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            created: Cell::new((0, 0)),
            roots: RefCell::new(Vec::new()),
            tasks: RefCell::new(BTreeMap::new()),
            waking: Cell::new(false),
        }
    }

    /// `proxy_on_context_create`
    pub fn context_create(&self, id: u32, root: u32) {
        if root == 0 {
            log::install();
        } else {
            self.created.set((id, root));
            log::follow();
        }
    }

    /// `proxy_on_configure`
    pub fn configure(&self, root: u32, size: usize) -> bool {
        log::refresh();
        match self.take_config(root, size) {
            Ok(()) => true,
            Err(errors) => {
                abi::log(4, &format!("{}: configuration refused: {errors}", F::NAME));
                false
            }
        }
    }

    fn take_config(&self, id: u32, size: usize) -> Result<(), config::ConfigErrors> {
        let bytes = abi::buffer_bytes(Buffer::PluginConfiguration, 0, size)
            .map_err(|error| config::ConfigErrors::new("", error.to_string()))?;
        let parsed = config::parse(&bytes)?;
        let plugin = Plugin::new::<F>(&bytes);
        let filter = F::configure(parsed, plugin.clone())?;
        plugin.announce();
        let state = Rc::new(RootState::new(id, F::NAME));
        let root = Rc::new(Root { state: state.clone(), filter });
        let replaced = self.take_root(id);
        self.roots.borrow_mut().push(root.clone());
        drop(replaced);
        if waits::<F>() {
            let stream = Rc::new(Stream::new(id, state));
            let handle = Handle::new(stream.clone());
            let future = Box::pin(async move {
                root.filter.background(handle).await;
                Ok(())
            });
            self.drive(Task { stream, future: Some(future), waker: ready::waker(id) }, None);
        }
        Ok(())
    }

    /// `proxy_on_delete`
    pub fn delete(&self, id: u32) {
        let task = self.take(id);
        let root = self.take_root(id);
        drop((task, root));
    }

    /// `proxy_on_request_headers`
    pub fn request_headers(&self, id: u32, end_of_stream: bool) -> u32 {
        let task = match self.take(id) {
            Some(task) => task,
            None => match self.begin(id) {
                Some(task) => task,
                None => return self.refuse_unconfigured(id),
            },
        };
        task.stream.request.headers_came(end_of_stream);
        self.drive(task, Some(Direction::Request))
    }

    /// `proxy_on_response_headers`
    ///
    /// It may come before its request is complete: a local reply, or an upstream that answers early.
    pub fn response_headers(&self, id: u32, end_of_stream: bool) -> u32 {
        // Without a task the filter has finished with this exchange, or never saw its request.
        let Some(task) = self.take(id) else { return CONTINUE };
        let request = &task.stream.request;
        if !request.is_complete() {
            if request.is_unseen() || is_local_reply() {
                // The host itself answers this request: there is nothing left to wait for or to protect.
                return CONTINUE;
            }
            request.overtaken();
        }
        task.stream.response.headers_came(end_of_stream);
        self.drive(task, Some(Direction::Response))
    }

    /// `proxy_on_request_body`
    pub fn request_body(&self, id: u32, size: usize, end_of_stream: bool) -> u32 {
        self.body(id, Direction::Request, size, end_of_stream)
    }

    /// `proxy_on_request_trailers`
    pub fn request_trailers(&self, id: u32) -> u32 {
        self.trailers(id, Direction::Request)
    }

    /// `proxy_on_response_body`
    pub fn response_body(&self, id: u32, size: usize, end_of_stream: bool) -> u32 {
        self.body(id, Direction::Response, size, end_of_stream)
    }

    /// `proxy_on_response_trailers`
    pub fn response_trailers(&self, id: u32) -> u32 {
        self.trailers(id, Direction::Response)
    }

    /// `proxy_on_http_call_response`, which comes on the root context
    pub fn http_call_response(&self, root: u32, token: u32, headers: usize, body_size: usize) {
        let call = self.root(root).and_then(|root| root.state.calls.remove(token));
        if let Some(call) = call {
            call.answer(http_call::read_answer(headers, body_size, call.max_body));
            self.wake_others_than(0);
        }
    }

    /// `proxy_on_tick`
    pub fn tick(&self, id: u32) {
        log::refresh();
        let Some(root) = self.root(id) else { return };
        let now = match abi::current_time() {
            Ok(time) => root.state.timers.advance(Duration::from_nanos(time)),
            Err(error) => return root.state.report(&error),
        };
        root.state.timers.wake_due(now);
        self.wake_others_than(0);
        let armed = abi::set_effective_context(id).and_then(|()| root.state.arm(now));
        if let Err(error) = armed {
            root.state.report(&error);
        }
    }

    /// The exchange of a stream that was just created.
    fn begin(&self, id: u32) -> Option<Task> {
        let (created, root) = self.created.get();
        let root = self.root(root).filter(|_| created == id)?;
        let stream = Rc::new(Stream::new(id, root.state.clone()));
        let exchange = Exchange::new(stream.clone());
        let waker = if keeps_tasks::<F>() { ready::waker(id) } else { Waker::noop().clone() };
        let future = Box::pin(async move { root.filter.exchange(exchange).await });
        Some(Task { stream, future: Some(future), waker })
    }

    fn body(&self, id: u32, direction: Direction, size: usize, end_of_stream: bool) -> u32 {
        let Some(task) = self.take(id) else { return CONTINUE };
        let flow = task.stream.flow(direction);
        flow.body_came(size, end_of_stream);
        match flow.body_is_awaited() {
            true => self.drive(task, Some(direction)),
            false => self.settle(task, Some(direction)),
        }
    }

    fn trailers(&self, id: u32, direction: Direction) -> u32 {
        let Some(task) = self.take(id) else { return CONTINUE };
        let stream = task.stream.clone();
        let flow = stream.flow(direction);
        flow.trailers_came();
        let later = flow.must_go_later();
        match self.drive(task, Some(direction)) {
            CONTINUE if later && waits::<F>() => self.go_later(&stream, direction),
            answer => answer,
        }
    }

    /// Polls a context's future outside of the stream's own callbacks.
    fn wake(&self, id: u32) {
        let Some(task) = self.take(id) else { return };
        // A context that is gone takes its future along.
        if abi::set_effective_context(id).is_ok() {
            self.drive(task, None);
        }
    }

    /// Polls all futures that were woken, but for that of the running callback, whose answer is still to be given.
    fn wake_others_than(&self, own: u32) {
        if !keeps_tasks::<F>() || self.waking.replace(true) {
            return;
        }
        let mut woken = false;
        while let Some(other) = ready::take_other_than(own) {
            self.wake(other);
            woken = true;
        }
        self.waking.set(false);
        if woken && own != 0 {
            // Where even this is refused, the calls that follow are refused as well, and say so.
            let _ = abi::set_effective_context(own);
        }
    }

    /// Polls a task and does what follows; the answer is meant for the callback of the flow `own`.
    fn drive(&self, mut task: Task, own: Option<Direction>) -> u32 {
        let outcome = match self.poll(&mut task) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => return self.settle(task, own),
        };
        // What the future held is free before the host does anything else with this stream.
        task.future = None;
        self.wake_others_than(task.stream.id);
        match self.refusal(&task.stream, outcome) {
            None => {
                task.stream.request.release();
                task.stream.response.release();
                self.settle(task, own)
            }
            Some(answer) => {
                if let Err(error) = send(&answer) {
                    task.stream.root.report(&error);
                    self.settle(task, own);
                }
                PAUSE
            }
        }
    }

    /// Polls a task's future, and others that it wakes, until it is finished or waits for the host.
    fn poll(&self, task: &mut Task) -> Poll<Result<(), Reply>> {
        let id = task.stream.id;
        task.stream.request.wake();
        task.stream.response.wake();
        for _ in 0..MAX_POLLS {
            if keeps_tasks::<F>() {
                ready::take(id);
            }
            let poll = task.poll();
            if poll.is_ready() {
                return poll;
            }
            self.wake_others_than(id);
            if !keeps_tasks::<F>() || !ready::take(id) {
                return match is_stalled::<F>(task) {
                    true => Poll::Ready(Err(ExchangeError::Stalled.into())),
                    false => Poll::Pending,
                };
            }
        }
        Poll::Ready(Err(ExchangeError::Stalled.into()))
    }

    /// Lets go what may go, and keeps what is not finished.
    fn settle(&self, task: Task, own: Option<Direction>) -> u32 {
        let stream = task.stream.clone();
        stream.resume(own);
        let held = own.is_some_and(|own| {
            let flow = stream.flow(own);
            match flow.may_go() {
                true => flow.go(),
                false => flow.hold(),
            }
            flow.is_held()
        });
        if task.future.is_some() || held || stream.request.is_blocked() {
            self.put(task);
        }
        if held { PAUSE } else { CONTINUE }
    }

    /// Holds a flow that may go on, and continues it in the next tick.
    fn go_later(&self, stream: &Rc<Stream>, direction: Direction) -> u32 {
        let timers = &stream.root.timers;
        let armed = abi::current_time().map(|time| timers.advance(Duration::from_nanos(time))).and_then(|now| {
            timers.insert(now.saturating_add(Duration::from_millis(1)), ready::waker(stream.id));
            stream.root.arm(now)
        });
        if let Err(error) = armed {
            stream.root.report(&error);
            return CONTINUE;
        }
        stream.flow(direction).hold();
        if !self.tasks.borrow().contains_key(&stream.id) {
            self.put(Task { stream: stream.clone(), future: None, waker: Waker::noop().clone() });
        }
        PAUSE
    }

    /// A stream whose root was never configured, or that came without `proxy_on_context_create`.
    fn refuse_unconfigured(&self, id: u32) -> u32 {
        if F::ON_FAILURE == OnFailure::Pass {
            return CONTINUE;
        }
        // When even this is refused, the stream is held to its end: that is all that is left to protect it.
        if send(&failure(500, "palisade_unconfigured")).is_err() && keeps_tasks::<F>() {
            let stream = Rc::new(Stream::new(id, Rc::new(RootState::new(0, F::NAME))));
            self.put(Task { stream, future: None, waker: Waker::noop().clone() });
        }
        PAUSE
    }

    /// The answer that the client gets in place of the upstream's, if any.
    fn refusal(&self, stream: &Stream, outcome: Result<(), Reply>) -> Option<Box<Answer>> {
        match outcome.err()?.kind {
            Kind::Answer(answer) => Some(answer),
            Kind::Failure(error) => {
                stream.root.report(&error);
                let too_long = matches!(error, ExchangeError::BodyTooLong { .. }) && !stream.response.has_started();
                let status = if too_long { 413 } else { 500 };
                (F::ON_FAILURE == OnFailure::Refuse).then(|| failure(status, "palisade_failure"))
            }
        }
    }

    /// Newest first: after updates, nearly all streams are the newest one's.
    fn root(&self, id: u32) -> Option<Rc<Root<F>>> {
        self.roots.borrow().iter().rev().find(|root| root.state.id == id).cloned()
    }

    fn take_root(&self, id: u32) -> Option<Rc<Root<F>>> {
        let mut roots = self.roots.borrow_mut();
        let place = roots.iter().position(|root| root.state.id == id)?;
        Some(roots.swap_remove(place))
    }

    fn take(&self, id: u32) -> Option<Task> {
        if !keeps_tasks::<F>() {
            return None;
        }
        self.tasks.borrow_mut().remove(&id)
    }

    fn put(&self, task: Task) {
        if keeps_tasks::<F>() {
            self.tasks.borrow_mut().insert(task.stream.id, task);
        }
    }
}

/// Whether a task can be unfinished when its callback returns. With one phase there is nothing that it could wait
/// for, and the table of tasks stays out of the module.
const fn keeps_tasks<F: Filter>() -> bool {
    const { !F::PHASES.same(Phases::named("request_headers")) }
}

/// Whether the filter waits for events outside of the stream's own phases.
const fn waits<F: Filter>() -> bool {
    const { F::PHASES.has(Phases::named("http_call")) || F::PHASES.has(Phases::named("sleep")) }
}

/// Whether a pending future awaits nothing that could ever come.
fn is_stalled<F: Filter>(task: &Task) -> bool {
    let waiting = task.stream.request.is_wanted() || task.stream.response.is_wanted();
    task.future.is_some() && !waits::<F>() && !waiting
}

/// Whether the response that has just come is the host's own and no upstream's.
fn is_local_reply() -> bool {
    let details = handle::property(&["response", "code_details"]).ok().flatten();
    details.is_some_and(|details| details != b"via_upstream")
}

fn send(answer: &Answer) -> Result<(), crate::status::HostError> {
    let lines = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    abi::send_local_response(answer.status, answer.details, &answer.body, &headers::encode(lines), answer.grpc_status)
}

/// The client learns nothing of what went wrong inside.
fn failure(status: u16, details: &'static str) -> Box<Answer> {
    Box::new(Answer { status, details, headers: Vec::new(), body: Vec::new(), grpc_status: None })
}
