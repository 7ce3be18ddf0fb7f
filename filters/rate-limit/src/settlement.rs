//! Settlement: what a request still owes and holds while its response is under way.

use palisade_sdk::{ExchangeError, Filter, Handle, Response, now};

use crate::filter::RateLimit;
use crate::limiter::{Due, Report, Ruling, Seen};
use crate::policy::Policy;

/// What is to be given back and charged when a request is over, however it ends: when this is dropped.
pub(crate) struct Settlement<'f, F: Filter> {
    filter: &'f RateLimit,
    handle: Handle<F>,
    /// Places under limits of concurrency.
    held: Vec<Report<'f>>,
    /// What is to be charged, and what the header says that tells the cost, where there is one.
    due: Vec<(Due<'f>, Option<Vec<u8>>)>,
    /// The length of the response's body, once it is over.
    bytes: Option<u64>,
}

impl<'f, F: Filter> Settlement<'f, F> {
    /// What a ruling leaves to be settled.
    pub(crate) fn new(filter: &'f RateLimit, handle: Handle<F>, ruling: &mut Ruling<'f>) -> Self {
        let is_held = |report: &&Report<'f>| {
            matches!(report.grant.policy, Policy::Concurrency { .. }) && report.taken.amount > 0
        };
        let held = ruling.reports.iter().filter(is_held).copied().collect();
        let due = ruling.due.drain(..).map(|due| (due, None)).collect();
        Self { filter, handle, held, due, bytes: None }
    }

    /// Whether there is nothing to settle.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.due.is_empty()
    }

    /// Whether a header of the response says what is to be charged.
    pub(crate) fn reads_headers(&self) -> bool {
        self.due.iter().any(|(due, _)| due.header().is_some())
    }

    /// Reads what a response costs.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub(crate) fn read(&mut self, response: &Response<F>) -> Result<(), ExchangeError> {
        for (due, value) in &mut self.due {
            if let Some(header) = due.header() {
                *value = response.header(header)?;
            }
        }
        Ok(())
    }

    /// Reads what is known only at the end of a response.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub(crate) fn finish(&mut self) -> Result<(), ExchangeError> {
        if self.due.iter().any(|(due, _)| due.header().is_none()) {
            let size = self.handle.property(&["response", "size"])?;
            self.bytes = size.and_then(|size| size.first_chunk().map(|size| u64::from_le_bytes(*size)));
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), ExchangeError> {
        let now = now()?.as_nanos() as u64;
        let mut seen = Seen::default();
        let RateLimit { limiter, shards, .. } = self.filter;
        limiter.give_back(shards, now, &mut self.held)?;
        for (due, header) in self.due.drain(..) {
            let cost = due.cost(header.as_deref(), self.bytes, &mut seen);
            limiter.charge(shards, now, &due, cost)?;
        }
        self.filter.count_seen(seen);
        Ok(())
    }
}

impl<F: Filter> Drop for Settlement<'_, F> {
    fn drop(&mut self) {
        if !self.is_empty()
            && let Err(error) = self.settle()
        {
            self.handle.report(&error);
        }
    }
}
