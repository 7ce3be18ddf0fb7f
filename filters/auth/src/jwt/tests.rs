use std::sync::LazyLock;
use std::time::Duration;

use palisade_issuer::Issuer;
use palisade_sdk::config;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::verification::Verification;
use super::{Keys, ProviderConfig};
use crate::base64url;
use crate::jose::tests::{NoHost, OpenSsl};
use crate::jose::{Algorithm, Error, HostSignatures};

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::new);

const NOW: Duration = Duration::from_secs(1_800_000_000);

fn claims() -> Value {
    json!({"iss": "https://idp.example", "aud": "shop", "sub": "alice", "exp": 1_800_000_300})
}

fn with(value: Value, others: Value) -> Value {
    palisade_issuer::with(value, &others)
}

/// A provider of these keys, which takes all algorithms that they are for.
fn provider(keys: &[Value], others: Value) -> ProviderConfig {
    let has_secret = keys.iter().any(|key| key["kty"] == "oct");
    let algorithms = Algorithm::ALL.iter().map(|(name, _)| *name).filter(|name| has_secret || !name.starts_with("HS"));
    let config = json!({
        "issuer": "https://idp.example",
        "audiences": ["shop"],
        "jwks": {"inline": {"keys": keys}},
        "algorithms": algorithms.collect::<Vec<_>>(),
    });
    config::parse(with(config, others).to_string().as_bytes()).unwrap()
}

fn verify_on<H: HostSignatures>(host: H, provider: &ProviderConfig, token: &str) -> Result<(), Error> {
    let Keys::Inline(keys) = &provider.keys else { panic!("no keys") };
    let verification = Verification::new(provider.rules.clone(), host);
    let (token, header) = verification.read(token.as_bytes())?;
    verification.check_signature(&token, &header, keys)?;
    verification.check_claims(&token, NOW).map(|_| ())
}

/// Verifies a token on a host and without one, which must agree.
fn verify(provider: &ProviderConfig, token: &str) -> Result<(), Error> {
    let (by_host, by_module) = (verify_on(OpenSsl, provider, token), verify_on(NoHost, provider, token));
    assert_eq!(by_host, by_module, "{token}");
    by_host
}

fn named(algorithm: &str, kid: &str) -> Value {
    with(ISSUER.jwk(algorithm), json!({"kid": kid}))
}

#[test]
fn a_good_token_of_each_algorithm_is_verified() {
    for (name, algorithm) in Algorithm::ALL {
        let provider = provider(&[named(name, "a")], json!({}));
        let token = ISSUER.token(name, &json!({"alg": name, "kid": "a", "typ": "JWT"}), &claims());
        assert_eq!(verify_on(OpenSsl, &provider, &token), Ok(()), "{name}");
        let without_host = match algorithm {
            Algorithm::Es(crate::jose::Curve::P384 | crate::jose::Curve::P521) => Err(Error::SignatureUnavailable),
            _ => Ok(()),
        };
        assert_eq!(verify_on(NoHost, &provider, &token), without_host, "{name}");
    }
}

#[test]
fn a_token_whose_text_or_signature_was_changed_is_refused() {
    for (name, _) in Algorithm::ALL {
        let provider = provider(&[named(name, "a")], json!({}));
        let good = ISSUER.token(name, &json!({"alg": name}), &claims());
        let other = ISSUER.token(name, &json!({"alg": name}), &with(claims(), json!({"sub": "mallory"})));
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let (other, _) = other.rsplit_once('.').unwrap();
        let signature = base64url::decode(signature.as_bytes()).unwrap();
        let mut flipped = signature.clone();
        flipped[signature.len() / 2] ^= 0x10;
        for (text, signature) in [
            (other, &signature[..]),
            (signed, &flipped),
            (signed, &signature[1..]),
            (signed, &[&[0], &signature[..]].concat()),
            (signed, &vec![0; signature.len()]),
            (signed, &vec![0xFF; signature.len()]),
            (signed, &[0]),
        ] {
            let token = format!("{text}.{}", base64url::encode(signature));
            assert_eq!(verify_on(OpenSsl, &provider, &token), Err(Error::BadSignature), "{name}");
        }
    }
}

