//! An issuer of JSON Web Tokens, good and bad, for tests. Its signatures are OpenSSL's, and its keys are no secrets.
//!
//! ```
//! use palisade_issuer::Issuer;
//! use serde_json::json;
//!
//! let issuer = Issuer::new();
//! let token = issuer.token("ES256", &json!({"alg": "ES256", "kid": "a"}), &json!({"sub": "alice"}));
//! assert_eq!(token.split('.').count(), 3);
//! assert_eq!(issuer.jwk("ES256")["crv"], "P-256");
//! ```

// It serves tests, on input that they choose, and a failure is theirs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, clippy::missing_panics_doc)]

use base64ct::{Base64UrlUnpadded, Encoding};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::EcKey;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer, Verifier};
use serde_json::{Value, json};

/// An issuer. Algorithms go by their names in JWS; `RS256-1024` is `RS256` with a key that is too weak.
pub struct Issuer {
    rsa: PKey<Private>,
    weak_rsa: PKey<Private>,
    ec: [EcKey<Private>; 3],
    ed25519: PKey<Private>,
}

/// The secret of `HS256` to `HS512`.
const SECRET: &[u8] = &[0x5A; 64];

fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

impl Default for Issuer {
    fn default() -> Self {
        Self::new()
    }
}

impl Issuer {
    /// The issuer, whose keys are always the same.
    #[must_use]
    pub fn new() -> Self {
        let key = |pem: &[u8]| PKey::private_key_from_pem(pem).unwrap();
        let ec: [&[u8]; 3] = [
            include_bytes!("../keys/p256.pem"),
            include_bytes!("../keys/p384.pem"),
            include_bytes!("../keys/p521.pem"),
        ];
        Self {
            rsa: key(include_bytes!("../keys/rsa.pem")),
            weak_rsa: key(include_bytes!("../keys/rsa1024.pem")),
            ec: ec.map(|pem| key(pem).ec_key().unwrap()),
            ed25519: key(include_bytes!("../keys/ed25519.pem")),
        }
    }

