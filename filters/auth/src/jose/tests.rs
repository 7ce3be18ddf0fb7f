//! Signatures and key sets against other implementations.

mod key_sets;
mod open_ssl;
mod wycheproof;

use super::HostSignatures;
pub(crate) use open_ssl::OpenSsl;

/// A host without the function.
pub(crate) struct NoHost;

impl HostSignatures for NoHost {
    fn verify(&self, _: super::Hash, _: &[u8], _: &[u8], _: &[u8]) -> Option<bool> {
        None
    }
}
