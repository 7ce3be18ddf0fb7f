//! The demo as a user runs it, on the modules and configs that `cargo palisade build` and `pin` have written.
#![allow(clippy::unwrap_used, reason = "what a test cannot do without")]

use std::process::{Command, Output};

use palisade_testbed::{checkout, sha256};

fn demo(options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_demo")).args(options).output().unwrap()
}

fn built_sha256() -> String {
    sha256(&std::fs::read(checkout::root().unwrap().join("dist/modules/trace_sampler.wasm")).unwrap())
}

#[test]
fn the_demo_shows_each_tier_within_its_bound_the_hash_that_envoy_verified_and_whom_auth_lets_in() {
    let output = demo(&[]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed.matches("within").count(), 3, "{printed}");
    let vip = printed.lines().find(|line| line.starts_with("vip")).unwrap();
    assert!(vip.split_whitespace().collect::<Vec<_>>().starts_with(&["vip", "200", "200", "100.00"]), "{vip}");
    assert!(printed.contains(&built_sha256()), "{printed}");
    assert!(printed.contains("the upstream sees x-auth-sub: alice"), "{printed}");
    assert_eq!(printed.matches(" 401  Bearer realm=\"palisade\"").count(), 3, "{printed}");
}

#[test]
fn the_demo_names_both_hashes_when_the_module_was_tampered_with() {
    let output = demo(&["--tamper"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains(&built_sha256()), "the pinned hash is missing: {said}");
    let other_hash =
        |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) && word != built_sha256();
    assert!(
        said.split(|char: char| !char.is_ascii_alphanumeric()).any(other_hash),
        "the served hash is missing: {said}"
    );
}
