//! The queue of encoded spans in front of an exporter: bounded, and never waited for by who fills it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Spans in the order in which they came, up to a limit.
pub(crate) struct Queue {
    limit: usize,
    spans: RefCell<VecDeque<Vec<u8>>>,
    /// How many spans somebody waits for, and whom to wake.
    wanted: Cell<usize>,
    waker: Cell<Option<Waker>>,
}

/// There is no room for a span.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, spans: RefCell::default(), wanted: Cell::new(0), waker: Cell::new(None) }
    }

    pub(crate) fn push(&self, span: Vec<u8>) -> Result<(), Full> {
        let mut spans = self.spans.borrow_mut();
        if spans.len() >= self.limit {
            return Err(Full);
        }
        spans.push_back(span);
        if spans.len() >= self.wanted.get()
            && let Some(waker) = self.waker.take()
        {
            drop(spans);
            waker.wake();
        }
        Ok(())
    }

    /// Takes the oldest spans, up to `most` of them.
    pub(crate) fn take(&self, most: usize) -> Vec<Vec<u8>> {
        let mut spans = self.spans.borrow_mut();
        let taken = spans.len().min(most);
        spans.drain(..taken).collect()
    }

    /// Waits until there are at least `wanted` spans. Only one task may wait.
    pub(crate) async fn filled(&self, wanted: usize) {
        poll_fn(|context| {
            if self.len() >= wanted {
                return Poll::Ready(());
            }
            self.wanted.set(wanted);
            self.waker.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn len(&self) -> usize {
        self.spans.borrow().len()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use super::*;

    fn span(number: u8) -> Vec<u8> {
        vec![number]
    }

    #[test]
    fn a_span_that_finds_no_room_is_refused_and_the_others_stay() {
        let queue = Queue::new(2);
        assert_eq!([1, 2, 3].map(|number| queue.push(span(number))), [Ok(()), Ok(()), Err(Full)]);
        assert_eq!(queue.take(5), [span(1), span(2)]);
        assert_eq!(queue.push(span(4)), Ok(()));
    }

    #[test]
    fn the_oldest_are_taken_first_and_no_more_than_asked_for() {
        let queue = Queue::new(9);
        for number in 1..=5 {
            queue.push(span(number)).unwrap();
        }
        assert_eq!(queue.take(2), [span(1), span(2)]);
        assert_eq!(queue.len(), 3);
        assert_eq!(queue.take(0), Vec::<Vec<u8>>::new());
        assert_eq!(queue.take(3), [span(3), span(4), span(5)]);
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_waits_is_woken_once_there_are_enough() {
        let (queue, wakes) = (Queue::new(9), Arc::new(Wakes::default()));
        let waker = wakes.clone().into();
        let mut context = Context::from_waker(&waker);
        let mut filled = pin!(queue.filled(2));
        assert_eq!(filled.as_mut().poll(&mut context), Poll::Pending);
        queue.push(span(1)).unwrap();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
        queue.push(span(2)).unwrap();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        queue.push(span(3)).unwrap();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1, "once is enough");
        assert_eq!(filled.as_mut().poll(&mut context), Poll::Ready(()));
    }
}
