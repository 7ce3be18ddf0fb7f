//! Root: one plugin configuration in one worker, with everything that belongs to it and dies with it.
//!
//! During an update the old and the new configuration live side by side in one VM, and a rollback revives the old
//! one without a callback; so nothing of a configuration is global.

use super::calls::Calls;
use super::timers::Timers;
use crate::abi;
use crate::grpc_call::{GrpcAnswer, GrpcError};
use crate::http_call::{Answer, CallError};
use crate::metrics::{self, Counter, Kind as _};
use crate::status::HostError;
use std::cell::Cell;

pub(crate) struct RootState {
    /// The root context's id.
    pub(crate) id: u32,
    pub(crate) http_calls: Calls<Result<Answer, CallError>>,
    pub(crate) grpc_calls: Calls<Result<GrpcAnswer, GrpcError>>,
    pub(crate) timers: Timers,
    filter: &'static str,
    failures: Counter,
    reported: Cell<bool>,
}

impl RootState {
    pub(crate) fn new(id: u32, filter: &'static str) -> Self {
        Self {
            id,
            http_calls: Calls::default(),
            grpc_calls: Calls::default(),
            timers: Timers::default(),
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
    pub(crate) fn arm(&self, now: std::time::Duration) -> Result<(), HostError> {
        if let Some(period) = self.timers.change(now) {
            abi::set_tick_period(period)?;
            self.timers.armed(now, period);
        }
        Ok(())
    }
}
