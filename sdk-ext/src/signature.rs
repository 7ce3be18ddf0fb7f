//! Signatures, verified by the host: in Envoy by BoringSSL, some ten times as fast as a module could.

use crate::abi;
use crate::protobuf::{Wire, put_bytes, take_field};
use crate::status::{HostError, Status};

/// The host's function, in an error.
const CALL: &str = "proxy_call_foreign_function(verify_signature)";

/// The hash function of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// Whether `signature` is that of `text`, by the host's function `verify_signature`.
///
/// `public_key` is a `SubjectPublicKeyInfo` in DER (RFC 5280, section 4.1). Its type decides what the signature is: for
/// RSA PKCS#1 v1.5 (RFC 8017, section 8.2), for an elliptic curve ECDSA in DER (RFC 3279, section 2.2.3). Envoy verifies
/// no other (RSASSA-PSS, Ed25519). A key that the host cannot read, or one of another type, verifies nothing.
///
/// # Errors
///
/// The host has no such function ([`Status::NotFound`]), withholds it ([`Status::InternalFailure`]), or its answer
/// cannot be read.
pub fn verify(hash: Hash, public_key: &[u8], signature: &[u8], text: &[u8]) -> Result<bool, HostError> {
    // Envoy answers status 2 for a key of no bytes.
    if public_key.is_empty() {
        return Ok(false);
    }
    let answer = abi::call_foreign_function(CALL, "verify_signature", &arguments(hash, public_key, signature, text))?;
    verdict(&answer).ok_or(HostError { call: CALL, status: Status::ParseFailure })
}

/// `VerifySignatureArguments { string hash_function = 1; bytes public_key = 2; bytes signature = 3; bytes text = 4; }`
fn arguments(hash: Hash, public_key: &[u8], signature: &[u8], text: &[u8]) -> Vec<u8> {
    let hash: &[u8] = match hash {
        Hash::Sha256 => b"sha256",
        Hash::Sha384 => b"sha384",
        Hash::Sha512 => b"sha512",
    };
    let mut arguments = Vec::new();
    for (field, content) in [(1, hash), (2, public_key), (3, signature), (4, text)] {
        put_bytes(&mut arguments, field, content);
    }
    arguments
}

/// `VerifySignatureResult { bool result = 1; string error = 2; }`
fn verdict(mut answer: &[u8]) -> Option<bool> {
    let (mut verified, mut failed) = (false, false);
    while !answer.is_empty() {
        match take_field(&mut answer)? {
            (1, Wire::Varint(result)) => verified = result != 0,
            (2, Wire::Bytes(error)) => failed = !error.is_empty(),
            _ => {}
        }
    }
    Some(verified && !failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_arguments_are_four_fields() {
        assert_eq!(arguments(Hash::Sha384, b"key", b"", b"text"), b"\x0A\x06sha384\x12\x03key\x1A\x00\x22\x04text");
    }

    #[test]
    fn only_a_plain_yes_is_one() {
        assert_eq!(verdict(b"\x08\x01"), Some(true));
        assert_eq!(verdict(b"\x08\x01\x12\x00"), Some(true));
        assert_eq!(verdict(b""), Some(false), "proto3 leaves out what is false");
        assert_eq!(verdict(b"\x08\x00"), Some(false));
        assert_eq!(verdict(b"\x08\x01\x12\x01e"), Some(false), "an error beside it");
        assert_eq!(verdict(b"\x12\x05error"), Some(false));
        assert_eq!(verdict(b"\x08\x01\x08\x00"), Some(false), "the last one counts");
        assert_eq!(verdict(b"\x0A\x01\x01"), Some(false), "of another type");
        assert_eq!(verdict(b"\x08"), None);
        assert_eq!(verdict(b"\x08\x01\x12\x05e"), None, "cut short");
    }

    #[test]
    fn without_the_host_there_is_an_error_that_names_its_function() {
        let error = verify(Hash::Sha256, b"key", b"", b"").unwrap_err();
        assert_eq!(error.status, Status::Unimplemented);
        assert!(error.to_string().contains("verify_signature"), "{error}");
        assert_eq!(verify(Hash::Sha256, b"", b"", b""), Ok(false), "no key verifies nothing");
    }

    proptest! {
        #[test]
        fn no_answer_is_taken_for_a_yes_that_does_not_begin_with_one(answer: Vec<u8>) {
            prop_assume!(!answer.contains(&0x08));
            prop_assert_ne!(verdict(&answer), Some(true));
        }
    }
}
