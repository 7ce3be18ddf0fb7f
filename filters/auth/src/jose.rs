//! JOSE: signed tokens as RFC 7515 to 7519 and RFC 8725 want them verified, and no laxer.
//!
//! A token goes through [`Compact`] (its three parts), [`Header`] (what may be asked of a verifier), [`KeySet`] (whose
//! key), [`signature`] (does it hold) and [`claims`] (is it for us, and now). Each step sees only what the one before
//! has let pass. Nothing here knows of a host but through [`HostSignatures`].

pub mod claims;
pub mod signature;

mod algorithm;
mod compact;
mod curve;
mod der;
mod error;
mod hash;
mod header;
mod host;
mod key;
mod key_set;
mod modular;
mod rsa;

pub use algorithm::Algorithm;
pub use compact::Compact;
pub use curve::Curve;
pub use error::Error;
pub use hash::Hash;
pub use header::{Header, Types};
pub use host::{HostSignatures, Proven};
pub use key::{Key, KeyProblem};
pub use key_set::{KeySet, KeySetError};

#[cfg(test)]
pub(crate) mod tests;
