//! Which keys of a set are used.

use serde_json::{Value, json};

use crate::jose::{Algorithm, Curve, Hash, Key, KeyProblem, KeySet, KeySetError};

/// The key of RFC 7517, appendix A.1 (and of RFC 7515, appendix A.3).
fn ec() -> Value {
    json!({"kty": "EC", "crv": "P-256",
           "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

/// The key of RFC 7515, appendix A.2.
fn rsa() -> Value {
    json!({"kty": "RSA", "e": "AQAB",
           "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2\
                 lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2\
                 R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW\
                 9gb54h4FRWyuXpoQ"})
}

/// The key of RFC 8037, appendix A.2.
fn okp() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn oct(bytes: usize) -> Value {
    json!({"kty": "oct", "k": crate::base64url::encode(&vec![7; bytes])})
}

/// A key with other members in their place; `null` takes one away.
fn with(mut key: Value, others: Value) -> Value {
    for (name, value) in others.as_object().unwrap() {
        match value {
            Value::Null => key.as_object_mut().unwrap().remove(name),
            value => key.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    key
}

fn parse(key: &Value) -> Result<Key, KeyProblem> {
    Key::parse(key.as_object().unwrap(), None)
}

fn problem(key: &Value) -> Option<KeyProblem> {
    parse(key).err()
}

fn algorithms(key: &Value) -> Vec<&'static str> {
    let key = parse(key).unwrap();
    Algorithm::ALL.iter().filter(|(_, algorithm)| key.is_for(*algorithm)).map(|(name, _)| *name).collect()
}

#[test]
fn a_key_is_for_the_algorithms_of_its_kind_only() {
    assert_eq!(algorithms(&rsa()), ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]);
    assert_eq!(algorithms(&ec()), ["ES256"]);
    assert_eq!(algorithms(&okp()), ["EdDSA", "Ed25519"]);
    assert_eq!(algorithms(&oct(64)), ["HS256", "HS384", "HS512"]);
    assert_eq!(algorithms(&oct(63)), ["HS256", "HS384"]);
    assert_eq!(algorithms(&oct(32)), ["HS256"]);
}

#[test]
fn a_key_that_names_its_algorithm_is_for_no_other() {
    assert_eq!(algorithms(&with(rsa(), json!({"alg": "PS384"}))), ["PS384"]);
    assert_eq!(algorithms(&with(okp(), json!({"alg": "EdDSA"}))), ["EdDSA", "Ed25519"]);
    assert_eq!(problem(&with(ec(), json!({"alg": "ES384"}))), Some(KeyProblem::Unsound));
    assert_eq!(problem(&with(oct(32), json!({"alg": "HS512"}))), Some(KeyProblem::Unsound));
    assert_eq!(problem(&with(rsa(), json!({"alg": "RSA-OAEP"}))), Some(KeyProblem::Foreign));
}

#[test]
fn a_key_that_is_not_for_signatures_is_foreign() {
    for others in [
        json!({"use": "enc"}),
        json!({"use": "SIG"}),
        json!({"key_ops": ["encrypt"]}),
        json!({"key_ops": []}),
        json!({"key_ops": ["sign"]}),
        json!({"use": "sig", "key_ops": ["encrypt"]}),
        json!({"use": "enc", "key_ops": ["verify"]}),
        json!({"kty": "rsa"}),
        json!({"kty": "OKP", "crv": "X25519"}),
        json!({"kty": "EC", "crv": "secp256k1"}),
    ] {
        assert_eq!(problem(&with(rsa(), others.clone())), Some(KeyProblem::Foreign), "{others}");
    }
    for others in
        [json!({"use": "sig"}), json!({"key_ops": ["sign", "verify"]}), json!({"x5c": ["AAAA"], "x5u": "https://x"})]
    {
        assert!(parse(&with(rsa(), others.clone())).is_ok(), "{others}");
    }
}

#[test]
fn a_private_key_is_refused() {
    for (key, member) in [(rsa(), "d"), (rsa(), "p"), (ec(), "d"), (okp(), "d")] {
        assert_eq!(problem(&with(key, json!({member: "AQAB"}))), Some(KeyProblem::Private), "{member}");
    }
}

#[test]
fn a_malformed_member_is_refused() {
    for (key, others) in [
        (rsa(), json!({"n": null})),
        (rsa(), json!({"e": "AQAB="})),
        (rsa(), json!({"e": 65537})),
        (rsa(), json!({"kty": null})),
        (rsa(), json!({"kid": 1})),
        (rsa(), json!({"use": ["sig"]})),
        (rsa(), json!({"key_ops": "verify"})),
        (ec(), json!({"y": "AA"})),
        (ec(), json!({"x": "AH_NzidxtsRdQYPL7m_bS3tYBzM1e-nvE7rPbjx70VRF"})),
        (okp(), json!({"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURoA"})),
        (oct(32), json!({"k": "not base64url!"})),
    ] {
        assert_eq!(problem(&with(key, others.clone())), Some(KeyProblem::Malformed), "{others}");
    }
}

#[test]
fn an_rsa_key_has_2048_to_8192_bits_and_a_usual_exponent() {
    let modulus = |bits: usize| {
        let mut bytes = vec![0xFF; bits.div_ceil(8)];
        bytes[0] >>= bits.wrapping_neg() % 8;
        crate::base64url::encode(&bytes)
    };
    for (bits, is_sound) in
        [(1_024, false), (2_047, false), (2_048, true), (2_049, true), (8_192, true), (8_193, false)]
    {
        assert_eq!(parse(&with(rsa(), json!({"n": modulus(bits)}))).is_ok(), is_sound, "{bits}");
    }
    let even = crate::base64url::encode(&[0xFE; 256]);
    assert_eq!(problem(&with(rsa(), json!({"n": even}))), Some(KeyProblem::Unsound));
    // 1, 2, 65536, 2^33 and more than 64 bits; then 3, and 2^33 - 1, with zeros before.
    for exponent in ["AQ", "Ag", "AQAA", "AgAAAAA", "AQAAAAAAAAAB", ""] {
        assert_eq!(problem(&with(rsa(), json!({"e": exponent}))), Some(KeyProblem::Unsound), "{exponent}");
    }
    for exponent in ["Aw", "Af____8", "AAEAAQ"] {
        assert!(parse(&with(rsa(), json!({"e": exponent}))).is_ok(), "{exponent}");
    }
}

#[test]
fn a_point_is_on_its_curve() {
    // The least bit of a coordinate changed; the point at infinity; a coordinate that is the prime itself.
    let zeros = crate::base64url::encode(&[0; 32]);
    let prime = "_____wAAAAEAAAAAAAAAAAAAAAD_______________8";
    for others in [
        json!({"y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4"}),
        json!({"x": zeros, "y": zeros}),
        json!({"x": prime}),
    ] {
        assert_eq!(problem(&with(ec(), others.clone())), Some(KeyProblem::Unsound), "{others}");
    }
}

/// The base points of the curves, from FIPS 186.
#[test]
fn base_points_are_on_their_curves_and_their_neighbours_are_not() {
    for (curve, x, y) in [
        (
            Curve::P256,
            "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
            "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        ),
        (
            Curve::P384,
            "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
            "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
        ),
        (
            Curve::P521,
            "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a\
             429bf97e7e31c2e5bd66",
            "011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272\
             c24088be94769fd16650",
        ),
    ] {
        let [x, mut y] = [x, y].map(|number| hex::decode(number).unwrap());
        assert!(curve.has_point(&x, &y), "{curve:?}");
        *y.last_mut().unwrap() ^= 1;
        assert!(!curve.has_point(&x, &y), "{curve:?}");
    }
}

#[test]
fn the_halves_of_a_signature_are_above_zero_and_below_the_order() {
    let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
    let (zero, mut greatest) = (vec![0; 32], order.clone());
    *greatest.last_mut().unwrap() ^= 1; // ...51 is odd
    for (r, s, holds) in [
        (&greatest, &greatest, true),
        (&order, &greatest, false),
        (&greatest, &order, false),
        (&zero, &greatest, false),
        (&greatest, &zero, false),
    ] {
        assert_eq!(Curve::P256.halves(&[r.as_slice(), s].concat()).is_some(), holds, "{r:?} {s:?}");
    }
    assert!(Curve::P256.halves(&greatest).is_none());
    assert!(Curve::P256.halves(&[greatest.as_slice(), &greatest, &[0]].concat()).is_none());
}

#[test]
fn an_ed25519_key_is_no_point_of_small_order() {
    let encode = |first: u8, rest: u8, last: u8| {
        let mut bytes = [rest; 32];
        (bytes[0], bytes[31]) = (first, last);
        crate::base64url::encode(&bytes)
    };
    // The neutral element, the point of order 2, one of order 4, and something that is no point.
    for x in [encode(1, 0, 0), encode(0xEC, 0xFF, 0x7F), encode(0, 0, 0), encode(2, 0, 0)] {
        assert_eq!(problem(&with(okp(), json!({"x": x}))), Some(KeyProblem::Unsound), "{x}");
    }
}

#[test]
fn a_set_leaves_out_what_it_cannot_use() {
    let set = json!({"keys": [with(rsa(), json!({"use": "enc"})), ec(), with(ec(), json!({"d": "AA"}))], "more": 1});
    let set = KeySet::parse(set.to_string().as_bytes()).unwrap();
    assert_eq!(set.problems(), [(0, KeyProblem::Foreign), (2, KeyProblem::Private)]);
    assert!(set.has_key_for(Algorithm::Es(Curve::P256)) && !set.has_key_for(Algorithm::Rs(Hash::Sha256)));
}

#[test]
fn a_set_that_is_of_no_use_is_refused() {
    let parse = |set: Value| KeySet::parse(set.to_string().as_bytes()).unwrap_err();
    assert_eq!(parse(json!({"keys": []})), KeySetError::NoUsableKey);
    assert_eq!(parse(json!({"keys": [with(rsa(), json!({"use": "enc"}))]})), KeySetError::NoUsableKey);
    assert_eq!(parse(json!({"keys": vec![ec(); 201]})), KeySetError::TooManyKeys);
    for malformed in [json!({}), json!([]), json!({"keys": {}}), json!({"keys": [1]}), json!({"keys": null})] {
        assert_eq!(parse(malformed), KeySetError::Malformed);
    }
    assert_eq!(KeySet::parse(br#"{"keys":[],"keys":[]}"#), Err(KeySetError::Malformed));
    assert_eq!(KeySet::parse(&vec![b' '; (512 << 10) + 1]), Err(KeySetError::TooLong));
    assert!(KeySet::parse(json!({"keys": vec![ec(); 200]}).to_string().as_bytes()).is_ok());
}

#[test]
fn no_debug_text_shows_a_secret() {
    let set = json!({"keys": [with(oct(64), json!({"kid": "a"}))]}).to_string();
    let text = format!("{:?}", KeySet::parse(set.as_bytes()).unwrap());
    assert!(text.contains("\"a\"") && !text.contains("7, 7") && !text.contains("BwcH"), "{text}");
}
