//! Together: several futures at once in one exchange, and exchanges that wait for work in the background.

use crate::Probe;
use crate::callouts::query;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use palisade_sdk::{Handle, Reply, Request};
use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

/// One of the things that are awaited at the same time.
enum Work {
    Sleep(u64),
    Call,
}

/// A value that many exchanges want and one callout brings.
pub(crate) struct SingleFlight<T> {
    wanted: RefCell<bool>,
    value: RefCell<Option<T>>,
    /// The exchanges that wait, and the background task when it waits for them.
    waiting: RefCell<Vec<Waker>>,
}

/// The outcome of a call that one exchange has begun, and any may finish.
#[derive(Default)]
pub(crate) struct SharedCall(RefCell<Option<LocalBoxFuture<'static, String>>>);

impl Probe {
    /// Answers with what was ready, in that order.
    pub(crate) async fn unordered(&self, request: Request<Self>) -> Result<(), Reply> {
        let handle = request.handle();
        let works = [Work::Sleep(150), Work::Call, Work::Sleep(20)];
        let mut all: FuturesUnordered<_> = works.into_iter().map(|work| self.finish(handle, work)).collect();
        let mut ready = Vec::new();
        while let Some(name) = all.next().await {
            ready.push(name?);
        }
        Err(Reply::new(200, "probe_unordered").body(ready.join(" ")))
    }

    async fn finish(&self, handle: &Handle<Self>, work: Work) -> Result<String, Reply> {
        match work {
            Work::Sleep(millis) => {
                handle.sleep(Duration::from_millis(millis)).await?;
                Ok(millis.to_string())
            }
            Work::Call => {
                let answer = handle.http_call(&self.config.callouts).send().await;
                Ok(answer.map_or_else(|error| error.to_string(), |answer| answer.status.to_string()))
            }
        }
    }

    /// Answers with the value that the background task brings.
    pub(crate) async fn single_flight(&self) -> Result<(), Reply> {
        let value = self.flight.value().await;
        Err(Reply::new(200, "probe_flight").body(format!("{value:?}")))
    }

    /// Answers whether the event has happened within the milliseconds of the query.
    pub(crate) async fn wait_for_event(&self, request: &Request<Self>) -> Result<(), Reply> {
        let at_most = Duration::from_millis(query(request)?.parse().unwrap_or_default());
        let happened = self.event.wait(request.handle(), at_most).await?;
        Err(Reply::new(200, "probe_event").body(happened.to_string()))
    }

    /// Lets the event happen.
    pub(crate) fn notify(&self) -> Result<(), Reply> {
        self.event.notify();
        Err(Reply::new(200, "probe_event"))
    }

    /// Answers with the outcome of a call that may be another exchange's.
    pub(crate) async fn shared_call(&self, request: &Request<Self>) -> Result<(), Reply> {
        let handle = request.handle().clone();
        let by_grpc = query(request)? == "grpc";
        let cluster = self.config.callouts.clone();
        self.shared_call.0.borrow_mut().get_or_insert_with(|| begin(handle, cluster, by_grpc).boxed_local());
        let outcome = poll_fn(|context| match &mut *self.shared_call.0.borrow_mut() {
            Some(call) => call.poll_unpin(context),
            None => Poll::Pending,
        })
        .await;
        self.shared_call.0.take();
        Err(Reply::new(200, "probe_call").body(outcome))
    }

    /// Brings the value once somebody wants it.
    pub(crate) async fn fly(&self, handle: &Handle<Self>) {
        self.flight.wanted().await;
        let answer = handle.http_call(&self.config.callouts).timeout(Duration::from_secs(10)).send().await;
        self.flight.land(answer.map(|answer| answer.status));
    }
}

async fn begin(handle: Handle<Probe>, cluster: String, by_grpc: bool) -> String {
    let timeout = Duration::from_secs(10);
    if by_grpc {
        format!("{:?}", handle.grpc_call("h2", "probe.Probe", "Shared").timeout(timeout).send().await)
    } else {
        let outcome = handle.http_call(&cluster).timeout(timeout).send().await;
        format!("{:?}", outcome.map(|answer| answer.status))
    }
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { wanted: RefCell::default(), value: RefCell::default(), waiting: RefCell::default() }
    }
}

impl<T: Clone> SingleFlight<T> {
    pub(crate) async fn value(&self) -> T {
        self.wanted.replace(true);
        self.wake();
        poll_fn(|context| match &*self.value.borrow() {
            Some(value) => Poll::Ready(value.clone()),
            None => self.wait(context.waker()),
        })
        .await
    }

    pub(crate) async fn wanted(&self) {
        poll_fn(|context| if *self.wanted.borrow() { Poll::Ready(()) } else { self.wait(context.waker()) }).await;
    }

    pub(crate) fn land(&self, value: T) {
        self.value.replace(Some(value));
        self.wake();
    }

    fn wait<V>(&self, waker: &Waker) -> Poll<V> {
        self.waiting.borrow_mut().push(waker.clone());
        Poll::Pending
    }

    fn wake(&self) {
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}
