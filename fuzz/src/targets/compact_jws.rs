//! Signed tokens in their compact form, their headers, and the key sets that verify them.

use palisade_auth::base64url::encode;
use palisade_auth::jose::{Algorithm, Compact, Hash, Header, KeySet, Types};
use serde_json::Value;

use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "compact_jws",
    words: &[
        ".",
        "..",
        "=",
        "eyJhbGciOiJub25lIn0",
        "e30",
        "{\"alg\":\"",
        "RS256",
        "ES256",
        "none",
        "\"crit\":[]",
        "\"b64\":false",
        "\"typ\":\"at+jwt\"",
        "\"kid\":\"a\"",
        ",",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\u0000",
        "{\"keys\":[",
        "\"kty\":\"RSA\"",
    ],
    run,
};

/// Holds that a token has one writing, that a header names an algorithm that was allowed and nothing that has to be understood,
/// and that whatever is taken for a key set has keys.
pub fn run(data: &[u8]) {
    if let Ok(token) = Compact::parse(data) {
        let parts = [&token.header, &token.payload, &token.signature].map(|part| encode(part));
        assert_eq!(parts.join(".").as_bytes(), data, "two writings mean the same token");
        assert_eq!(token.signed, parts[..2].join(".").as_bytes());
        assert!(!token.signature.is_empty());
        header(&token.header);
    }
    header(data);
    if let Ok(keys) = KeySet::parse(data) {
        assert!(!keys.is_empty());
    }
}

fn header(text: &[u8]) {
    let allowed = [Algorithm::EdDsa, Algorithm::Rs(Hash::Sha256)];
    if let Ok(header) = Header::parse(text, &allowed, &Types::default()) {
        assert!(allowed.contains(&header.algorithm));
        let read: Value = serde_json::from_slice(text).expect("a header that is read is JSON");
        assert_eq!(read["alg"], header.algorithm.name());
        assert_eq!(read.get("kid").and_then(Value::as_str), header.kid.as_deref());
        for name in ["crit", "b64", "zip"] {
            assert!(read.get(name).is_none(), "{name} is passed over");
        }
    }
    assert!(Header::parse(text, &[], &Types::default()).is_err());
}
