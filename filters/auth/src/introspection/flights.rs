//! Flights: questions under way. Who asks the same meanwhile waits for the one answer.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::tag::Tag;

/// The questions under way, by what they are about.
///
/// A list: a map would add 5 KiB to a module, and Envoy's circuit breakers keep the calls in flight few.
pub(super) struct Flights<T>(RefCell<Vec<(Tag, Rc<Flight<T>>)>>);

struct Flight<T> {
    answer: RefCell<Option<T>>,
    over: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl<T: Clone> Flights<T> {
    /// The answer to a question: that of the flight under way, or else of this one. When the one who asked goes away
    /// before there is an answer, another one who waits asks in turn.
    pub(super) async fn join(&self, key: Tag, ask: impl Future<Output = T>) -> T {
        while let Some(flight) = self.under_way(&key) {
            if let Some(answer) = poll_fn(|context| flight.poll(context)).await {
                return answer;
            }
        }
        let lead = self.depart(key);
        let answer = ask.await;
        lead.flight.answer.replace(Some(answer.clone()));
        answer
    }

    fn under_way(&self, key: &Tag) -> Option<Rc<Flight<T>>> {
        self.0.borrow().iter().find(|(own, _)| own == key).map(|(_, flight)| flight.clone())
    }

    fn depart(&self, key: Tag) -> Lead<'_, T> {
        let flight = Rc::new(Flight { answer: RefCell::default(), over: Cell::default(), waiting: RefCell::default() });
        self.0.borrow_mut().push((key, flight.clone()));
        Lead { flights: self, key, flight }
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Clone> Flight<T> {
    /// The answer; `None` when whoever asked has gone.
    fn poll(&self, context: &Context<'_>) -> Poll<Option<T>> {
        if self.over.get() {
            return Poll::Ready(self.answer.borrow().clone());
        }
        self.waiting.borrow_mut().push(context.waker().clone());
        Poll::Pending
    }
}

/// The one who asks. The flight is over when it goes, with an answer or without.
struct Lead<'a, T> {
    flights: &'a Flights<T>,
    key: Tag,
    flight: Rc<Flight<T>>,
}

impl<T> Drop for Lead<'_, T> {
    fn drop(&mut self) {
        self.flights.0.borrow_mut().retain(|(own, _)| *own != self.key);
        self.flight.over.set(true);
        self.flight.waiting.take().into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A question whose answer comes when it is told.
    #[derive(Default)]
    struct Server {
        asked: Cell<usize>,
        answer: Cell<Option<u8>>,
    }

    impl Server {
        async fn ask(&self) -> u8 {
            self.asked.set(self.asked.get().strict_add(1));
            poll_fn(|_| self.answer.get().map_or(Poll::Pending, Poll::Ready)).await
        }
    }

    fn poll<T>(future: Pin<&mut impl Future<Output = T>>, wakes: &Arc<Wakes>) -> Poll<T> {
        future.poll(&mut Context::from_waker(&wakes.clone().into()))
    }

    #[test]
    fn one_question_answers_all_who_ask_it() {
        let (flights, server, wakes) = (Flights::default(), Server::default(), Arc::new(Wakes::default()));
        let mut first = pin!(flights.join([1; 16], server.ask()));
        let mut second = pin!(flights.join([1; 16], server.ask()));
        let mut other = pin!(flights.join([2; 16], server.ask()));
        assert_eq!(poll(first.as_mut(), &wakes), Poll::Pending);
        assert_eq!(poll(second.as_mut(), &wakes), Poll::Pending);
        assert_eq!(poll(other.as_mut(), &wakes), Poll::Pending);
        assert_eq!(server.asked.get(), 2);
        server.answer.set(Some(7));
        assert_eq!(poll(second.as_mut(), &wakes), Poll::Pending);
        assert_eq!(poll(first.as_mut(), &wakes), Poll::Ready(7));
        assert!(wakes.0.load(Ordering::Relaxed) > 0);
        assert_eq!(poll(second.as_mut(), &wakes), Poll::Ready(7));
        assert_eq!(server.asked.get(), 2);
    }

    #[test]
    fn when_the_one_who_asked_goes_the_next_one_asks() {
        let (flights, server, wakes) = (Flights::default(), Server::default(), Arc::new(Wakes::default()));
        let mut first = Box::pin(flights.join([1; 16], server.ask()));
        let mut second = pin!(flights.join([1; 16], server.ask()));
        let mut third = pin!(flights.join([1; 16], server.ask()));
        assert_eq!(poll(first.as_mut(), &wakes), Poll::Pending);
        assert_eq!(poll(second.as_mut(), &wakes), Poll::Pending);
        assert_eq!(poll(third.as_mut(), &wakes), Poll::Pending);
        drop(first);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
        assert_eq!(poll(third.as_mut(), &wakes), Poll::Pending);
        assert_eq!(poll(second.as_mut(), &wakes), Poll::Pending);
        assert_eq!(server.asked.get(), 2);
        server.answer.set(Some(7));
        assert_eq!(poll(third.as_mut(), &wakes), Poll::Ready(7));
        assert_eq!(poll(second.as_mut(), &wakes), Poll::Ready(7));
        assert!(flights.0.borrow().is_empty());
    }

    #[test]
    fn a_question_is_asked_again_once_its_flight_is_over() {
        let (flights, server, wakes) = (Flights::default(), Server::default(), Arc::new(Wakes::default()));
        server.answer.set(Some(7));
        for asked in 1..3 {
            assert_eq!(poll(pin!(flights.join([1; 16], server.ask())), &wakes), Poll::Ready(7));
            assert_eq!(server.asked.get(), asked);
        }
    }
}
