//! `verify_signature`: RSA (PKCS #1 v1.5) and ECDSA (DER), as Envoy's crypto library verifies them.

use crate::protobuf;
use crate::status::Status;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

/// Of a message of a hash function (1), a public key as DER (2) or PEM (5), a signature (3) and a text (4), whether the
/// signature is right (1), and why not (2).
pub(super) fn verify(argument: &[u8]) -> Result<Vec<u8>, Status> {
    if [2, 5].iter().all(|key| protobuf::field(argument, *key).is_none()) {
        return Err(Status::BAD_ARGUMENT);
    }
    let outcome = try_verify(argument);
    let mut answer = Vec::new();
    match outcome {
        Ok(true) => protobuf::put_number(&mut answer, 1, 1),
        Ok(false) => {}
        Err(error) => protobuf::put_bytes(&mut answer, 2, error.as_bytes()),
    }
    Ok(answer)
}

fn try_verify(argument: &[u8]) -> Result<bool, String> {
    let field = |number| protobuf::field(argument, number).unwrap_or_default();
    let hash = String::from_utf8_lossy(field(1)).to_ascii_lowercase();
    let der = match protobuf::field(argument, 5).filter(|pem| !pem.is_empty()) {
        Some(pem) => from_pem(pem).ok_or("Failed to initialize public key")?,
        None => field(2).to_vec(),
    };
    let (algorithm, parameters, key) = spki(&der).ok_or("Failed to initialize public key")?;
    let algorithm = choose(algorithm, parameters, &hash).ok_or_else(|| format!("{hash} is not supported."))?;
    Ok(UnparsedPublicKey::new(algorithm, key).verify(field(4), field(3)).is_ok())
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];

fn choose(algorithm: &[u8], parameters: &[u8], hash: &str) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (algorithm, parameters, hash) {
        (RSA, _, "sha1") => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (RSA, _, "sha256") => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (RSA, _, "sha384") => &signature::RSA_PKCS1_2048_8192_SHA384,
        (RSA, _, "sha512") => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (EC, P256, "sha256") => &signature::ECDSA_P256_SHA256_ASN1,
        (EC, P256, "sha384") => &signature::ECDSA_P256_SHA384_ASN1,
        (EC, P384, "sha256") => &signature::ECDSA_P384_SHA256_ASN1,
        (EC, P384, "sha384") => &signature::ECDSA_P384_SHA384_ASN1,
        _ => return None,
    })
}

/// The algorithm, its parameters and the key of a SubjectPublicKeyInfo.
fn spki(der: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (info, _) = element(der, 0x30)?;
    let (algorithm, key) = element(info, 0x30)?;
    let (name, parameters) = element(algorithm, 0x06)?;
    let (key, _) = element(key, 0x03)?;
    Some((name, parameters, key.strip_prefix(&[0])?))
}

/// The content of a DER element of this tag, and what is behind it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (own, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 | 0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 3))?;
            (bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    if *own == tag { rest.split_at_checked(length) } else { None }
}

fn from_pem(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).ok()
}
