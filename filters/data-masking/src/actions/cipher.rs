//! Encryption that can be undone: AES-SIV (RFC 5297), the same ciphertext for the same value.
//!
//! A ciphertext is `enc_`, the key's name, `_`, and the synthetic IV and the ciphertext proper in base32.

use std::fmt;

use aes::Aes256;
use aes::cipher::{Array, BlockCipherEncrypt as _, KeyInit as _};
use base32ct::{Base32Unpadded, Encoding as _};
use cmac::{Cmac, Mac as _};
use palisade_sdk::config::{Node, Object, Secret};

use super::key::{hmac, key};
use crate::detectors::{CIPHERTEXT_PREFIX, LONGEST_CIPHERTEXT};

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

    fn encrypted(&self, plaintext: &[u8]) -> Option<String> {
        let siv = self.s2v(plaintext)?;
        let mut bytes = [&siv, plaintext].concat();
        self.xor_keystream(siv, bytes.get_mut(16..)?);
        Some([CIPHERTEXT_PREFIX, &self.id, "_", &Base32Unpadded::encode_string(&bytes)].concat())
    }

    fn decrypted(&self, ciphertext: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(ciphertext).ok()?;
        let encoded = text.strip_prefix(CIPHERTEXT_PREFIX)?.strip_prefix(&self.id)?.strip_prefix('_')?;
        let bytes = Base32Unpadded::decode_vec(encoded).ok()?;
        let (siv, secret) = bytes.split_first_chunk()?;
        let mut plaintext = secret.to_vec();
        self.xor_keystream(*siv, &mut plaintext);
        let differences = self.s2v(&plaintext)?.iter().zip(siv).fold(0, |all, (own, byte)| all | (own ^ byte));
        (differences == 0).then_some(plaintext)
    }

    /// The synthetic IV (RFC 5297, section 2.4), of the key's name and the plaintext.
    fn s2v(&self, plaintext: &[u8]) -> Option<[u8; 16]> {
        let cmac = |text: &[u8]| {
            Some(Cmac::<Aes256>::new_from_slice(self.bytes.get(..32)?).ok()?.chain_update(text).finalize())
        };
        let mac = |text: &[u8]| cmac(text).map(|mac| u128::from_be_bytes(mac.into_bytes().into()));
        let name = double(mac(&[0; 16])?) ^ mac(self.id.as_bytes())?;
        let (mut last, mask) = match plaintext.len() {
            16.. => (plaintext.to_vec(), name),
            len => {
                let padding = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                ([plaintext, padding.get(..16usize.checked_sub(len)?)?].concat(), double(name))
            }
        };
        for (byte, mask) in last.iter_mut().rev().zip(mask.to_be_bytes().iter().rev()) {
            *byte ^= mask;
        }
        mac(&last).map(u128::to_be_bytes)
    }

    /// The counter mode (RFC 5297, section 2.5).
    fn xor_keystream(&self, siv: [u8; 16], text: &mut [u8]) {
        let Some(Ok(cipher)) = self.bytes.get(32..).map(Aes256::new_from_slice) else { return };
        let start = u128::from_be_bytes(siv) & !(1 << 63 | 1 << 31);
        for (index, block) in (0u128..).zip(text.chunks_mut(16)) {
            let mut keystream = Array::from(start.wrapping_add(index).to_be_bytes());
            cipher.encrypt_block(&mut keystream);
            for (byte, key) in block.iter_mut().zip(keystream) {
                *byte ^= key;
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Times x in the field of CMAC (RFC 5297, section 2.3).
fn double(block: u128) -> u128 {
    block << 1 ^ (block >> 127).wrapping_mul(0x87)
}

fn key_id(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "the name of a key such as \"k1\": 1 to 16 of a to z and 0 to 9";
    let id = node.text(EXPECTED)?;
    let is_id =
        (1..=16).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if is_id { Some(id.to_owned()) } else { node.malformed(EXPECTED) }
}

#[cfg(test)]
mod tests {
    use aes_siv::siv::Aes256Siv;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn another_implementation_encrypts_alike(
            first in any::<[u8; 32]>(),
            second in any::<[u8; 32]>(),
            plaintext in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let bytes: [u8; 64] = [first, second].concat().try_into().unwrap();
            let other = Aes256Siv::new((&bytes).into()).encrypt([b"k1"], &plaintext).unwrap();
            let key = Key { id: "k1".to_owned(), bytes: bytes.into() };
            let encrypted = key.encrypted(&plaintext).unwrap();
            prop_assert_eq!(&encrypted, &format!("enc_k1_{}", Base32Unpadded::encode_string(&other)));
            prop_assert_eq!(key.decrypted(encrypted.as_bytes()), Some(plaintext));
        }
    }
}