/// A public key is no secret: whoever signs with it as one must not get in.
#[test]
fn no_algorithm_takes_the_key_of_another() {
    let all: Vec<_> = ["RS256", "ES256", "ES384", "ES512", "EdDSA", "HS512"].map(|name| ISSUER.jwk(name)).to_vec();
    for (name, _) in Algorithm::ALL {
        for (claimed, _) in Algorithm::ALL {
            let is_same = name == claimed || [name, claimed].iter().all(|name| name.starts_with("Ed"));
            let token = ISSUER.token(name, &json!({"alg": claimed}), &claims());
            let verified = verify_on(OpenSsl, &provider(&all, json!({})), &token);
            assert_eq!(verified.is_ok(), is_same, "{name} as {claimed}");
        }
    }
}

#[test]
fn a_signature_of_nothing_is_refused() {
    let provider = provider(&[ISSUER.jwk("RS256"), ISSUER.jwk("HS512")], json!({}));
    let token = ISSUER.token("RS256", &json!({"alg": "none"}), &claims());
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(verify(&provider, &format!("{signed}.")), Err(Error::Malformed));
    assert_eq!(verify(&provider, signed), Err(Error::Malformed));
    assert_eq!(verify(&provider, &token), Err(Error::AlgorithmNotAllowed));
}

/// What Envoy's own filter `jwt_authn` lets pass (measured on 1.40).
mod accepted_by_envoy {
    use super::*;

    fn token(header: Value) -> String {
        ISSUER.token("RS256", &with(json!({"alg": "RS256", "kid": "a"}), header), &claims())
    }

    fn verify_with(key: Value, token: &str) -> Result<(), Error> {
        verify(&provider(&[ISSUER.jwk("EdDSA"), with(named("RS256", "a"), key)], json!({})), token)
    }

    #[test]
    fn an_extension_that_must_be_understood() {
        let token = token(json!({"crit": ["https://example.com/unknown"], "https://example.com/unknown": true}));
        assert_eq!(verify_with(json!({}), &token), Err(Error::UnsupportedExtension));
    }

    #[test]
    fn an_empty_list_of_extensions() {
        assert_eq!(verify_with(json!({}), &token(json!({"crit": []}))), Err(Error::UnsupportedExtension));
    }

    #[test]
    fn a_payload_that_claims_not_to_be_base64() {
        let token = token(json!({"b64": false, "crit": ["b64"]}));
        assert_eq!(verify_with(json!({}), &token), Err(Error::UnsupportedExtension));
        let token = self::token(json!({"b64": false}));
        assert_eq!(verify_with(json!({}), &token), Err(Error::UnsupportedExtension));
    }

    #[test]
    fn a_key_for_encryption() {
        assert_eq!(verify_with(json!({"use": "enc"}), &token(json!({}))), Err(Error::UnknownKey));
    }

    #[test]
    fn a_key_whose_operations_do_not_include_verifying() {
        assert_eq!(verify_with(json!({"key_ops": ["encrypt"]}), &token(json!({}))), Err(Error::UnknownKey));
    }

    #[test]
    fn an_rsa_key_of_1024_bits() {
        let keys = json!({"keys": [ISSUER.jwk("RS256-1024")]}).to_string();
        assert!(crate::jose::KeySet::parse(keys.as_bytes()).is_err());
    }

    #[test]
    fn padding() {
        for part in 0..3 {
            let token = token(json!({}));
            let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
            parts[part].push('=');
            assert_eq!(verify_with(json!({}), &parts.join(".")), Err(Error::Malformed));
        }
    }

    #[test]
    fn stray_bits_at_the_end() {
        let token = token(json!({}));
        // 256 bytes end in a letter of which four bits count.
        let last = token.bytes().last().unwrap();
        let stray = char::from(if last == b'_' { b'-' } else { last + 1 });
        let token = format!("{}{stray}", &token[..token.len() - 1]);
        assert_eq!(verify_with(json!({}), &token), Err(Error::Malformed));
    }

    #[test]
    fn an_audience_with_a_scheme_and_a_slash() {
        let token = ISSUER.token("RS256", &json!({"alg": "RS256"}), &with(claims(), json!({"aud": "https://shop/"})));
        assert_eq!(verify_with(json!({}), &token), Err(Error::WrongAudience));
        let lenient = provider(&[ISSUER.jwk("RS256")], json!({"lenient_audience": true}));
        assert_eq!(verify(&lenient, &token), Ok(()));
    }
}

