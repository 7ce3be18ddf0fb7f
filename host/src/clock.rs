//! The clock that guests and timers go by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    Real,
    /// One that only [`Clock::advance`] moves: nanoseconds since the Unix epoch.
    Virtual(Arc<AtomicU64>),
}

/// When a virtual clock begins: 2026-01-01, midnight.
const BEGINNING: u64 = 1_767_225_600_000_000_000;

impl Clock {
    /// A clock that stands until it is moved.
    #[must_use]
    pub fn still() -> Self {
        Self::Virtual(Arc::new(AtomicU64::new(BEGINNING)))
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        match self {
            Self::Real => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanoseconds),
            Self::Virtual(time) => time.load(Ordering::Relaxed),
        }
    }

    /// The date as HTTP has it.
    pub(crate) fn date(&self) -> String {
        let now = Duration::from_nanos(self.now());
        UNIX_EPOCH.checked_add(now).map_or_else(String::new, httpdate::fmt_http_date)
    }

    /// Moves a virtual clock on, or leaves a real one alone.
    pub fn advance(&self, by: Duration) {
        if let Self::Virtual(time) = self {
            time.fetch_add(nanoseconds(by), Ordering::Relaxed);
        }
    }

    /// Sets a virtual clock, forwards or back.
    pub fn set(&self, now: u64) {
        if let Self::Virtual(time) = self {
            time.store(now, Ordering::Relaxed);
        }
    }
}

/// A duration in nanoseconds.
#[must_use]
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
