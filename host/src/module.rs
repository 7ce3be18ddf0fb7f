//! A module: compiled once, for all its VMs.

use crate::error::LoadError;
use crate::version::Abi;

/// A compiled module that Envoy would load.
#[derive(Clone)]
pub struct Module {
    pub(crate) code: wasmtime::Module,
    pub(crate) abi: Abi,
    pub(crate) sha256: String,
}

impl Module {
    /// The SHA-256 of its bytes, in lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The version of the ABI that it was made for.
    #[must_use]
    pub const fn abi(&self) -> Abi {
        self.abi
    }

    /// Refuses a module of another hash.
    ///
    /// # Errors
    ///
    /// The hash is another.
    pub fn verify(&self, expected: &str) -> Result<(), LoadError> {
        if self.sha256 == expected {
            return Ok(());
        }
        Err(LoadError::WrongHash { expected: expected.to_owned(), found: self.sha256.clone() })
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Module").field("abi", &self.abi).field("sha256", &self.sha256).finish_non_exhaustive()
    }
}
