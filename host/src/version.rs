//! Versions of the ABI.

use Abi::{V0_1_0, V0_2_0, V0_2_1};

/// A version of the ABI, as a module's marker says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Abi {
    /// `proxy_abi_version_0_1_0`.
    V0_1_0,
    /// `proxy_abi_version_0_2_0`.
    V0_2_0,
    /// `proxy_abi_version_0_2_1`.
    V0_2_1,
}

impl Abi {
    /// The version of the marker among a module's exports.
    pub(crate) fn of<'a>(mut exports: impl Iterator<Item = &'a str>) -> Option<Self> {
        exports.find_map(|name| match name {
            "proxy_abi_version_0_1_0" => Some(V0_1_0),
            "proxy_abi_version_0_2_0" => Some(V0_2_0),
            "proxy_abi_version_0_2_1" => Some(V0_2_1),
            _ => None,
        })
    }
}
