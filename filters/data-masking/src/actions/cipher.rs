//! Encryption that can be undone: AES-SIV (RFC 5297), the same ciphertext for the same value.
//!
//! A ciphertext is `enc_`, the key's name, `_`, and the synthetic IV and the ciphertext proper in base32.

use std::fmt;

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes256Siv;
use base32ct::{Base32Unpadded, Encoding as _};
use palisade_sdk::config::{Node, Object, Secret};

use super::key::{hmac, key};
use super::{CIPHERTEXT_PREFIX, LONGEST_CIPHERTEXT};

/// What the name of a key looks like.
#[cfg(feature = "schema")]
pub(super) const KEY_ID_PATTERN: &str = "^[a-z0-9]{1,16}$";

/// Encrypts under one key. A value whose ciphertext would be too long becomes the name of its detector in brackets.
#[derive(Debug)]
pub struct Encryption(Key);

/// Decrypts under any of several keys; what is no ciphertext of theirs stays as it is.
#[derive(Debug)]
pub struct Decryption(Vec<Key>);

struct Key {
    id: String,
    /// For S2V, and for the counter mode.
    bytes: zeroize::Zeroizing<[u8; 64]>,
}

impl Encryption {
    pub(super) fn read(object: &mut Object<'_>) -> Option<Self> {
        let alg = alg(object);
        let key = Key::read(object);
        alg?;
        key.map(Self)
    }

    pub(super) fn apply(&self, detector: &str, value: &[u8], out: &mut Vec<u8>) {
        if self.0.decrypted(value).is_some() {
            return out.extend_from_slice(value);
        }
        match self.0.encrypted(value).filter(|ciphertext| ciphertext.len() <= LONGEST_CIPHERTEXT) {
            Some(ciphertext) => out.extend_from_slice(ciphertext.as_bytes()),
            None => out.extend_from_slice(["[", detector, "]"].concat().as_bytes()),
        }
    }
}

impl Decryption {
    pub(super) fn read(object: &mut Object<'_>) -> Option<Self> {
        let alg = alg(object);
        let keys = object.required_with("keys", |node| node.non_empty_list(|node| node.object(Key::read)))?;
        alg?;
        for (place, key) in keys.iter().enumerate() {
            if keys.iter().take(place).any(|earlier| earlier.id == key.id) {
                return object.error_at("keys", "two keys have the same key_id");
            }
        }
        Some(Self(keys))
    }

    pub(super) fn apply(&self, value: &[u8], out: &mut Vec<u8>) {
        match self.0.iter().find_map(|key| key.decrypted(value)) {
            Some(plaintext) => out.extend_from_slice(&plaintext),
            None => out.extend_from_slice(value),
        }
    }
}

fn alg(object: &mut Object<'_>) -> Option<()> {
    object.optional_with("alg", |node| node.one_of(&[("aes-siv", ())])).map(drop)
}

// === impl Key ===

impl Key {
    fn read(object: &mut Object<'_>) -> Option<Self> {
        let id = object.required_with("key_id", key_id);
        let secret: Secret = object.required_with("key", key)?;
        let mut bytes = zeroize::Zeroizing::new([0; 64]);
        let (mac, counter) = bytes.split_at_mut(32);
        mac.copy_from_slice(&hmac(&secret, &[b"palisade aes-siv mac"]));
        counter.copy_from_slice(&hmac(&secret, &[b"palisade aes-siv ctr"]));
        Some(Self { id: id?, bytes })
    }

    fn siv(&self) -> Aes256Siv {
        Aes256Siv::new((&*self.bytes).into())
    }

    fn encrypted(&self, plaintext: &[u8]) -> Option<String> {
        let ciphertext = self.siv().encrypt([self.id.as_bytes()], plaintext).ok()?;
        Some([CIPHERTEXT_PREFIX, &self.id, "_", &Base32Unpadded::encode_string(&ciphertext)].concat())
    }

    fn decrypted(&self, ciphertext: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(ciphertext).ok()?;
        let encoded = text.strip_prefix(CIPHERTEXT_PREFIX)?.strip_prefix(&self.id)?.strip_prefix('_')?;
        let bytes = Base32Unpadded::decode_vec(encoded).ok()?;
        self.siv().decrypt([self.id.as_bytes()], &bytes).ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

fn key_id(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "the name of a key such as \"k1\": 1 to 16 of a to z and 0 to 9";
    let id = node.text(EXPECTED)?;
    let is_id =
        (1..=16).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if is_id { Some(id.to_owned()) } else { node.malformed(EXPECTED) }
}