    /// The key that signs with an algorithm, as a JWK without a name.
    #[must_use]
    pub fn jwk(&self, algorithm: &str) -> Value {
        let rsa = |key: &PKey<Private>| {
            let key = key.rsa().unwrap();
            json!({"kty": "RSA", "n": encode(&key.n().to_vec()), "e": encode(&key.e().to_vec())})
        };
        match algorithm {
            "RS256-1024" => rsa(&self.weak_rsa),
            "ES256" | "ES384" | "ES512" => {
                let (key, crv, size) = self.ec(algorithm);
                let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
                let mut context = BigNumContext::new().unwrap();
                key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).unwrap();
                let [x, y] = [x, y].map(|number| encode(&number.to_vec_padded(size).unwrap()));
                json!({"kty": "EC", "crv": crv, "x": x, "y": y})
            }
            "EdDSA" | "Ed25519" => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&self.ed25519.raw_public_key().unwrap())})
            }
            "HS256" | "HS384" | "HS512" => json!({"kty": "oct", "k": encode(SECRET)}),
            _ => rsa(&self.rsa),
        }
    }

    /// A token with this header and these claims, signed with an algorithm, whatever the header says.
    #[must_use]
    pub fn token(&self, algorithm: &str, header: &Value, claims: &Value) -> String {
        self.sign(algorithm, &header.to_string(), &claims.to_string())
    }

    /// The same of any texts.
    #[must_use]
    pub fn sign(&self, algorithm: &str, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let signature = encode(&self.signature(algorithm, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The signature of a text.
    #[must_use]
    pub fn signature(&self, algorithm: &str, text: &[u8]) -> Vec<u8> {
        let hash = match &algorithm[2..5] {
            "384" => MessageDigest::sha384(),
            "512" => MessageDigest::sha512(),
            _ => MessageDigest::sha256(),
        };
        let sign = |key: &PKey<Private>| Signer::new(hash, key).unwrap().sign_oneshot_to_vec(text).unwrap();
        match &algorithm[..2] {
            "RS" if algorithm.ends_with("1024") => sign(&self.weak_rsa),
            "RS" => sign(&self.rsa),
            "PS" => {
                let mut signer = Signer::new(hash, &self.rsa).unwrap();
                signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
                signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
                signer.sign_oneshot_to_vec(text).unwrap()
            }
            "ES" => {
                let (key, _, size) = self.ec(algorithm);
                let signature = sign(&PKey::from_ec_key(key.clone()).unwrap());
                let signature = EcdsaSig::from_der(&signature).unwrap();
                [signature.r(), signature.s()].map(|half| half.to_vec_padded(size).unwrap()).concat()
            }
            "HS" => sign(&PKey::hmac(SECRET).unwrap()),
            _ => Signer::new_without_digest(&self.ed25519).unwrap().sign_oneshot_to_vec(text).unwrap(),
        }
    }

    /// How a token was made: the algorithm, header and payload of [`Issuer::sign`]. `None` for one that was not made so.
    #[must_use]
    pub fn explain(&self, token: &str) -> Option<(&'static str, String, String)> {
        const ALGORITHMS: [&str; 14] = [
            "EdDSA",
            "RS256",
            "RS384",
            "RS512",
            "PS256",
            "PS384",
            "PS512",
            "ES256",
            "ES384",
            "ES512",
            "HS256",
            "HS384",
            "HS512",
            "RS256-1024",
        ];
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let decode = |part| Base64UrlUnpadded::decode_vec(part).ok();
        let signature = decode(signature)?;
        let algorithm = ALGORITHMS.into_iter().find(|name| self.has_signed(name, signed.as_bytes(), &signature))?;
        Some((algorithm, String::from_utf8(decode(header)?).ok()?, String::from_utf8(decode(payload)?).ok()?))
    }

    /// Whether a signature is the issuer's: some algorithms make another one each time.
    #[must_use]
    pub fn has_signed(&self, algorithm: &str, text: &[u8], signature: &[u8]) -> bool {
        let hash = match algorithm {
            "ES384" | "PS384" => MessageDigest::sha384(),
            "ES512" | "PS512" => MessageDigest::sha512(),
            _ => MessageDigest::sha256(),
        };
        match &algorithm[..2] {
            "PS" => {
                let mut verifier = Verifier::new(hash, &self.rsa).unwrap();
                verifier.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
                verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
                verifier.verify_oneshot(signature, text).is_ok_and(|is_good| is_good)
            }
            "ES" => {
                let (key, _, size) = self.ec(algorithm);
                let Some((r, s)) = signature.split_at_checked(usize::try_from(size).unwrap()) else { return false };
                let [r, s] = [r, s].map(|half| BigNum::from_slice(half).unwrap());
                let signature = EcdsaSig::from_private_components(r, s).unwrap().to_der().unwrap();
                let key = PKey::from_ec_key(key.clone()).unwrap();
                Verifier::new(hash, &key).unwrap().verify_oneshot(&signature, text).is_ok_and(|is_good| is_good)
            }
            _ => self.signature(algorithm, text) == signature,
        }
    }

    fn ec(&self, algorithm: &str) -> (&EcKey<Private>, &'static str, i32) {
        match algorithm {
            "ES256" => (&self.ec[0], "P-256", 32),
            "ES384" => (&self.ec[1], "P-384", 48),
            _ => (&self.ec[2], "P-521", 66),
        }
    }
}

/// A value with other members in their place; `null` takes one away.
#[must_use]
pub fn with(mut value: Value, others: &Value) -> Value {
    let members = value.as_object_mut().unwrap();
    for (name, other) in others.as_object().unwrap() {
        match other {
            Value::Null => members.remove(name),
            other => members.insert(name.clone(), other.clone()),
        };
    }
    value
}
