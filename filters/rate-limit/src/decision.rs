//! Decision: what one limit says about one request.

/// What one limit says about one request. Times are nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request is within the limit.
    pub admitted: bool,
    /// How much can still be taken at once, after this request.
    pub remaining: u64,
    /// How long it takes until all can be taken again.
    pub reset: u64,
    /// How long a refused request has to wait; `None` for an admitted one, and for one that will never be admitted.
    pub retry: Option<u64>,
}
