//! Statuses of host calls, as Envoy's host gives them.

/// What a host call answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status(pub u32);

impl Status {
    /// Done.
    pub const OK: Self = Self(0);
    /// There is no such thing.
    pub const NOT_FOUND: Self = Self(1);
    /// An argument that is not one, or a thing that is not there in this phase.
    pub const BAD_ARGUMENT: Self = Self(2);
    /// A value that cannot be serialised.
    pub const SERIALIZATION_FAILURE: Self = Self(3);
    /// A value that cannot be parsed.
    pub const PARSE_FAILURE: Self = Self(4);
    /// A pointer outside of the guest's memory.
    pub const INVALID_MEMORY_ACCESS: Self = Self(6);
    /// An empty queue.
    pub const EMPTY: Self = Self(7);
    /// A stale compare-and-swap number.
    pub const CAS_MISMATCH: Self = Self(8);
    /// Not allowed, or failed in the host.
    pub const INTERNAL_FAILURE: Self = Self(10);
    /// The code of a callout whose connection broke.
    pub const BROKEN_CONNECTION: Self = Self(11);
    /// Not implemented by Envoy.
    pub const UNIMPLEMENTED: Self = Self(12);
}
