//! A million cases for each target, the same ones every time.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use palisade_fuzz::corpus;
use palisade_fuzz::mutation::Mutator;
use palisade_fuzz::targets::{
    TARGETS, Target, authorization, base64url, claims, compact_jws, credentials, detectors, event_stream, form,
    htpasswd, introspection, json, json_lines, multipart, signatures, text,
};

const CASES: usize = 1_000_000;
const SEED: u64 = 20_260_601;

#[test]
fn authorization_holds_its_promises_a_million_times() {
    hold(&authorization::TARGET);
}

#[test]
fn base64url_holds_its_promises_a_million_times() {
    hold(&base64url::TARGET);
}

#[test]
fn claims_hold_their_promises_a_million_times() {
    hold(&claims::TARGET);
}

#[test]
fn signed_tokens_hold_their_promises_a_million_times() {
    hold(&compact_jws::TARGET);
}

#[test]
fn credentials_in_queries_and_cookies_hold_their_promises_a_million_times() {
    hold(&credentials::TARGET);
}

#[test]
fn detectors_hold_their_promises_a_million_times() {
    hold(&detectors::TARGET);
}

#[test]
fn events_that_are_masked_hold_their_promises_a_million_times() {
    hold(&event_stream::TARGET);
}

#[test]
fn forms_that_are_masked_hold_their_promises_a_million_times() {
    hold(&form::TARGET);
}

#[test]
fn htpasswd_files_hold_their_promises_a_million_times() {
    hold(&htpasswd::TARGET);
}

#[test]
fn answers_about_tokens_hold_their_promises_a_million_times() {
    hold(&introspection::TARGET);
}

#[test]
fn signatures_hold_their_promises_a_million_times() {
    hold(&signatures::TARGET);
}

#[test]
fn documents_of_json_that_are_masked_hold_their_promises_a_million_times() {
    hold(&json::TARGET);
}

#[test]
fn lines_of_json_that_are_masked_hold_their_promises_a_million_times() {
    hold(&json_lines::TARGET);
}

#[test]
fn parts_that_are_masked_hold_their_promises_a_million_times() {
    hold(&multipart::TARGET);
}

#[test]
fn texts_that_are_masked_hold_their_promises_a_million_times() {
    hold(&text::TARGET);
}

#[test]
fn every_target_runs_under_libfuzzer_too() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/libfuzzer");
    let manifest = std::fs::read_to_string(format!("{folder}/Cargo.toml")).unwrap();
    for Target { name, .. } in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let source = std::fs::read_to_string(format!("{folder}/fuzz_targets/{name}.rs")).unwrap();
        assert!(source.contains(&format!("targets::{name}::run")), "{name}");
    }
}

fn hold(target: &Target) {
    let corpus = corpus::read(target.name).unwrap();
    for case in &corpus {
        check(target, case);
    }
    let mut mutator = Mutator::new(SEED, &corpus, target.words);
    let mut case = Vec::new();
    for _ in 0..CASES {
        mutator.next(&mut case);
        check(target, &case);
    }
}

/// Says which case it was that broke a promise.
fn check(target: &Target, case: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(case))) {
        eprintln!("{}: keep this case in the corpus: {}", target.name, case.escape_ascii());
        resume_unwind(panic);
    }
}
