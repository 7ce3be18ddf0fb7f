//! Root: one plugin configuration in one worker, with everything that belongs to it and dies with it.
//!
//! During an update the old and the new configuration live side by side in one VM, and a rollback revives the old
//! one without a callback; so nothing of a configuration is global.

use super::calls::Calls;
use super::ready;
use super::timers::Timers;
use crate::abi;
use crate::grpc_call::{GrpcAnswer, GrpcError};
use crate::handle;
use crate::http_call::{Answer, CallError};
use crate::metrics::{self, Counter, Kind as _};
use crate::status::HostError;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

pub(crate) struct RootState {
    /// The root context's id.
    pub(crate) id: u32,
    /// Which filter of a fused module it configures.
    pub(crate) part: u8,
    pub(crate) http_calls: Calls<Result<Answer, CallError>>,
    pub(crate) grpc_calls: Calls<Result<GrpcAnswer, GrpcError>>,
    /// Those of the root context, whose one tick all parts of a fused module share.
    pub(crate) timers: Rc<Timers>,
    filter: &'static str,
    failures: Counter,
    reported: Cell<bool>,
}

impl RootState {
    pub(crate) fn new(id: u32, part: u8, filter: &'static str, timers: Rc<Timers>) -> Self {
        Self {
            id,
            part,
            http_calls: Calls::default(),
            grpc_calls: Calls::default(),
            timers,
            filter,
            failures: Counter::new(metrics::name(filter, "failures")),
            reported: Cell::new(false),
        }
    }

    /// Counts a failure of the host's or the filter's; logs the first one of this configuration and worker.
    pub(crate) fn report(&self, what: &dyn std::fmt::Display) {
        self.failures.increment();
        if !self.reported.replace(true) {
            abi::log(3, &format!("{}: {what} (further failures are only counted)", self.filter));
        }
    }

    /// Sets the tick for the next deadline. It acts on the effective context's root.
    pub(crate) fn arm(&self, now: Duration) -> Result<(), HostError> {
        if let Some(period) = self.timers.change(now) {
            abi::set_tick_period(period)?;
            self.timers.armed(now, period);
        }
        Ok(())
    }

    /// Has a context's future polled in the next tick. The effective context must be one of this root's.
    pub(crate) fn wake_in_tick(&self, id: u32) -> Result<(), HostError> {
        let now = self.timers.advance(handle::now()?);
        let sleeper = self.timers.insert(now.saturating_add(Duration::from_millis(1)), ready::waker(self.part, id));
        self.arm(now).inspect_err(|_| self.timers.remove(sleeper))
    }

    /// The tick has come: wakes everybody who is due, has them polled, and arms the next one. What fails is reported.
    pub(crate) fn tick(&self, poll: impl FnOnce()) {
        self.timers.ticked();
        let now = match abi::current_time() {
            Ok(time) => self.timers.advance(Duration::from_nanos(time)),
            Err(error) => return self.report(&error),
        };
        self.timers.wake_due(now);
        poll();
        let armed = abi::set_effective_context(self.id).and_then(|()| self.arm(now));
        if let Err(error) = armed {
            self.report(&error);
        }
    }
}