#[test]
fn a_key_is_chosen_by_its_name() {
    let keys = [named("RS256", "a"), named("EdDSA", "b"), named("ES256", "c")];
    let provider = provider(&keys, json!({}));
    let verify = |kid: Value| verify(&provider, &ISSUER.token("EdDSA", &with(json!({"alg": "EdDSA"}), kid), &claims()));
    assert_eq!(verify(json!({"kid": "b"})), Ok(()));
    assert_eq!(verify(json!({})), Ok(()));
    assert_eq!(verify(json!({"kid": "a"})), Err(Error::KeyMismatch));
    for kid in ["B", "b ", "", "d", "../b", "b' OR 1=1"] {
        assert_eq!(verify(json!({"kid": kid})), Err(Error::UnknownKey), "{kid}");
    }
}

#[test]
fn a_key_without_a_name_will_do_unless_names_are_strict() {
    let token = ISSUER.token("EdDSA", &json!({"alg": "EdDSA", "kid": "a"}), &claims());
    let keys = [ISSUER.jwk("EdDSA")];
    assert_eq!(verify(&provider(&keys, json!({})), &token), Ok(()));
    assert_eq!(verify(&provider(&keys, json!({"strict_kid": true})), &token), Err(Error::UnknownKey));
    let nameless = ISSUER.token("EdDSA", &json!({"alg": "EdDSA"}), &claims());
    assert_eq!(verify(&provider(&keys, json!({"strict_kid": true})), &nameless), Ok(()));
}

#[test]
fn a_name_that_the_set_lacks_asks_for_a_newer_set() {
    let key = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let other = json!({"kty": "OKP", "crv": "Ed25519", "x": key});
    let token = ISSUER.token("EdDSA", &json!({"alg": "EdDSA", "kid": "new"}), &claims());
    assert_eq!(verify(&provider(std::slice::from_ref(&other), json!({})), &token), Err(Error::UnknownKey));
    let old = with(other.clone(), json!({"kid": "old"}));
    assert_eq!(verify(&provider(&[old], json!({})), &token), Err(Error::UnknownKey));
    let same = with(other, json!({"kid": "new"}));
    assert_eq!(verify(&provider(&[same], json!({})), &token), Err(Error::BadSignature));
}

#[test]
fn no_token_is_tried_with_more_than_eight_keys() {
    let other = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let token = ISSUER.token("EdDSA", &json!({"alg": "EdDSA"}), &claims());
    for (others, verified) in [(7, Ok(())), (8, Err(Error::BadSignature))] {
        let mut keys = vec![other.clone(); others];
        keys.extend([ISSUER.jwk("RS256"), ISSUER.jwk("EdDSA")]);
        assert_eq!(verify(&provider(&keys, json!({})), &token), verified);
    }
}

#[test]
fn only_the_listed_algorithms_count() {
    let provider = provider(&[ISSUER.jwk("RS256")], json!({"algorithms": ["RS256"]}));
    assert_eq!(verify(&provider, &ISSUER.token("RS256", &json!({"alg": "RS256"}), &claims())), Ok(()));
    let other = ISSUER.token("PS256", &json!({"alg": "PS256"}), &claims());
    assert_eq!(verify(&provider, &other), Err(Error::AlgorithmNotAllowed));
}

#[test]
fn the_length_of_a_token_is_limited() {
    let token = ISSUER.token("EdDSA", &json!({"alg": "EdDSA"}), &claims());
    for (longest, verified) in [(token.len(), Ok(())), (token.len() - 1, Err(Error::TooLong))] {
        let provider = provider(&[ISSUER.jwk("EdDSA")], json!({"max_token": format!("{longest}B")}));
        assert_eq!(verify(&provider, &token), verified);
    }
}

#[test]
fn claims_of_a_token_whose_signature_does_not_hold_are_not_looked_at() {
    let token = ISSUER.sign("ES256", r#"{"alg":"EdDSA"}"#, "no JSON");
    assert_eq!(verify(&provider(&[ISSUER.jwk("EdDSA")], json!({})), &token), Err(Error::BadSignature));
    let token = ISSUER.sign("EdDSA", r#"{"alg":"EdDSA"}"#, "no JSON");
    assert_eq!(verify(&provider(&[ISSUER.jwk("EdDSA")], json!({})), &token), Err(Error::MalformedClaims));
}

proptest! {
    #[test]
    fn no_change_of_a_token_is_accepted(place: prop::sample::Index, letter in "[A-Za-z0-9_.=-]") {
        let provider = provider(&[ISSUER.jwk("EdDSA")], json!({}));
        let token = ISSUER.token("EdDSA", &json!({"alg": "EdDSA"}), &claims());
        let place = place.index(token.len());
        let changed = format!("{}{letter}{}", &token[..place], &token[place + 1..]);
        prop_assert_eq!(verify_on(NoHost, &provider, &changed).is_ok(), changed == token);
    }
}
