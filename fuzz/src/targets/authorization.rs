//! The `authorization` header, and user and password in it.

use base64ct::{Base64, Encoding};
use palisade_auth::basic::Credential;
use palisade_auth::request::{Head, Source};
use palisade_sdk::HeaderMap;
use palisade_sdk::matching::Field;

use super::Target;

/// The target.
pub const TARGET: Target =
    Target { name: "authorization", words: &["Basic ", "Bearer ", ",", "\"", "\\\"", ", Basic ", "Og==", "="], run };

/// Holds that a header of several credentials is never one, that a credential is what its client encoded, and that each has
/// one encoding only.
pub fn run(data: &[u8]) {
    let headers = HeaderMap::from_lines([("authorization", data)]);
    let head = Head::new(&headers);
    let quotes = data.contains(&b'"');
    match head.authorization() {
        Field::One(authorization) => {
            assert!(quotes || !data.contains(&b','), "a list is taken for one credential");
            assert!(!authorization.scheme.contains(&b' '));
            if authorization.is("basic")
                && let Some(credential) = Credential::parse(authorization.credential)
            {
                check(&credential, authorization.credential);
            }
        }
        Field::Many => assert!(data.contains(&b',')),
        Field::Absent => panic!("a header that is there is absent"),
    }
    let bearer = Source::Header { name: "authorization".to_owned(), prefix: "Bearer ".to_owned() };
    if let Field::One(token) = bearer.read(head) {
        assert!(data.trim_ascii().ends_with(&token) || data.ends_with(&token));
        assert!(data.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer")));
    }
    if let Some(credential) = Credential::parse(data) {
        check(&credential, data);
    }
}

fn check(credential: &Credential, token: &[u8]) {
    let (user, password) = (credential.user(), credential.password());
    assert!(!user.is_empty() && !user.contains(&b':'));
    assert!(![user, password].concat().iter().any(u8::is_ascii_control));
    let again = Base64::encode_string(&[user, b":", password].concat());
    assert_eq!(again.as_bytes(), token, "two encodings mean the same credential");
}
