//! Together: several futures at once in one exchange, and exchanges that wait for work in the background.

use crate::Probe;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use palisade_sdk::{CallError, Handle, Reply, Request};
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
#[derive(Default)]
pub(crate) struct SingleFlight {
    wanted: RefCell<bool>,
    value: RefCell<Option<Result<u16, CallError>>>,
    /// The exchanges that wait, and the background task when it waits for them.
    waiting: RefCell<Vec<Waker>>,
}

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

    /// Brings the value once somebody wants it.
    pub(crate) async fn fly(&self, handle: &Handle<Self>) {
        self.flight.wanted().await;
        let answer = handle.http_call(&self.config.callouts).timeout(Duration::from_secs(10)).send().await;
        self.flight.land(answer.map(|answer| answer.status));
    }
}

impl SingleFlight {
    async fn value(&self) -> Result<u16, CallError> {
        self.wanted.replace(true);
        self.wake();
        poll_fn(|context| match *self.value.borrow() {
            Some(value) => Poll::Ready(value),
            None => self.wait(context.waker()),
        })
        .await
    }

    async fn wanted(&self) {
        poll_fn(|context| if *self.wanted.borrow() { Poll::Ready(()) } else { self.wait(context.waker()) }).await;
    }

    fn land(&self, value: Result<u16, CallError>) {
        self.value.replace(Some(value));
        self.wake();
    }

    fn wait<T>(&self, waker: &Waker) -> Poll<T> {
        self.waiting.borrow_mut().push(waker.clone());
        Poll::Pending
    }

    fn wake(&self) {
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}
