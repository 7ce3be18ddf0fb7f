//! `verify_signature` and `sign`: RSA (PKCS #1 v1.5) and ECDSA (DER), as Envoy's crypto library has them.

use crate::protobuf;
use crate::status::Status;
use openssl::ec::EcKeyRef;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, PKey, Private, Public};
use openssl::sign::{Signer, Verifier};

/// Of a message of a hash function (1), a public key as DER (2) or PEM (5), a signature (3) and a text (4), whether the
/// signature is right (1), and why not (2).
pub(super) fn verify(argument: &[u8]) -> Result<Vec<u8>, Status> {
    let (hash, key) = (hash(argument)?, Encoded::of(argument, 2, 5)?);
    let mut answer = Vec::new();
    match try_verify(&hash, key, bytes(argument, 3), bytes(argument, 4)) {
        Ok(()) => protobuf::put_number(&mut answer, 1, 1),
        Err(error) => protobuf::put_bytes(&mut answer, 2, error.as_bytes()),
    }
    Ok(answer)
}

/// Of a message of a hash function (1), a private key as DER (2) or PEM (4) and a text (3), whether it could be signed (1), the
/// signature (2), and why not (3).
pub(super) fn sign(argument: &[u8]) -> Result<Vec<u8>, Status> {
    let (hash, key) = (hash(argument)?, Encoded::of(argument, 2, 4)?);
    let mut answer = Vec::new();
    match try_sign(&hash, key, bytes(argument, 3)) {
        Ok(signature) => {
            protobuf::put_number(&mut answer, 1, 1);
            protobuf::put_bytes(&mut answer, 2, &signature);
        }
        Err(error) => protobuf::put_bytes(&mut answer, 3, error.as_bytes()),
    }
    Ok(answer)
}

fn try_verify(hash: &str, key: Encoded<'_>, signature: &[u8], text: &[u8]) -> Result<(), String> {
    let begun = "Failed to initialize digest verify.";
    let digest = digest(hash)?;
    let key = key.public().ok_or(begun)?;
    let mut verifier = Verifier::new(digest, &key).map_err(|_| begun)?;
    let is_right = verifier.verify_oneshot(signature, text).unwrap_or(false);
    if is_right { Ok(()) } else { Err("Failed to verify digest. Error code: 0".to_owned()) }
}

fn try_sign(hash: &str, key: Encoded<'_>, text: &[u8]) -> Result<Vec<u8>, String> {
    let digest = digest(hash)?;
    let key = key.private().ok_or(NO_PRIVATE_KEY)?;
    let mut signer = Signer::new(digest, &key).map_err(|_| "Failed to initialize digest sign.")?;
    signer.sign_oneshot_to_vec(text).map_err(|_| "Failed to create signature.".to_owned())
}

const NO_PRIVATE_KEY: &str = "Invalid key type: private key required for signing operation.";

fn digest(hash: &str) -> Result<MessageDigest, String> {
    Ok(match hash.to_ascii_lowercase().as_str() {
        "sha1" => MessageDigest::sha1(),
        "sha224" => MessageDigest::sha224(),
        "sha256" => MessageDigest::sha256(),
        "sha384" => MessageDigest::sha384(),
        "sha512" => MessageDigest::sha512(),
        _ => return Err(format!("{hash} is not supported.")),
    })
}

/// The name of the hash function in a message.
fn hash(argument: &[u8]) -> Result<String, Status> {
    if !protobuf::is_message(argument) {
        return Err(Status::BAD_ARGUMENT);
    }
    String::from_utf8(bytes(argument, 1).to_vec()).map_err(|_| Status::BAD_ARGUMENT)
}

fn bytes(argument: &[u8], number: u64) -> &[u8] {
    protobuf::field(argument, number).unwrap_or_default()
}

