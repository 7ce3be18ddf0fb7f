//! A lane: a worker on its thread, and the messages of its streams on their way out.

use crate::frames::Sender;
use crate::options::Options;
use palisade_host::{Direction, Effect, Worker};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How often timers and queues are looked at, and whether a filter that holds too much back has let go.
pub(crate) const BEAT: Duration = Duration::from_millis(10);

/// A worker on its thread.
pub(crate) struct Lane {
    worker: RefCell<Worker>,
    effects: UnboundedSender<Effect>,
    streams: RefCell<BTreeMap<u64, Stream>>,
    /// What filters can read as the name of the route.
    pub route: String,
    /// Whether paths are brought into their plain form.
    pub normalize_path: bool,
    /// Where requests come in.
    pub listener: SocketAddr,
}

/// Where a stream's messages go out.
struct Stream {
    client: Sender,
    /// The last of its requests.
    upstream: Option<Sender>,
}

/// Runs hyper's tasks on the worker's own thread.
#[derive(Clone, Copy)]
pub(crate) struct LocalExecutor;

impl Lane {
    /// A lane, and what its worker asks of the outside from now on.
    pub(crate) fn new(options: &Options, worker: Worker) -> (Rc<Self>, UnboundedReceiver<Effect>) {
        let (sender, effects) = unbounded_channel();
        let lane = Self {
            worker: RefCell::new(worker),
            effects: sender,
            streams: RefCell::default(),
            route: options.route.clone(),
            normalize_path: options.normalize_path,
            listener: options.listen,
        };
        (Rc::new(lane), effects)
    }

    /// Acts on the worker, and passes on what it then asks of the outside.
    pub(crate) fn act<T>(&self, act: impl FnOnce(&mut Worker) -> T) -> T {
        let mut worker = self.worker.borrow_mut();
        let outcome = act(&mut worker);
        for effect in worker.effects() {
            // Nobody takes them any more where the thread is about to end.
            let _ = self.effects.send(effect);
        }
        outcome
    }

    /// Does what is due.
    pub(crate) fn beat(&self) {
        self.act(|worker| {
            worker.run_timers();
            worker.queues();
        });
    }

    /// Tells where a stream's response goes.
    pub(crate) fn answers_to(&self, stream: u64, client: Sender) {
        self.streams.borrow_mut().insert(stream, Stream { client, upstream: None });
    }

    /// Tells where a stream's request goes.
    pub(crate) fn asks(&self, stream: u64, upstream: Sender) {
        if let Some(stream) = self.streams.borrow_mut().get_mut(&stream) {
            stream.upstream = Some(upstream);
        }
    }

    /// Where a stream's messages of a direction go, if they go anywhere yet.
    pub(crate) fn way(&self, stream: u64, direction: Direction) -> Option<Sender> {
        let streams = self.streams.borrow();
        let stream = streams.get(&stream)?;
        match direction {
            Direction::Request => stream.upstream.clone(),
            Direction::Response => Some(stream.client.clone()),
        }
    }

    /// Forgets a stream that is over.
    pub(crate) fn forget(&self, stream: u64) {
        self.streams.borrow_mut().remove(&stream);
    }

    /// Whether a stream is over, so that nobody takes more of its messages.
    pub(crate) fn is_over(&self, stream: u64) -> bool {
        !self.streams.borrow().contains_key(&stream)
    }

    /// Waits until more of a message may come: filters do not hold too much of it back, and its receiver is not behind.
    pub(crate) async fn ready(&self, stream: u64, direction: Direction) {
        while self.act(|worker| worker.stalled(stream, direction)) {
            tokio::time::sleep(BEAT).await;
        }
        if let Some(way) = self.way(stream, direction) {
            way.ready().await;
        }
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async move {
            task.await;
        });
    }
}
