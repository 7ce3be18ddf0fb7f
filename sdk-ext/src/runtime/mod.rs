//! The runtime: turns the host's callbacks into polls of one future per exchange, and the futures' state into
//! answers for the host.
//!
//! It owns the pause state. What it answers and when it continues a stream keeps four promises: no message goes
//! twice, none is released by its body or trailers while its headers are held, nothing of a stream outlives it, and
//! no surprise of the host's is a trap.

pub(crate) mod calls;
pub(crate) mod flow;
pub(crate) mod root;
pub(crate) mod stream;
pub(crate) mod timers;

use crate::abi::{self, Buffer};
use crate::config;
use crate::direction::Direction;
use crate::exchange::Exchange;
use crate::filter::{Filter, OnFailure, Phases};
use crate::handle::Handle;
use crate::headers;
use crate::http_call;
use crate::log;
use crate::plugin::Plugin;
use crate::reply::{Answer, ExchangeError, Kind, Reply};
use root::RootState;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use stream::{Stream, Task};

/// What a callback answers: the stream goes on.
const CONTINUE: u32 = 0;
/// What a callback answers: the stream is held.
const PAUSE: u32 = 1;

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
        Self { created: Cell::new((0, 0)), roots: RefCell::new(Vec::new()), tasks: RefCell::new(BTreeMap::new()) }
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
            self.drive(Task { stream, future: Some(future) }, None);
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
        match self.take(id) {
            Some(task) => self.carry_on(task, Direction::Request, |flow| flow.headers_came(end_of_stream)),
            None => self.begin(id, Direction::Request, end_of_stream),
        }
    }

    /// `proxy_on_response_headers`
    ///
    /// It may come before its request is complete: a local reply, or an upstream that answers early.
    pub fn response_headers(&self, id: u32, end_of_stream: bool) -> u32 {
        let Some(task) = self.take(id) else {
            // A filter that begins with the request has finished with this exchange or never saw its request.
            return match F::PHASES.has(const { Phases::named("request_headers") }) {
                true => CONTINUE,
                false => self.begin(id, Direction::Response, end_of_stream),
            };
        };
        let request = &task.stream.request;
        if !request.is_complete() {
            if request.is_unseen() {
                // Nobody upstream has seen this request: the host itself answers it, and the wait is over.
                return CONTINUE;
            }
            if request.is_wanted() {
                request.overtaken();
            }
        }
        self.carry_on(task, Direction::Response, |flow| flow.headers_came(end_of_stream))
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
            call.answer.set(Some(http_call::read_answer(headers, body_size, call.max_body)));
            self.wake(call.waiter);
        }
    }

    /// `proxy_on_tick`
    pub fn tick(&self, root: u32) {
        log::refresh();
        let Some(root) = self.root(root) else { return };
        let now = match abi::current_time() {
            Ok(time) => root.state.timers.advance(Duration::from_nanos(time)),
            Err(error) => return root.state.report(&error),
        };
        while let Some(waiter) = root.state.timers.take_due(now) {
            self.wake(waiter);
        }
        let armed = abi::set_effective_context(root.state.id).and_then(|()| root.state.arm(now));
        if let Err(error) = armed {
            root.state.report(&error);
        }
    }

    /// Starts the exchange of a stream that was just created.
    fn begin(&self, id: u32, direction: Direction, end_of_stream: bool) -> u32 {
        let (created, root) = self.created.get();
        let Some(root) = self.root(root).filter(|_| created == id) else {
            return refuse_unconfigured::<F>();
        };
        let stream = Rc::new(Stream::new(id, root.state.clone()));
        let exchange = Exchange::new(stream.clone());
        let future = Box::pin(async move { root.filter.exchange(exchange).await });
        self.carry_on(Task { stream, future: Some(future) }, direction, |flow| flow.headers_came(end_of_stream))
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
        match self.take(id) {
            Some(task) => self.carry_on(task, direction, |flow| flow.trailers_came()),
            None => CONTINUE,
        }
    }

    fn carry_on(&self, task: Task, direction: Direction, came: impl FnOnce(&flow::Flow)) -> u32 {
        came(task.stream.flow(direction));
        self.drive(task, Some(direction))
    }

    /// Polls a context's future outside of the stream's own callbacks.
    fn wake(&self, id: u32) {
        let Some(task) = self.take(id) else { return };
        // A context that is gone takes its future along.
        if abi::set_effective_context(id).is_ok() {
            self.drive(task, None);
        }
    }

    /// Polls a task and does what follows; the answer is meant for the callback of the flow `own`.
    fn drive(&self, mut task: Task, own: Option<Direction>) -> u32 {
        let outcome = match task.poll() {
            Poll::Ready(outcome) => outcome,
            Poll::Pending if is_stalled::<F>(&task) => Err(ExchangeError::Stalled.into()),
            Poll::Pending => return self.settle(task, own),
        };
        // What the future held is free before the host does anything else with this stream.
        task.future = None;
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

    /// Lets go what may go, and keeps what is not finished.
    fn settle(&self, task: Task, own: Option<Direction>) -> u32 {
        let stream = &task.stream;
        stream.resume(own);
        let held = own.is_some_and(|own| !stream.flow(own).may_go());
        if let Some(own) = own {
            stream.flow(own).set_held(held);
        }
        if keeps_tasks::<F>() && (task.future.is_some() || held || stream.request.is_blocked()) {
            self.tasks.borrow_mut().insert(stream.id, task);
        }
        if held { PAUSE } else { CONTINUE }
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

    fn root(&self, id: u32) -> Option<Rc<Root<F>>> {
        self.roots.borrow().iter().find(|root| root.state.id == id).cloned()
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
}

/// Whether a task can be unfinished when its callback returns. With one phase there is nothing that it could wait
/// for, and the table of tasks stays out of the module.
const fn keeps_tasks<F: Filter>() -> bool {
    const { !F::PHASES.same(Phases::named("request_headers")) && !F::PHASES.same(Phases::named("response_headers")) }
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

fn send(answer: &Answer) -> Result<(), crate::status::HostError> {
    let lines = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    abi::send_local_response(answer.status, answer.details, &answer.body, &headers::encode(lines), answer.grpc_status)
}

/// The client learns nothing of what went wrong inside.
fn failure(status: u16, details: &'static str) -> Box<Answer> {
    Box::new(Answer { status, details, headers: Vec::new(), body: Vec::new(), grpc_status: None })
}

/// A stream whose root was never configured, or that came without `proxy_on_context_create`.
fn refuse_unconfigured<F: Filter>() -> u32 {
    if F::ON_FAILURE == OnFailure::Pass {
        return CONTINUE;
    }
    // When even this is refused, the stream stays paused: that is all that is left to protect it.
    let _ = send(&failure(500, "palisade_unconfigured"));
    PAUSE
}
