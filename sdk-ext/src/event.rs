//! Event: what exchanges wait for, and what another exchange or the background task brings about.

use crate::filter::Filter;
use crate::handle::Handle;
use crate::phases::declared;
use crate::status::HostError;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::Duration;

/// Something that happens again and again in one worker, and that any number of futures wait for.
///
/// It holds no value: whoever waits looks at the filter's own state before, and again when it is woken. Between that look
/// and [`Event::wait`] nothing can happen, as long as nothing is awaited in between: a worker has one thread.
///
/// ```
/// # use palisade_sdk::{Event, Filter, Handle, HostError};
/// # use std::cell::RefCell;
/// # use std::time::Duration;
/// #[derive(Default)]
/// struct Keys {
///     keys: RefCell<Option<String>>,
///     came: Event,
/// }
///
/// impl Keys {
///     /// The keys, if they are here within half a second.
///     async fn get<F: Filter>(&self, handle: &Handle<F>) -> Result<Option<String>, HostError> {
///         if self.keys.borrow().is_none() {
///             self.came.wait(handle, Duration::from_millis(500)).await?;
///         }
///         Ok(self.keys.borrow().clone())
///     }
///
///     /// The background task has fetched them.
///     fn put(&self, keys: String) {
///         self.keys.replace(Some(keys));
///         self.came.notify();
///     }
/// }
/// ```
#[derive(Default)]
pub struct Event {
    /// Whoever waits, in the order in which they came, by a number that never comes again.
    waiting: RefCell<Vec<(u64, Waker)>>,
    next: Cell<u64>,
}

impl Event {
    /// Wakes everybody who waits now.
    pub fn notify(&self) {
        for (_, waker) in self.waiting.take() {
            waker.wake();
        }
    }

    /// Waits until the event happens, at most this long. Says whether it has happened.
    ///
    /// # Errors
    ///
    /// The host has no clock or no tick for this module.
    pub async fn wait<F: Filter>(&self, handle: &Handle<F>, at_most: Duration) -> Result<bool, HostError> {
        declared!(F, "sleep");
        let place = self.enter();
        let mut sleep = pin!(handle.sleep(at_most));
        poll_fn(|context| match place.waits(context.waker()) {
            false => Poll::Ready(Ok(true)),
            true => sleep.as_mut().poll(context).map_ok(|()| false),
        })
        .await
    }

    fn enter(&self) -> Place<'_> {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        self.waiting.borrow_mut().push((number, Waker::noop().clone()));
        Place { event: self, number }
    }

    /// Where in the list a number stands.
    fn find(&self, number: u64) -> Option<usize> {
        self.waiting.borrow().binary_search_by_key(&number, |(number, _)| *number).ok()
    }
}

/// A place among those that wait, given up when it is dropped.
struct Place<'a> {
    event: &'a Event,
    number: u64,
}

impl Place<'_> {
    /// Whether the event has not happened yet; if so, this is whom to wake.
    fn waits(&self, waker: &Waker) -> bool {
        let Some(place) = self.event.find(self.number) else { return false };
        let mut waiting = self.event.waiting.borrow_mut();
        let former = waiting.get_mut(place).map(|(_, waiting)| mem::replace(waiting, waker.clone()));
        former.is_some()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.event.find(self.number) {
            let gone = self.event.waiting.borrow_mut().remove(place);
            drop(gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn everybody_who_waits_is_woken_once() {
        let event = Event::default();
        let count = Arc::new(Count::default());
        let places: Vec<_> = (0..3).map(|_| event.enter()).collect();
        assert!(places.iter().all(|place| place.waits(&count.clone().into())));
        event.notify();
        event.notify();
        assert_eq!(count.0.load(Ordering::Relaxed), 3);
        assert!(!places.iter().any(|place| place.waits(&count.clone().into())));
        assert!(event.enter().waits(&count.clone().into()), "who comes later waits for the next time");
    }

    #[test]
    fn who_has_gone_is_not_woken_and_leaves_nothing() {
        let event = Event::default();
        let count = Arc::new(Count::default());
        let (first, second, third) = (event.enter(), event.enter(), event.enter());
        assert!([&first, &second, &third].iter().all(|place| place.waits(&count.clone().into())));
        drop(second);
        drop(first);
        event.notify();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        drop(third);
        assert!(event.waiting.borrow().is_empty());
    }

    #[test]
    fn the_waker_that_came_last_counts() {
        let event = Event::default();
        let (former, latter) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let place = event.enter();
        assert!(place.waits(&former.clone().into()) && place.waits(&latter.clone().into()));
        event.notify();
        assert_eq!((former.0.load(Ordering::Relaxed), latter.0.load(Ordering::Relaxed)), (0, 1));
    }
}
