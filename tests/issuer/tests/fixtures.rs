//! The tokens in `tests/suites/auth/` can be made again: each has a command that makes it, but for those that are no token on
//! purpose.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use palisade_issuer::Issuer;

/// How many values in these files look like a token and are none that anybody signs.
const BROKEN: [(&str, usize); 2] = [("accepted_by_envoy.hurl", 3), ("serialisation.hurl", 6)];

#[test]
fn each_token_of_the_suites_has_a_command_that_makes_it() {
    let issuer = Issuer::new();
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites/auth");
    let mut explained = 0;
    for group in fs::read_dir(suites).unwrap().map(|group| group.unwrap().path()).filter(|group| group.is_dir()) {
        for file in fs::read_dir(group).unwrap().map(|file| file.unwrap().path()) {
            let name = file.file_name().unwrap().to_str().unwrap();
            let text = fs::read_to_string(&file).unwrap();
            let is_part = |char: char| char.is_ascii_alphanumeric() || "-_.=".contains(char);
            let words = text.split(|char| !is_part(char)).filter(|word| word.starts_with("eyJ"));
            let (good, broken): (Vec<_>, Vec<_>) = words.partition(|token| issuer.explain(token).is_some());
            let expected = BROKEN.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count);
            assert_eq!(broken.len(), expected, "{name}: {broken:?}");
            explained += good.len();
        }
    }
    assert!(explained > 60, "{explained}");
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
