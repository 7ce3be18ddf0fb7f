//! What a host answers to each host call in each callback, held against what Envoy answered when the transcripts of
//! `tests/conformance/` were recorded.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod coverage;
mod embedded;
mod envoy;
mod observation;
mod scenarios;
mod setup;
mod transcript;
mod wasi;

use std::fs;
use std::process::Command;

use anyhow::Result;
use conformance_probe::HOST_FUNCTIONS;
use palisade_host::{Fault, Status};
use palisade_testbed::{checkout, sha256};

use coverage::Coverage;

/// Catches an Envoy that answers otherwise than the one that the embedded host and the SDK were made for.
#[test]
fn envoy_answers_each_call_as_the_transcripts_say() {
    let files = scenarios::all().unwrap();
    let mesh = envoy::Mesh::start(&files).unwrap();
    let mut failures = Vec::new();
    for file in &files {
        let held = mesh.run(file).and_then(|observation| {
            let seen = transcript::render(file, &observation);
            if transcript::is_recording() {
                transcript::record(&file.name, &envoy_at_hand()?, &seen)?;
            }
            transcript::compare(file, &seen)
        });
        failures.extend(held.err().map(|error| format!("{}: {error:#}", file.name)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Catches an embedded host that answers otherwise than Envoy.
#[test]
fn the_embedded_host_answers_each_call_as_envoy_does() {
    let module = fs::read(envoy::probe().unwrap()).unwrap();
    let files = scenarios::all().unwrap();
    let failures: Vec<_> = files
        .iter()
        .filter_map(|file| Some(format!("{}: {:#}", file.name, embedded::hold(file, &module).err()?)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Catches an Envoy that answers WASI calls otherwise.
#[test]
fn envoy_answers_each_function_of_wasi_as_the_transcript_says() {
    let seen = wasi::on_envoy().unwrap();
    if transcript::is_recording() {
        transcript::record("wasi", &envoy_at_hand().unwrap(), &seen).unwrap();
    }
    assert_eq!(seen, transcript::recorded("wasi").unwrap());
}

#[test]
fn the_embedded_host_answers_each_function_of_wasi_as_envoy_does() {
    assert_eq!(wasi::on_embedded().unwrap(), transcript::recorded("wasi").unwrap());
}

/// Catches a host call whose status no scenario looks at. The scenario that goes red is printed.
#[test]
fn another_status_of_any_host_call_is_noticed() {
    let module = fs::read(envoy::probe().unwrap()).unwrap();
    let files = scenarios::all().unwrap();
    let mut unnoticed = Vec::new();
    for function in HOST_FUNCTIONS {
        let call = format!("{function}(");
        let mut calling = files.iter().filter(|file| transcript::recorded(&file.name).unwrap().contains(&call));
        let scenario = calling.find_map(|file| {
            let fault = Fault::answer(function, Status(ANOTHER));
            let case = embedded::first_to_notice(file, &module, fault).unwrap()?;
            Some(format!("{}/{case}", file.name))
        });
        match scenario {
            Some(scenario) => println!("{function}: {scenario}"),
            None => unnoticed.push(*function),
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}

/// A status that no host gives.
const ANOTHER: u32 = 77;

#[test]
fn each_host_call_has_a_scenario_in_each_callback() {
    let coverage = Coverage::of(&scenarios::all().unwrap());
    coverage.ensure_complete().unwrap();
    assert!(coverage.scenarios() >= 150, "{}", coverage.scenarios());
    coverage.ensure_table().unwrap();
}

#[test]
fn each_scenario_could_be_run() {
    for file in scenarios::all().unwrap() {
        let transcript = transcript::recorded(&file.name).unwrap();
        let refused: Vec<_> = transcript.lines().filter(|line| line.contains(" -> ! ")).collect();
        assert!(refused.is_empty(), "{}: {refused:?}", file.name);
        for case in file.all_cases() {
            for (_, call) in case.calls.iter().filter(|(_, call)| call.contains('(')) {
                assert!(transcript.contains(&format!("  {call} -> ")), "{}/{}: {call}", file.name, case.name);
            }
        }
    }
}

/// The version and the hash of the Envoy that the tests run on.
fn envoy_at_hand() -> Result<String> {
    let binary = checkout::envoy()?;
    let version = Command::new(&binary).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout);
    let version = version.split_once("version: ").map_or("?", |(_, version)| version.trim());
    Ok(format!("Envoy {version}, whose SHA-256 is {}", sha256(&fs::read(binary)?)))
}
