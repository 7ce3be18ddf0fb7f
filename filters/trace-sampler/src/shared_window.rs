//! Shared window: the host's clock and shared data, by which the workers of a process hold limits together.

use std::fmt::Display;

use palisade_sdk::{Filter, Handle, SharedKey, now};

use crate::limits::{Change, Process, Unavailable};

/// The key. It stands for one layout of the value, which the modules of an update may not agree on.
pub(crate) const WINDOW: &str = "limits/1";

/// What a request asks of the host.
pub(crate) struct SharedWindow<'a, F> {
    pub(crate) key: &'a SharedKey,
    pub(crate) handle: &'a Handle<F>,
}

impl<F: Filter> Process for SharedWindow<'_, F> {
    fn second(&self) -> Result<u64, Unavailable> {
        now().map(|time| time.as_secs()).map_err(|error| self.report(&error))
    }

    fn update(&self, change: Change<'_>) -> Result<(), Unavailable> {
        self.key.update(change).map_err(|error| self.report(&error))
    }
}

impl<F: Filter> SharedWindow<'_, F> {
    fn report(&self, error: &dyn Display) -> Unavailable {
        self.handle.report(error);
        Unavailable
    }
}