/// A key as it is handed over.
#[derive(Clone, Copy)]
enum Encoded<'a> {
    Der(&'a [u8]),
    Pem(&'a [u8]),
}

impl<'a> Encoded<'a> {
    /// The one key of a message, by the numbers of its fields.
    fn of(argument: &'a [u8], der: u64, pem: u64) -> Result<Self, Status> {
        match (bytes(argument, der), bytes(argument, pem)) {
            (der, []) if !der.is_empty() => Ok(Self::Der(der)),
            ([], pem) if !pem.is_empty() => Ok(Self::Pem(pem)),
            _ => Err(Status::BAD_ARGUMENT),
        }
    }

    fn public(self) -> Option<PKey<Public>> {
        let key = match self {
            Self::Der(der) => PKey::public_key_from_der(der),
            Self::Pem(pem) => PKey::public_key_from_pem(pem),
        };
        key.ok().filter(is_known)
    }

    fn private(self) -> Option<PKey<Private>> {
        let key = match self {
            Self::Der(der) => PKey::private_key_from_pkcs8(der),
            // The library would ask the terminal for a password.
            Self::Pem(pem) => PKey::private_key_from_pem_callback(pem, |_| Ok(0)),
        };
        key.ok().filter(is_known)
    }
}

/// Whether Envoy's library, which has fewer curves, knows such keys.
fn is_known<T: HasPublic>(key: &PKey<T>) -> bool {
    let curve = |key: &EcKeyRef<T>| key.group().curve_name();
    let known = [Nid::SECP224R1, Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1];
    key.ec_key().map_or(true, |key| curve(&key).is_some_and(|curve| known.contains(&curve)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::rsa::Rsa;
    use openssl::symm::Cipher;

    const HASHES: [&str; 5] = ["sha1", "SHA224", "sha256", "sha384", "sha512"];

    fn curve(curve: Nid) -> PKey<Private> {
        let group = EcGroup::from_curve_name(curve).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    }

    fn message(fields: &[(u64, &[u8])]) -> Vec<u8> {
        let mut message = Vec::new();
        for (number, bytes) in fields {
            protobuf::put_bytes(&mut message, *number, bytes);
        }
        message
    }

    fn error(answer: &[u8], number: u64) -> String {
        String::from_utf8(protobuf::field(answer, number).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn what_is_signed_with_any_key_and_hash_is_verified_in_der_and_pem() {
        let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let curves = [Nid::SECP224R1, Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1];
        for key in curves.map(curve).into_iter().chain([rsa]) {
            let (der, pem) = (key.private_key_to_pkcs8().unwrap(), key.private_key_to_pem_pkcs8().unwrap());
            let (public_der, public_pem) = (key.public_key_to_der().unwrap(), key.public_key_to_pem().unwrap());
            for hash in HASHES {
                for private in [(2, der.as_slice()), (4, pem.as_slice())] {
                    let signed = sign(&message(&[(1, hash.as_bytes()), private, (3, b"text")])).unwrap();
                    let signature = protobuf::field(&signed, 2).unwrap();
                    for public in [(2, public_der.as_slice()), (5, public_pem.as_slice())] {
                        let of = |text| verify(&message(&[(1, hash.as_bytes()), public, (3, signature), (4, text)]));
                        assert_eq!(of(b"text").unwrap(), [8, 1], "{hash}");
                        assert_eq!(error(&of(b"other").unwrap(), 2), "Failed to verify digest. Error code: 0");
                    }
                }
            }
        }
    }

    #[test]
    fn a_key_that_envoy_does_not_know_starts_nothing() {
        let other = curve(Nid::SECP256K1);
        let public = [(2, other.public_key_to_der().unwrap()), (2, b"no key".to_vec()), (5, b"no key".to_vec())];
        for (number, key) in public {
            let answer = verify(&message(&[(1, b"sha256"), (number, &key)])).unwrap();
            assert_eq!(error(&answer, 2), "Failed to initialize digest verify.");
        }
        let answer = sign(&message(&[(1, b"sha256"), (2, &other.private_key_to_pkcs8().unwrap())])).unwrap();
        assert_eq!(error(&answer, 3), NO_PRIVATE_KEY);
    }

    #[test]
    fn nobody_is_asked_for_the_password_of_a_key() {
        let key = curve(Nid::X9_62_PRIME256V1);
        let pem = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"password").unwrap();
        let answer = sign(&message(&[(1, b"sha256"), (4, &pem)])).unwrap();
        assert_eq!(error(&answer, 3), NO_PRIVATE_KEY);
    }

    #[test]
    fn no_key_and_two_of_them_are_no_argument() {
        for call in [verify, sign] {
            assert_eq!(call(&message(&[(1, b"sha256")])), Err(Status::BAD_ARGUMENT));
            assert_eq!(call(b"no protobuf"), Err(Status::BAD_ARGUMENT));
        }
        assert_eq!(verify(&message(&[(2, b"a"), (5, b"b")])), Err(Status::BAD_ARGUMENT));
        assert_eq!(sign(&message(&[(2, b"a"), (4, b"b")])), Err(Status::BAD_ARGUMENT));
    }

    #[test]
    fn an_unknown_hash_function_is_named() {
        let answer = verify(&message(&[(1, b"MD5"), (2, b"a")])).unwrap();
        assert_eq!(error(&answer, 2), "MD5 is not supported.");
    }
}
