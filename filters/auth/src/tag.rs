//! Tags: the names of secrets in maps, which nobody can make who does not know the key.
//!
//! SipHash-2-4 with 128 bits: a pseudorandom function that is made for short messages. A token or password is looked up
//! by it, so that no map holds one. A SHA-256 of every token that comes, or an HMAC of every password, would cost ten
//! times as much as all the rest of a request.

use palisade_sdk::HostError;
use palisade_sdk::random;

use crate::siphash;

/// The name of a secret.
pub type Tag = [u8; 16];

/// A key, which each method and each provider of tokens draws for itself in each worker, and the tags under it.
#[derive(Clone)]
pub struct Tagger(u64, u64);

impl Tagger {
    /// With a key of the host's random source.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn new() -> Result<Self, HostError> {
        let mut key = [0; 16];
        random::fill(&mut key)?;
        Ok(Self::with_key(key))
    }

    /// With a key that was drawn elsewhere.
    #[must_use]
    pub fn with_key(key: [u8; 16]) -> Self {
        let bits = u128::from_le_bytes(key);
        Self(bits as u64, (bits >> 64) as u64)
    }

    /// The tag of a secret.
    #[must_use]
    pub fn tag(&self, secret: &[u8]) -> Tag {
        siphash::hash((self.0, self.1), secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_siphash_of_its_authors() {
        // Their vectors for 128 bits: the key is 00 01 .. 0f, the messages are empty and 00 01 .. 0e.
        let tagger = Tagger::with_key(std::array::from_fn(|byte| byte as u8));
        let message: [u8; 15] = std::array::from_fn(|byte| byte as u8);
        assert_eq!(hex::encode(tagger.tag(b"")), "a3817f04ba25a8e66df67214c7550293");
        assert_eq!(hex::encode(tagger.tag(&message)), "5493e99933b0a8117e08ec0f97cfc3d9");
    }

    #[test]
    fn a_secret_has_another_tag_under_every_key() {
        assert_ne!(Tagger::with_key([1; 16]).tag(b"secret"), Tagger::with_key([2; 16]).tag(b"secret"));
    }
}
