//! Shared data: values that all workers of one Envoy process see.
//!
//! Keys are `palisade/<filter>/<plugin name>/<key>`: the namespace is shared with every other module of the same
//! `vm_id`. A key can never be deleted, so its name must not depend on traffic or on the configuration; what depends on
//! the configuration stands in the value.

use crate::abi;
use crate::status::{HostError, Status};
use std::fmt;

/// How often an update is tried against other workers before it gives up.
const TRIES: usize = 16;

/// A compare-and-swap number that no value has: to set a missing key with it creates the key, and fails when
/// somebody else was faster (0 would overwrite).
const NEVER: u32 = u32::MAX;

/// One key of the shared data.
pub struct SharedKey {
    key: String,
}

impl SharedKey {
    pub(crate) fn new(filter: &str, plugin: &str, key: &str) -> Self {
        Self { key: ["palisade", filter, plugin, key].join("/") }
    }

    /// The key of what the workers have to agree on about a metric, by the metric's name. No plugin's key begins so.
    pub(crate) fn of_metric(name: &[u8]) -> Self {
        Self { key: String::from_utf8_lossy(name).into_owned() }
    }

    /// The value; `None` when it was never set.
    ///
    /// # Errors
    ///
    /// The host refused.
    pub fn get(&self) -> Result<Option<Vec<u8>>, HostError> {
        Ok(abi::shared_data(&self.key)?.map(|(value, _)| value))
    }

    /// Sets the value, whatever it was.
    ///
    /// # Errors
    ///
    /// The host refused.
    pub fn set(&self, value: &[u8]) -> Result<(), HostError> {
        abi::set_shared_data(&self.key, value, 0)
    }

    /// Creates the key with this value, where it was never set.
    ///
    /// # Errors
    ///
    /// The host refused.
    pub fn create(&self, value: &[u8]) -> Result<(), HostError> {
        match abi::set_shared_data(&self.key, value, NEVER) {
            Err(error) if error.status == Status::CasMismatch => Ok(()),
            result => result,
        }
    }

    /// The value and its version, for [`SharedKey::replace`]; `None` when it was never set.
    ///
    /// # Errors
    ///
    /// The host refused.
    pub fn get_versioned(&self) -> Result<Option<(Vec<u8>, Version)>, HostError> {
        Ok(abi::shared_data(&self.key)?.map(|(value, cas)| (value, Version(cas))))
    }

    /// Replaces this version of the value. Returns whether it did: not when somebody else was faster.
    ///
    /// # Errors
    ///
    /// The host refused.
    pub fn replace(&self, version: Version, value: &[u8]) -> Result<bool, HostError> {
        match abi::set_shared_data(&self.key, value, version.0) {
            Ok(()) => Ok(true),
            Err(error) if error.status == Status::CasMismatch => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Replaces the value by what `change` makes of it, atomically: `change` runs anew when another worker was
    /// faster. It is given `None` for a key that was never set, and leaves the value as it is by returning `None`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Contended`] when other workers were faster 16 times; the host refused.
    pub fn update(&self, mut change: impl FnMut(Option<&[u8]>) -> Option<Vec<u8>>) -> Result<(), UpdateError> {
        for _ in 0..TRIES {
            let current = abi::shared_data(&self.key)?;
            let (value, cas) = match &current {
                Some((value, cas)) => (Some(value.as_slice()), *cas),
                None => (None, NEVER),
            };
            let Some(new) = change(value) else { return Ok(()) };
            match abi::set_shared_data(&self.key, &new, cas) {
                Err(error) if error.status == Status::CasMismatch => {}
                result => return Ok(result?),
            }
        }
        Err(UpdateError::Contended)
    }
}

/// One version of a value: each time that it is set, it gets another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(u32);

/// An update of shared data that did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateError {
    /// Other workers were faster each time; to try again helps.
    Contended,
    /// The host refused.
    Host(HostError),
}

impl From<HostError> for UpdateError {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contended => f.write_str("other workers change the value all the time"),
            Self::Host(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UpdateError {}
