//! Calls: the callouts of one root context that have not been answered yet.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The callouts of one kind, by the host's token. A call leaves the table with its answer or when its future is dropped,
/// so that nothing of a stream outlives it; an answer that comes later finds nobody.
pub(crate) struct Calls<A> {
    /// A list: a map would add 5 KiB to a module, and Envoy's circuit breakers keep the calls in flight few.
    waiting: RefCell<Vec<(u32, Rc<Call<A>>)>>,
}

/// One callout: its answer once that is there, and who waits for it.
pub(crate) struct Call<A> {
    /// The most that is taken of what is answered, in bytes.
    pub(crate) limit: usize,
    answer: Cell<Option<A>>,
    waker: Cell<Option<Waker>>,
}

/// A timeout for the host, in milliseconds: 0 would mean none, and `u32::MAX` is refused.
pub(crate) fn deadline(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).clamp(1, i32::MAX.unsigned_abs())
}

// === impl Calls ===

impl<A> Default for Calls<A> {
    fn default() -> Self {
        Self { waiting: RefCell::default() }
    }
}

impl<A> Calls<A> {
    /// Waits for the answer to a call that was sent. When the future is dropped before, `give_up` runs.
    pub(crate) async fn answer(&self, token: u32, limit: usize, give_up: impl Fn()) -> A {
        let call = Rc::new(Call { limit, answer: Cell::new(None), waker: Cell::new(None) });
        self.waiting.borrow_mut().push((token, call.clone()));
        let _waiting = Waiting { calls: self, token, give_up };
        poll_fn(|context| call.poll(context)).await
    }

    /// The call of which the answer has come, unless nobody waits for it any more.
    pub(crate) fn remove(&self, token: u32) -> Option<Rc<Call<A>>> {
        let mut waiting = self.waiting.borrow_mut();
        let place = waiting.iter().position(|(own, _)| *own == token)?;
        Some(waiting.swap_remove(place).1)
    }
}

/// A call that leaves the table when its future is dropped.
struct Waiting<'a, A, G: Fn()> {
    calls: &'a Calls<A>,
    token: u32,
    give_up: G,
}

impl<A, G: Fn()> Drop for Waiting<'_, A, G> {
    fn drop(&mut self) {
        if self.calls.remove(self.token).is_some() {
            (self.give_up)();
        }
    }
}

// === impl Call ===

impl<A> Call<A> {
    pub(crate) fn answer(&self, answer: A) {
        self.answer.set(Some(answer));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<A> {
        match self.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                self.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    #[test]
    fn a_deadline_is_never_zero_and_never_infinite() {
        assert_eq!(deadline(Duration::ZERO), 1);
        assert_eq!(deadline(Duration::from_micros(10)), 1);
        assert_eq!(deadline(Duration::from_millis(20)), 20);
        assert_eq!(deadline(Duration::MAX), i32::MAX.unsigned_abs());
    }

    #[test]
    fn a_call_leaves_the_table_with_its_answer() {
        let (calls, given_up) = (Calls::default(), Cell::new(0));
        let mut context = Context::from_waker(Waker::noop());
        let mut future = pin!(calls.answer(4, 10, || given_up.set(given_up.get() + 1)));
        assert_eq!(future.as_mut().poll(&mut context), Poll::Pending);
        calls.remove(4).unwrap().answer("answer");
        assert!(calls.waiting.borrow().is_empty());
        assert_eq!(future.as_mut().poll(&mut context), Poll::Ready("answer"));
        assert_eq!(given_up.get(), 0);
    }

    #[test]
    fn a_call_leaves_the_table_when_its_future_is_dropped() {
        let (calls, given_up) = (Calls::<()>::default(), Cell::new(0));
        let mut context = Context::from_waker(Waker::noop());
        let mut future = Box::pin(calls.answer(4, 10, || given_up.set(given_up.get() + 1)));
        assert_eq!(future.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(calls.waiting.borrow().len(), 1);
        drop(future);
        assert!(calls.waiting.borrow().is_empty());
        assert_eq!(given_up.get(), 1);
    }
}
