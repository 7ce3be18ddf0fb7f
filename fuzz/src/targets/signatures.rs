//! Signatures of requests and digests of bodies.

use std::time::Duration;

use palisade_auth::hmac::component::signature_base;
use palisade_auth::hmac::digest::ContentDigest;
use palisade_auth::hmac::structured::{Dictionary, Member, dictionary};
use palisade_auth::hmac::verification::{Key, Verifier};
use palisade_sdk::HeaderMap;

use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "signatures",
    words: &[
        "\n",
        ", ",
        ";",
        "=",
        "(",
        ")",
        "\"@method\"",
        "\"@path\"",
        "\"@query\"",
        "\"@target-uri\"",
        "\"@query-param\";name=\"a\"",
        "\"content-digest\"",
        "\"x-dict\";key=\"a\"",
        "\"x-dict\";bs",
        ";created=1700000000",
        ";expires=1700000001",
        ";keyid=\"partner\"",
        ";alg=\"hmac-sha256\"",
        ";nonce=\"n\"",
        "sig=",
        ":AAAA:",
        "?1",
        "1.5",
        "-1",
        "sha-256=:",
        "%20",
        "&",
        "/?",
    ],
    run,
};

const NOW: Duration = Duration::from_secs(1_700_000_000);

/// `signature-input`, `signature`, the path and a dictionary, a line each. Holds that a dictionary is read in one way and that
/// its canonical form is the same one; that each component is one line of what is signed; that nobody forges a signature.
pub fn run(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let [input, signature, path, field] = std::array::from_fn(|_| lines.next().unwrap_or_default());
    for field in [input, signature, field] {
        check_dictionary(field);
    }
    let headers = HeaderMap::from_lines([
        (":method", &b"POST"[..]),
        (":scheme", b"https"),
        (":authority", b"api.example"),
        (":path", path),
        ("signature-input", input),
        ("signature", signature),
        ("content-digest", field),
        ("x-dict", field),
    ]);
    for (_, member) in dictionary(input).unwrap_or_default() {
        if let Member::InnerList(components, parameters) = member
            && let Ok(base) = signature_base(&components, &parameters, &headers)
        {
            let count = base.split(|byte| *byte == b'\n').count();
            assert_eq!(count, components.len() + 1, "a component is one line");
        }
    }
    let key = Key::new("partner".to_owned(), vec!["@method".to_owned()], b"a secret that no case knows");
    let keys = key.map(|key| ("partner".to_owned(), key)).into_iter().collect();
    let verifier = Verifier { keys, max_age: Duration::from_secs(300), clock_skew: Duration::from_secs(60) };
    for has_body in [false, true] {
        let verdict = verifier.verify(&headers, has_body, NOW);
        assert!(matches!(verdict, Some(Err(_))), "a signature is forged");
    }
    if let Ok(digest) = ContentDigest::parse(field) {
        assert!(digest.verify(b"one body").is_err() || digest.verify(b"another").is_err(), "a digest of two bodies");
    }
}

fn check_dictionary(field: &[u8]) {
    let Some(members) = dictionary(field) else { return };
    for (place, (key, _)) in members.iter().enumerate() {
        assert!(members.iter().skip(place + 1).all(|(other, _)| other != key), "a key twice");
    }
    let canonical = written(&members);
    assert_eq!(dictionary(&canonical), Some(members), "{}", canonical.escape_ascii());
}

fn written(members: &Dictionary) -> Vec<u8> {
    let mut to = Vec::new();
    for (key, member) in members {
        if !to.is_empty() {
            to.extend_from_slice(b", ");
        }
        to.extend_from_slice(key.as_bytes());
        to.push(b'=');
        member.write(&mut to);
    }
    to
}
