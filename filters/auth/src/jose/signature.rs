//! Signatures, verified by the host or in the module.

use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::Verifier as _;
use p256::elliptic_curve::point::AffineCoordinates as _;
use p256::{AffinePoint, FieldBytes};
use sha2::{Sha256, Sha384, Sha512};

use super::key::{EcKey, Material};
use super::{Algorithm, Curve, Hash, HostSignatures, Key, Proven, der};

/// What verifies signatures: the host where it has proven itself, else the module.
///
/// The module itself verifies all algorithms but `ES384` and `ES512`, which need a host.
pub struct Verifier<H> {
    host: H,
    proven: Proven,
}

impl<H: HostSignatures> Verifier<H> {
    /// Puts the host to the proof for these algorithms, with a good and two bad signatures each.
    pub fn new(host: H, algorithms: &[Algorithm]) -> Self {
        let proven =
            Proven::find(algorithms, |algorithm, key, text, signature| by_host(&host, algorithm, key, text, signature));
        Self { host, proven }
    }

    /// The host.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// Whether signatures of this algorithm can be verified at all.
    pub fn can_verify(&self, algorithm: Algorithm) -> bool {
        !matches!(algorithm, Algorithm::Es(Curve::P384 | Curve::P521)) || self.is_by_host(algorithm)
    }

    /// Whether it is the host that verifies signatures of this algorithm.
    pub fn is_by_host(&self, algorithm: Algorithm) -> bool {
        self.proven.contains(algorithm)
    }

    /// Whether the signature holds. `None` says that nobody could tell: the host, which has to, did not answer.
    pub fn verify(&self, algorithm: Algorithm, key: &Key, text: &[u8], signature: &[u8]) -> Option<bool> {
        if !key.is_for(algorithm) {
            return Some(false);
        }
        let by_host = self.is_by_host(algorithm).then(|| by_host(&self.host, algorithm, key, text, signature));
        by_host.flatten().or_else(|| by_module(algorithm, key, text, signature))
    }
}

/// Whether the signature holds, as the host sees it.
fn by_host<H: HostSignatures>(
    host: &H,
    algorithm: Algorithm,
    key: &Key,
    text: &[u8],
    signature: &[u8],
) -> Option<bool> {
    match (algorithm, &key.material) {
        (Algorithm::Rs(hash), Material::Rsa(key)) => host.verify(hash, &key.der, signature, text),
        (Algorithm::Es(curve), Material::Ec(key)) => match curve.halves(signature) {
            Some((r, s)) => host.verify(curve.hash(), &key.der, &der::ecdsa_signature(r, s), text),
            None => Some(false),
        },
        _ => None,
    }
}

/// Whether the signature holds, as the module computes it.
fn by_module(algorithm: Algorithm, key: &Key, text: &[u8], signature: &[u8]) -> Option<bool> {
    match (algorithm, &key.material) {
        (Algorithm::Rs(hash), Material::Rsa(key)) => Some(key.verify_pkcs1(hash, text, signature)),
        (Algorithm::Ps(hash), Material::Rsa(key)) => Some(key.verify_pss(hash, text, signature)),
        (Algorithm::Es(Curve::P256), Material::Ec(key)) => Some(p256(key, text, signature) == Some(())),
        (Algorithm::EdDsa | Algorithm::Ed25519, Material::Ed25519(key)) => {
            let signature = ed25519_dalek::Signature::from_slice(signature);
            Some(signature.is_ok_and(|signature| key.verify_strict(text, &signature).is_ok()))
        }
        (Algorithm::Hs(hash), Material::Oct(secret)) => Some(hmac(hash, secret, text, signature) == Some(())),
        _ => None,
    }
}

fn p256(key: &EcKey, text: &[u8], signature: &[u8]) -> Option<()> {
    let signature = p256::ecdsa::Signature::from_slice(signature).ok()?;
    // Reading a point in SEC1 would bring in the decompression of points, which are not compressed here.
    let [x, y] = key.coordinates().map(FieldBytes::try_from);
    let point = AffinePoint::from_coordinates(&x.ok()?, &y.ok()?).into_option()?;
    p256::ecdsa::VerifyingKey::from_affine(point).ok()?.verify(text, &signature).ok()
}

/// Compares in constant time.
fn hmac(hash: Hash, secret: &[u8], text: &[u8], tag: &[u8]) -> Option<()> {
    fn verify<M: Mac + KeyInit>(secret: &[u8], text: &[u8], tag: &[u8]) -> Option<()> {
        let mut mac = <M as KeyInit>::new_from_slice(secret).ok()?;
        mac.update(text);
        mac.verify_slice(tag).ok()
    }
    match hash {
        Hash::Sha256 => verify::<Hmac<Sha256>>(secret, text, tag),
        Hash::Sha384 => verify::<Hmac<Sha384>>(secret, text, tag),
        Hash::Sha512 => verify::<Hmac<Sha512>>(secret, text, tag),
    }
}
