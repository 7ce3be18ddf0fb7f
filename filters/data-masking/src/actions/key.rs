//! Keys of the actions that need one.

use hmac::{Hmac, KeyInit as _, Mac as _};
use palisade_sdk::config::{FromConfig as _, Node, Secret};
use sha2::Sha256;

/// Below it a key can be guessed.
const SHORTEST: usize = 16;

/// Reads a secret that is long enough to be a key.
pub(super) fn key(node: Node<'_>) -> Option<Secret> {
    let key = Secret::from_config(node)?;
    if key.expose().len() < SHORTEST {
        return node.error("a key must have at least 16 bytes; `openssl rand -hex 32` makes one");
    }
    Some(key)
}

/// HMAC-SHA256 of the parts, one after the other.
pub(super) fn hmac(key: &Secret, parts: &[&[u8]]) -> [u8; 32] {
    // Any length of key will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose()) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
