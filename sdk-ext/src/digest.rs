//! Digests that tell contents apart.

use sha2::{Digest, Sha256};

/// The SHA-256 of bytes, in lower-case hexadecimal.
///
/// A function of its own, so that a module has the hash once.
#[inline(never)]
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_standard() {
        // FIPS 180-4, the example "abc".
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
