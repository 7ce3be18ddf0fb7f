//! Status: what a host call answered when it was not "ok".

use std::fmt;

/// The status of a host that lacks the function.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const UNIMPLEMENTED: u32 = 12;

/// The answer of a host call that did not do what was asked.
///
/// The numbers are those of the Proxy-Wasm ABI 0.2.1; Envoy knows more of them than the specification, and a
/// WASI function answers with numbers of its own, hence [`Status::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// 1: there is no such thing.
    NotFound,
    /// 2: an argument is wrong, or the thing is not to be had in this phase.
    BadArgument,
    /// 3: the value cannot be serialised.
    SerializationFailure,
    /// 4: the value cannot be parsed.
    ParseFailure,
    /// 6: a pointer leads outside of the module's memory.
    InvalidMemoryAccess,
    /// 7: the queue is empty.
    Empty,
    /// 8: somebody else has changed the value since it was read.
    CasMismatch,
    /// 10: the host failed, or the capability is withheld from this module.
    InternalFailure,
    /// 12: the host does not have this function.
    Unimplemented,
    /// Any other number.
    Other(u32),
}

impl From<u32> for Status {
    fn from(status: u32) -> Self {
        match status {
            1 => Self::NotFound,
            2 => Self::BadArgument,
            3 => Self::SerializationFailure,
            4 => Self::ParseFailure,
            6 => Self::InvalidMemoryAccess,
            7 => Self::Empty,
            8 => Self::CasMismatch,
            10 => Self::InternalFailure,
            12 => Self::Unimplemented,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "NotFound",
            Self::BadArgument => "BadArgument",
            Self::SerializationFailure => "SerializationFailure",
            Self::ParseFailure => "ParseFailure",
            Self::InvalidMemoryAccess => "InvalidMemoryAccess",
            Self::Empty => "Empty",
            Self::CasMismatch => "CasMismatch",
            Self::InternalFailure => "InternalFailure",
            Self::Unimplemented => "Unimplemented",
            Self::Other(number) => return write!(f, "Other({number})"),
        })
    }
}

/// A host call that failed: which, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostError {
    /// The host function's name in the ABI.
    pub call: &'static str,
    /// What it answered.
    pub status: Status,
}

impl HostError {
    pub(crate) fn check(call: &'static str, status: u32) -> Result<(), Self> {
        match status {
            0 => Ok(()),
            status => Err(Self { call, status: status.into() }),
        }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the host answered {} with {}", self.call, self.status)
    }
}

impl std::error::Error for HostError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_a_status_and_only_zero_is_success() {
        assert_eq!(HostError::check("f", 0), Ok(()));
        for number in 1..=300 {
            assert!(HostError::check("f", number).is_err());
        }
        assert_eq!(Status::from(11), Status::Other(11));
    }

    #[test]
    fn a_status_is_shown_by_its_name() {
        for number in 1..=13 {
            let status = Status::from(number);
            assert_eq!(status.to_string(), format!("{status:?}"));
        }
    }
}
