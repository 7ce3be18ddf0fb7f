//! The tokens in `tests/suites/auth/` can be made again: each has a command that makes it, but for those that are no token on
//! purpose.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use palisade_issuer::Issuer;

/// How many values in these files look like a token and are none that anybody signs.
const BROKEN: [(&str, usize); 2] = [("accepted_by_envoy.hurl", 3), ("serialisation.hurl", 7)];

#[test]
fn each_token_of_the_suites_has_a_command_that_makes_it() {
    let issuer = Issuer::new();
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites/auth");
    let (mut explained, mut broken) = (0, BTreeMap::new());
    for group in fs::read_dir(suites).unwrap().map(|group| group.unwrap().path()).filter(|group| group.is_dir()) {
        for file in fs::read_dir(group).unwrap().map(|file| file.unwrap().path()) {
            let text = fs::read_to_string(&file).unwrap();
            let is_part = |char: char| char.is_ascii_alphanumeric() || "-_.=".contains(char);
            for token in text.split(|char| !is_part(char)).filter(|word| word.starts_with("eyJ")) {
                match issuer.explain(token) {
                    Some(_) => explained += 1,
                    None => *broken.entry(file.file_name().unwrap().to_str().unwrap().to_owned()).or_insert(0) += 1,
                }
            }
        }
    }
    assert_eq!(broken, BTreeMap::from(BROKEN.map(|(name, count)| (name.to_owned(), count))));
    assert!(explained > 50, "{explained}");
}

#[test]
fn a_token_is_explained_by_what_makes_it() {
    let issuer = Issuer::new();
    for algorithm in ["EdDSA", "RS256", "PS512", "ES384", "HS256", "RS256-1024"] {
        let token = issuer.sign(algorithm, "{\"alg\":\"none\"}", "{}");
        assert_eq!(issuer.explain(&token), Some((algorithm, "{\"alg\":\"none\"}".into(), "{}".into())));
        assert_eq!(issuer.explain(&token.replace("e30", "e31")), None);
    }
}
