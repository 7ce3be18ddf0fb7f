//! Handle: what a filter may ask of the host at any time, whatever the exchange's phase.

use crate::abi;
use crate::filter::Filter;
use crate::grpc_call::GrpcCall;
use crate::http_call::HttpCall;
use crate::phases::declared;
use crate::runtime::stream::Stream;
use crate::runtime::timers::Sleeper;
use crate::status::HostError;
use std::fmt::Display;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// A way to the host for one exchange, or for a filter's background task. Cheap to clone.
pub struct Handle<F> {
    pub(crate) stream: Rc<Stream>,
    filter: PhantomData<fn(F)>,
}

impl<F> Clone for Handle<F> {
    fn clone(&self) -> Self {
        Self { stream: self.stream.clone(), filter: PhantomData }
    }
}

impl<F: Filter> Handle<F> {
    pub(crate) fn new(stream: Rc<Stream>) -> Self {
        Self { stream, filter: PhantomData }
    }

    /// The value of a host property, such as `["source", "address"]`; `None` when there is none.
    ///
    /// Integers are 8 bytes little-endian, booleans one byte, times nanoseconds since the Unix epoch. Properties
    /// that come from request headers are gone once the headers went on.
    ///
    /// # Errors
    ///
    /// The property cannot be given as bytes (a whole message, an empty path), or the host refused.
    pub fn property(&self, path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
        property(path)
    }

    /// Publishes a value under a name for the other filters of this stream and for the access log, where it is
    /// `%FILTER_STATE(wasm.<name>:PLAIN)%`; they read it as the property of this name.
    ///
    /// # Errors
    ///
    /// The host refused; there is no stream (a background task).
    pub fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::set_property(name.as_bytes(), value)
    }

    /// Counts a failure that the filter has got over, and logs the first of this configuration and worker. What a
    /// filter returns as its error is counted without it.
    pub fn report(&self, what: &dyn Display) {
        self.stream.root.report(what);
    }

    /// A request to one of the host's clusters, with a deadline.
    pub fn http_call(&self, cluster: &str) -> HttpCall {
        declared!(F, "http_call");
        HttpCall::new(self.stream.clone(), cluster)
    }

    /// A unary call of a method, such as `ShouldRateLimit`, of a gRPC service, such as
    /// `envoy.service.ratelimit.v3.RateLimitService`, at one of the host's clusters, with a deadline. The cluster must
    /// speak HTTP/2.
    pub fn grpc_call(&self, cluster: &str, service: &str, method: &str) -> GrpcCall {
        declared!(F, "grpc_call");
        GrpcCall::new(self.stream.clone(), cluster, service, method)
    }

    /// Waits at least this long, and at least a millisecond, unless the host's clock is set forward meanwhile.
    ///
    /// # Errors
    ///
    /// The host has no clock or no tick for this module.
    pub async fn sleep(&self, duration: Duration) -> Result<(), HostError> {
        declared!(F, "sleep");
        let timers = &self.stream.root.timers;
        let now = timers.advance(now()?);
        let deadline = now.saturating_add(duration.max(Duration::from_millis(1)));
        let sleep = Sleep { stream: &self.stream, sleeper: timers.insert(deadline, Waker::noop().clone()) };
        self.stream.root.arm(now)?;
        poll_fn(|context| match timers.sleeps(sleep.sleeper, context.waker()) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
        Ok(())
    }
}

/// A sleeper that leaves the timers when its future is dropped.
struct Sleep<'a> {
    stream: &'a Stream,
    sleeper: Sleeper,
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.stream.root.timers.remove(self.sleeper);
    }
}

/// The host's wall clock, as the time since the Unix epoch.
///
/// # Errors
///
/// The host refused.
pub fn now() -> Result<Duration, HostError> {
    abi::current_time().map(Duration::from_nanos)
}

/// A property by its path, whose segments the ABI separates by NUL.
pub(crate) fn property(path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
    abi::property(path.join("\0").as_bytes())
}
