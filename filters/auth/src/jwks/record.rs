//! Record: what the workers know of a key set that they fetch together, and when the next fetch is due.
//!
//! Pure: times come from outside, and the record is a value that one worker replaces by another, all or nothing. So the
//! workers agree on who fetches (the one whose replacement took the lease), and on when.

/// How long after one fetch began an unknown key may ask for another.
pub(super) const MISS_INTERVAL: Millis = 10_000;

/// How long a lease outlives the time in which its fetch must end.
const MARGIN: Millis = 1_000;

const FIRST_BACKOFF: Millis = 1_000;
const LAST_BACKOFF: Millis = 60_000;

/// When a call that the host did not even send is tried again: it has cost nobody anything, and at Envoy's start a cluster
/// may have no endpoints yet.
const UNSENT_BACKOFF: Millis = 250;

/// The first byte of a serialised record: its layout.
const LAYOUT: u8 = 1;

/// The first half of a SHA-256.
pub(super) type Digest = [u8; 16];

/// Milliseconds: a length of time, or one since the Unix epoch.
pub(super) type Millis = u64;

/// What is fetched, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// What stands for the place that the set is fetched from. A record of another place counts for nothing.
    pub(super) source: Digest,
    pub(super) refresh: Millis,
    pub(super) stale_ttl: Millis,
    /// In which time a fetch ends.
    pub(super) timeout: Millis,
}

/// What the workers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    source: Digest,
    /// When the set came, and which; `None` before the first one.
    fetched: Option<(Millis, Digest)>,
    /// When the last fetch began.
    began: Millis,
    /// When the next fetch is due.
    next: Millis,
    /// Until when nobody else fetches.
    lease: Millis,
    /// How many fetches have failed since one succeeded.
    failures: u32,
}

/// Why a worker wants to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It is time.
    Due,
    /// A token names a key that the set lacks.
    Miss,
}

/// How a fetch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The host did not send the call.
    Unsent,
    /// There was no answer, or none of use.
    Failed,
}

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It tries to take the lease.
    Fetch,
    /// Somebody fetches.
    Underway,
    /// It waits until the next fetch is due.
    Wait(Millis),
}

impl Policy {
    /// Whether a set is young enough to be used.
    pub(super) fn is_usable(&self, fetched: Millis, now: Millis) -> bool {
        now.saturating_sub(fetched) <= self.refresh.saturating_add(self.stale_ttl)
    }
}

impl Record {
    /// That of a set that nobody has fetched: it is due at once.
    pub(super) fn new(policy: &Policy) -> Self {
        Self { source: policy.source, fetched: None, began: 0, next: 0, lease: 0, failures: 0 }
    }

    /// When the set was fetched, and which it is.
    pub(super) fn fetched(&self) -> Option<(Millis, Digest)> {
        self.fetched
    }

    /// Whether the last fetch brought nothing.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// What a worker does next.
    pub(super) fn next(&self, now: Millis, reason: Reason, policy: &Policy) -> Next {
        if is_ahead(now, self.lease, lease_of(policy)) {
            return Next::Underway;
        }
        let longest = policy.refresh.max(LAST_BACKOFF);
        let since_last = now.saturating_sub(self.began);
        match reason {
            // A clock that was set back must not put the next one off for good.
            _ if !is_ahead(now, self.next, longest) => Next::Fetch,
            Reason::Miss if since_last >= MISS_INTERVAL || self.began > now => Next::Fetch,
            _ => Next::Wait(self.next.saturating_sub(now)),
        }
    }

    /// The record with the lease taken, if a fetch may begin now.
    pub(super) fn begin(&self, now: Millis, reason: Reason, policy: &Policy) -> Option<Self> {
        let fetch = self.next(now, reason, policy) == Next::Fetch;
        fetch.then(|| Self { began: now, lease: now.saturating_add(lease_of(policy)), ..*self })
    }

    /// The record after a fetch brought a set. `jitter`, any number, spreads the fetches of many processes.
    pub(super) fn succeeded(&self, now: Millis, digest: Digest, jitter: u32, policy: &Policy) -> Self {
        // From three quarters of the time to all of it.
        let quarter = policy.refresh >> 2;
        let next = now.saturating_add(policy.refresh.saturating_sub(quarter)).saturating_add(spread(quarter, jitter));
        Self { fetched: Some((now, digest)), next, lease: 0, failures: 0, ..*self }
    }

    /// The record after a fetch brought nothing.
    pub(super) fn failed(&self, now: Millis, failure: Failure, jitter: u32) -> Self {
        let (backoff, failures) = match failure {
            Failure::Unsent => (UNSENT_BACKOFF, self.failures.max(1)),
            Failure::Failed => (backoff(self.failures, jitter), self.failures.saturating_add(1)),
        };
        Self { next: now.saturating_add(backoff), lease: 0, failures, ..*self }
    }

    /// As it stands in shared data.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let (at, digest) = self.fetched.unwrap_or_default();
        let mut bytes = vec![LAYOUT];
        bytes.extend(self.source);
        bytes.extend(digest);
        for time in [at, self.began, self.next, self.lease] {
            bytes.extend(time.to_le_bytes());
        }
        bytes.extend(self.failures.to_le_bytes());
        bytes
    }

    /// The record that stands in shared data; `None` where it is of another place or layout.
    pub(super) fn from_bytes(bytes: &[u8], policy: &Policy) -> Option<Self> {
        let rest = bytes.strip_prefix(&[LAYOUT])?;
        let (source, rest) = rest.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk()?;
        let (times, rest) = rest.split_first_chunk::<32>()?;
        let failures = u32::from_le_bytes(rest.try_into().ok()?);
        let mut times = times.as_chunks().0.iter().map(|time| Millis::from_le_bytes(*time));
        let [at, began, next, lease] = [times.next()?, times.next()?, times.next()?, times.next()?];
        let fetched = (at > 0).then_some((at, *digest));
        let record = Self { source: *source, fetched, began, next, lease, failures };
        (record.source == policy.source).then_some(record)
    }
}

/// How long others keep away from a fetch.
fn lease_of(policy: &Policy) -> Millis {
    policy.timeout.saturating_add(MARGIN)
}

/// Whether a time is still to come, and no further off than it can be.
fn is_ahead(now: Millis, time: Millis, at_most: Millis) -> bool {
    now < time && time.saturating_sub(now) <= at_most
}

/// 1 s, doubled with each failure up to 60 s; up to a quarter more, but never above that.
fn backoff(failures: u32, jitter: u32) -> Millis {
    let doubled = FIRST_BACKOFF.saturating_mul(1_u64.checked_shl(failures).unwrap_or(u64::MAX));
    doubled.saturating_add(spread(doubled >> 2, jitter)).min(LAST_BACKOFF)
}

/// From nothing to nearly all of a length of time.
fn spread(most: Millis, jitter: u32) -> Millis {
    most.saturating_mul(jitter.into()) >> 32
}

#[cfg(test)]
mod tests;
