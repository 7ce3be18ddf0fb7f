//! The runtime: turns the host's callbacks into polls of one future per exchange, and the futures' state into
//! answers for the host.
//!
//! It owns the pause state. What it answers and when it continues a stream keeps four promises: no message goes
//! twice, none is released by its body or trailers while its headers are held, nothing of a stream outlives it, and
//! no surprise of the host's is a trap.

pub(crate) mod callbacks;
pub(crate) mod calls;
mod end;
pub(crate) mod flow;
pub(crate) mod ready;
pub(crate) mod refusal;
pub(crate) mod root;
pub(crate) mod stream;
pub(crate) mod tasks;
pub(crate) mod timers;

use crate::abi;
use crate::direction::Direction;
use crate::filter::{Filter, OnFailure};
use crate::phases::Phases;
use crate::reply::{Answer, ExchangeError, Kind, Reply};
use crate::shell;
use crate::status::Status;
use refusal::{failure, send};
use root::RootState;
use std::cell::{Cell, RefCell};
use std::iter;
use std::rc::Rc;
use std::task::Poll;
use stream::{Stream, Task};
use tasks::Tasks;

/// What a callback answers: the stream goes on.
pub(crate) const CONTINUE: u32 = 0;
/// What a callback answers: the stream is held.
pub(crate) const PAUSE: u32 = 1;

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
    /// Which filter of a fused module it runs; 0 for the only one.
    part: u8,
    /// The stream context that was created last and its root: it comes right before the stream's first callback.
    created: Cell<(u32, u32)>,
    roots: RefCell<Vec<Rc<Root<F>>>>,
    tasks: RefCell<Tasks<Task>>,
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
        Self::of_part(0)
    }

    /// The same for one filter of several.
    pub(crate) const fn of_part(part: u8) -> Self {
        Self {
            part,
            created: Cell::new((0, 0)),
            roots: RefCell::new(Vec::new()),
            tasks: RefCell::new(Tasks::new()),
            waking: Cell::new(false),
        }
    }

    /// Polls a context's future outside of the stream's own callbacks.
    fn wake(&self, id: u32) {
        let Some(task) = self.take(id) else { return };
        match abi::set_effective_context(id) {
            Ok(()) if shell::answers(&task.stream) => drop(self.drive(task, None)),
            Ok(()) => self.wake_later(task),
            // A context that is gone takes its future along.
            Err(error) if error.status == Status::BadArgument => {}
            Err(error) => {
                task.stream.root.report(&error);
                self.put(task);
            }
        }
    }

    /// Polls a future in a callback in which it gets the answers to its calls; where there is to be none, at once.
    fn wake_later(&self, task: Task) {
        match task.stream.root.wake_in_tick(task.stream.id) {
            Ok(()) => self.put(task),
            Err(error) => {
                task.stream.root.report(&error);
                self.drive(task, None);
            }
        }
    }

    /// Polls all futures that were woken, but for that of the running callback, whose answer is still to be given.
    fn wake_others_than(&self, own: u32) {
        if !keeps_tasks::<F>() || self.waking.replace(true) {
            return;
        }
        let mut woken = false;
        // The rest, if futures wake each other without an end, waits for the next callback.
        for other in iter::from_fn(|| ready::next_other_than(self.part, own)).take(MAX_POLLS) {
            self.wake(other);
            woken = true;
        }
        self.waking.set(false);
        let callback = if own == 0 { shell::running() } else { Some(own) };
        if let Some(callback) = callback.filter(|_| woken) {
            // Where even this is refused, the calls that follow are refused as well, and say so.
            let _ = abi::set_effective_context(callback);
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
                if let Err(error) = send(task.stream.id, &answer) {
                    task.stream.root.report(&error);
                    self.hold(task, own);
                }
                PAUSE
            }
        }
    }

    /// Polls a task's future, and others that it wakes, until it is finished or waits for the host.
    fn poll(&self, task: &mut Task) -> Poll<Result<(), Reply>> {
        for _ in 0..MAX_POLLS {
            let poll = task.poll();
            if poll.is_ready() {
                return poll;
            }
            self.wake_others_than(task.stream.id);
            if !task.is_woken() {
                return match is_stalled::<F>(task) {
                    true => Poll::Ready(Err(ExchangeError::Stalled.into())),
                    false => Poll::Pending,
                };
            }
        }
        Poll::Ready(Err(ExchangeError::Stalled.into()))
    }

    /// Polls a task for the last time, if it waits for that: nobody can be answered any more.
    fn end(&self, mut task: Task) -> Task {
        if task.stream.end.came()
            && let Poll::Ready(outcome) = task.poll()
        {
            self.refusal(&task.stream, outcome);
        }
        task
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
        if let Err(error) = stream.root.wake_in_tick(stream.id) {
            stream.root.report(&error);
            // To go on now would lose the body.
            if let Err(error) = send(stream.id, &failure(500, "palisade_failure")) {
                stream.root.report(&error);
            }
        }
        let task = self.take(stream.id).unwrap_or_else(|| Task::new(stream.clone(), None));
        self.hold(task, Some(direction));
        PAUSE
    }

    /// Keeps a task whose flow is held in its own callback.
    fn hold(&self, task: Task, own: Option<Direction>) {
        if let Some(own) = own {
            task.stream.flow(own).hold();
        }
        self.put(task);
    }

    /// A stream whose root was never configured, or that came without `proxy_on_context_create`.
    fn refuse_unconfigured(&self, id: u32) -> u32 {
        if F::ON_FAILURE == OnFailure::Pass {
            return CONTINUE;
        }
        // When even this is refused, the stream is held as far as the module has callbacks for it.
        if send(id, &failure(500, "palisade_unconfigured")).is_err() && keeps_tasks::<F>() {
            let root = RootState::new(0, self.part, F::NAME, Rc::default());
            let stream = Rc::new(Stream::new(id, Rc::new(root)));
            self.hold(Task::new(stream, None), Some(Direction::Request));
        }
        PAUSE
    }

    /// The answer that the client gets in place of the upstream's, if any.
    fn refusal(&self, stream: &Stream, outcome: Result<(), Reply>) -> Option<Box<Answer>> {
        match outcome.err()?.kind {
            Kind::Answer(answer) => Some(answer),
            Kind::Failure(error) => {
                stream.root.report(&error);
                let status = match error {
                    _ if stream.response.has_started() => 500,
                    ExchangeError::BodyTooLong { .. } => 413,
                    ExchangeError::BodyTooLate => 408,
                    _ => 500,
                };
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
        Some(roots.remove(place))
    }

    /// Whether a context has a future that is not finished, or a flow that must be held.
    pub(crate) fn works_on(&self, id: u32) -> bool {
        keeps_tasks::<F>() && self.tasks.borrow_mut().get_mut(id).is_some()
    }

    fn take(&self, id: u32) -> Option<Task> {
        if !keeps_tasks::<F>() {
            return None;
        }
        self.tasks.borrow_mut().take(id)
    }

    fn put(&self, task: Task) {
        if keeps_tasks::<F>() {
            let former = self.tasks.borrow_mut().put(task.stream.id, task);
            drop(former);
        }
    }
}

/// Whether a task can be unfinished when its callback returns. With one phase there is nothing that it could wait
/// for, and the table of tasks stays out of the module.
const fn keeps_tasks<F: Filter>() -> bool {
    const { !F::PHASES.same(Phases::named("request_headers")) }
}

/// Whether exchanges wait for events outside of the stream's own phases.
const fn waits<F: Filter>() -> bool {
    const { F::PHASES.hold() }
}

/// Whether a pending exchange awaits nothing that could ever come.
fn is_stalled<F: Filter>(task: &Task) -> bool {
    let Stream { request, response, end, .. } = &*task.stream;
    let waiting = request.is_wanted() || response.is_wanted() || end.is_awaited();
    task.future.is_some() && !waits::<F>() && !waiting && !task.stream.is_background()
}
