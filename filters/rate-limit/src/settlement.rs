//! Settlement: what a request still owes and holds while its response is under way.

use palisade_sdk::{ExchangeError, Filter, Handle, Response};

use crate::counts::Counts;
use crate::limiter::{Due, Held, Limiter, Report, Seen};
use crate::shared::SharedShards;
use crate::store::Shards as _;

/// What is to be given back and charged when a request is over, however it ends: when this is dropped.
pub(crate) struct Settlement<'f, F: Filter> {
    limiter: &'f Limiter,
    shards: &'f SharedShards,
    counts: &'f Counts,
    handle: Handle<F>,
    /// Places under limits of concurrency.
    held: Vec<Held<'f>>,
    /// What is to be charged, and what the header says that tells the cost, where there is one.
    due: Vec<(Due<'f>, Option<Vec<u8>>)>,
    /// The length of the response's body, once it is over.
    bytes: Option<u64>,
}

impl<'f, F: Filter> Settlement<'f, F> {
    /// Nothing.
    pub(crate) fn new(limiter: &'f Limiter, shards: &'f SharedShards, counts: &'f Counts, handle: Handle<F>) -> Self {
        Self { limiter, shards, counts, handle, held: Vec::new(), due: Vec::new(), bytes: None }
    }

    /// Holds the places that these limits gave.
    pub(crate) fn hold(&mut self, reports: &[Report<'f>]) {
        self.held.extend(reports.iter().filter(|report| report.holds_place()).map(|report| report.held));
    }

    /// Owes what the response will cost.
    pub(crate) fn owe(&mut self, due: Vec<Due<'f>>) {
        self.due.extend(due.into_iter().map(|due| (due, None)));
    }

    /// Whether there is nothing to settle.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.due.is_empty()
    }

    /// Whether a header of the response says what is to be charged.
    pub(crate) fn reads_headers(&self) -> bool {
        self.due.iter().any(|(due, _)| due.header().is_some())
    }

    /// Reads what a response costs. What the host refuses is reported, and costs what is charged without a header.
    pub(crate) fn read(&mut self, response: &Response<F>) {
        for (due, value) in &mut self.due {
            match due.header().map_or(Ok(None), |header| response.header(header)) {
                Ok(found) => *value = found,
                Err(error) => self.handle.report(&error),
            }
        }
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
        let now = self.shards.now()?;
        let mut seen = Seen::default();
        let owed = self.due.drain(..).map(|(due, header)| {
            let cost = due.cost(header.as_deref(), self.bytes, &mut seen);
            (due, cost)
        });
        self.limiter.settle(self.shards, now, self.held.drain(..), owed, |error| self.handle.report(error));
        self.counts.happened(seen, self.limiter.take_events());
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
