//! OpenSSL in the place of Envoy's BoringSSL: the same interface, `EVP_DigestVerify` with a `SubjectPublicKeyInfo`.

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Verifier;

use crate::jose::signature;
use crate::jose::{Algorithm, Curve, Hash, HostSignatures};

/// A host that does what Envoy does.
#[derive(Clone, Copy)]
pub(crate) struct OpenSsl;

impl HostSignatures for OpenSsl {
    fn verify(&self, hash: Hash, key: &[u8], signature: &[u8], text: &[u8]) -> Option<bool> {
        let hash = match hash {
            Hash::Sha256 => MessageDigest::sha256(),
            Hash::Sha384 => MessageDigest::sha384(),
            Hash::Sha512 => MessageDigest::sha512(),
        };
        let key = PKey::public_key_from_der(key).unwrap();
        // A signature that cannot be parsed is an error in OpenSSL.
        Some(Verifier::new(hash, &key).unwrap().verify_oneshot(signature, text).unwrap_or(false))
    }
}

/// A host that says the same to everything.
struct Always(bool);

impl HostSignatures for Always {
    fn verify(&self, _: Hash, _: &[u8], _: &[u8], _: &[u8]) -> Option<bool> {
        Some(self.0)
    }
}

fn all() -> [Algorithm; 14] {
    Algorithm::ALL.map(|(_, algorithm)| algorithm)
}

#[test]
fn a_host_that_tells_good_from_bad_gets_what_hosts_can_verify() {
    let verifier = signature::Verifier::new(OpenSsl, &all());
    for algorithm in all() {
        let is_for_hosts = matches!(algorithm, Algorithm::Rs(_) | Algorithm::Es(_));
        assert_eq!(verifier.is_by_host(algorithm), is_for_hosts, "{algorithm:?}");
        assert!(verifier.can_verify(algorithm), "{algorithm:?}");
    }
}

#[test]
fn a_host_that_accepts_or_refuses_everything_gets_nothing() {
    for answer in [true, false] {
        let verifier = signature::Verifier::new(Always(answer), &all());
        for algorithm in all() {
            let needs_host = matches!(algorithm, Algorithm::Es(Curve::P384 | Curve::P521));
            assert!(!verifier.is_by_host(algorithm), "{algorithm:?}");
            assert_eq!(verifier.can_verify(algorithm), !needs_host, "{algorithm:?}");
        }
    }
}

/// A host that refuses another text, but takes any signature of the right one.
struct Careless;

impl HostSignatures for Careless {
    fn verify(&self, _: Hash, _: &[u8], _: &[u8], text: &[u8]) -> Option<bool> {
        Some(text == b"palisade")
    }
}

#[test]
fn a_host_that_does_not_look_at_the_signature_gets_nothing() {
    let verifier = signature::Verifier::new(Careless, &all());
    assert!(all().iter().all(|algorithm| !verifier.is_by_host(*algorithm)));
}

#[test]
fn only_the_algorithms_in_use_are_put_to_the_proof() {
    let verifier = signature::Verifier::new(OpenSsl, &[Algorithm::Es(Curve::P256)]);
    assert!(verifier.is_by_host(Algorithm::Es(Curve::P256)));
    assert!(!verifier.is_by_host(Algorithm::Rs(Hash::Sha256)));
}
