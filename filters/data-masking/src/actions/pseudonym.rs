//! Pseudonyms: words that stand for a value, the same for the same value, and that only the holder of a key can compute.

use std::fmt;

use base32ct::{Base32Unpadded, Encoding as _};
use palisade_sdk::config::{Node, Object, Secret};

use super::key::{hmac, key};
use super::refuse_detected;

/// How many hexadecimal digits of the HMAC a hash may have.
pub(super) const HASH: std::ops::RangeInclusive<u64> = 16..=64;
/// What a prefix looks like.
#[cfg(feature = "schema")]
pub(super) const PREFIX_PATTERN: &str = "^[a-z][a-z0-9]{0,14}_$";

/// How many characters at the end confirm a pseudonym.
const CHECK: usize = 8;

/// A prefix, the beginning of HMAC-SHA256 of the value, and eight characters by which it is known again: one's own pseudonyms
/// stay as they are.
pub struct Pseudonym {
    key: Secret,
    prefix: String,
    alphabet: Alphabet,
}

enum Alphabet {
    /// So many hexadecimal digits.
    Hex(usize),
    /// 24 characters of base32.
    Base32,
}

impl Pseudonym {
    pub(super) fn hash(object: &mut Object<'_>) -> Option<Self> {
        let len = object.optional_with("len", |node| usize::try_from(node.integer(HASH)?).ok());
        let read = Self::read(object, "hash_", Alphabet::Hex(32));
        Some(Self { alphabet: Alphabet::Hex(len?.unwrap_or(32)), ..read? })
    }

    pub(super) fn token(object: &mut Object<'_>) -> Option<Self> {
        Self::read(object, "tok_", Alphabet::Base32)
    }

    fn read(object: &mut Object<'_>, prefix: &str, alphabet: Alphabet) -> Option<Self> {
        let alg = object.optional_with("alg", |node| node.one_of(&[("hmac-sha256", ())]));
        let key = object.required_with("key", key);
        let own = object.optional_with("prefix", prefix_of);
        alg?;
        Some(Self { key: key?, prefix: own?.unwrap_or_else(|| prefix.to_owned()), alphabet })
    }

    pub(super) fn apply(&self, value: &[u8], out: &mut Vec<u8>) {
        if self.is_own(value) {
            return out.extend_from_slice(value);
        }
        let front = self.front(value);
        for part in [&self.prefix, &front, &self.check(&front)] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    fn front(&self, value: &[u8]) -> String {
        let mac = hmac(&self.key, &[value]);
        match self.alphabet {
            Alphabet::Hex(len) => {
                let mut digits = hex::encode(mac);
                digits.truncate(len);
                digits
            }
            Alphabet::Base32 => base32(mac.first_chunk::<15>()),
        }
    }

    fn check(&self, front: &str) -> String {
        let mac = hmac(&self.key, &[b"\0", self.prefix.as_bytes(), front.as_bytes()]);
        match self.alphabet {
            Alphabet::Hex(_) => hex::encode(mac.first_chunk::<4>().copied().unwrap_or_default()),
            Alphabet::Base32 => base32(mac.first_chunk::<5>()),
        }
    }

    /// Whether this is a pseudonym that the key has made.
    fn is_own(&self, value: &[u8]) -> bool {
        let own = std::str::from_utf8(value).ok().and_then(|value| value.strip_prefix(&self.prefix));
        let front_len = match self.alphabet {
            Alphabet::Hex(len) => len,
            Alphabet::Base32 => 24,
        };
        match own.and_then(|own| own.split_at_checked(front_len)) {
            Some((front, check)) => check.len() == CHECK && check == self.check(front),
            None => false,
        }
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonym(..)")
    }
}

fn base32<const N: usize>(bytes: Option<&[u8; N]>) -> String {
    bytes.map(|bytes| Base32Unpadded::encode_string(bytes)).unwrap_or_default()
}

/// A prefix that makes a pseudonym one word, and none that a detector would look for.
fn prefix_of(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "a prefix such as \"em_\": a to z and 0 to 9, a letter first, 15 at most, and then a _";
    let prefix = node.text(EXPECTED)?;
    let is_prefix = prefix.strip_suffix('_').is_some_and(|name| {
        let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        is_name && name.len() <= 15 && name.starts_with(|first: char| first.is_ascii_lowercase())
    });
    if !is_prefix {
        return node.malformed(EXPECTED);
    }
    refuse_detected(node, [prefix, &"a".repeat(72)].concat().as_bytes())?;
    Some(prefix.to_owned())
}
