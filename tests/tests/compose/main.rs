//! `envoy/compose.yaml`: the shipped configs in containers, and what stays when one of them is killed.
//!
//! One mesh, which the first test brings up through `scripts/compose`, on free ports and under a name of its own; each
//! test finds it whole and leaves it whole, so they run one after another. At the end it goes down, and nothing of it
//! may be left: containers, networks, volumes, images. What stays on purpose is an official image that was pulled, and the
//! binary in `dist/compose/`.
//!
//! Where no container engine answers, the tests are ignored, and the reason is said.

#![allow(clippy::arithmetic_side_effects)] // on times and on numbers of spans

mod chain;
mod mesh;
mod outages;
mod pinned;

use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use libtest_mimic::{Arguments, Failed, Trial};
use palisade_testbed::interrupt;
use palisade_tests::group;
use palisade_tests::hurl_file::{self, Protocol, Target};

use mesh::{CONFIGS, Mesh};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("compose: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let began = Instant::now();
    let mesh = Arc::new(Mesh::new());
    let mut trials = trials(&mesh)?;
    if let Some(reason) = mesh::missing()? {
        eprintln!("compose: SKIPPED: {reason}");
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    }
    clear_up_when_interrupted(Arc::clone(&mesh))?;
    let conclusion = libtest_mimic::run(arguments, trials);
    if let Some(up) = mesh.started() {
        let ended = Instant::now();
        mesh.down()?;
        let [up, down, all] = [up, ended.elapsed(), began.elapsed()].map(|time| time.as_secs_f64());
        println!("compose: up in {up:.0} s, images included; down in {down:.0} s, nothing is left; {all:.0} s in all");
    }
    Ok(conclusion.exit_code())
}

fn trials(mesh: &Arc<Mesh>) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    let scenarios = pinned::SCENARIOS.iter().chain(outages::SCENARIOS).chain(chain::SCENARIOS);
    for (name, file, service) in suites()? {
        let run = move |mesh: &Mesh| {
            let target = Target { url: format!("http://{}", mesh.addr(service)?), admin: None, hidden: Vec::new() };
            hurl_file::run(&file, Protocol::Http1, &target)
        };
        trials.push(trial(name, mesh, run));
    }
    for (name, scenario) in scenarios.copied() {
        trials.push(trial(name, mesh, scenario));
    }
    Ok(trials)
}

/// A test on the mesh, whose failure comes with all that explains it: nobody can look at the containers afterwards.
fn trial(name: impl Into<String>, mesh: &Arc<Mesh>, run: impl FnOnce(&Mesh) -> Result<()> + Send + 'static) -> Trial {
    let mesh = Arc::clone(mesh);
    let explain = |error, mesh: &Mesh| Failed::from(format!("{error:#}\n\n{}", mesh.report()));
    Trial::test(format!("compose::{}", name.into()), move || {
        mesh.up().and_then(run).map_err(|error: Error| explain(error, &mesh))
    })
}

/// The files of the suites that need a shipped config and no other, with the service that runs it.
fn suites() -> Result<Vec<(String, PathBuf, &'static str)>> {
    let mut suites = Vec::new();
    for group in group::all()? {
        let service = CONFIGS.iter().find(|(config, _)| group.suite.config.ends_with(config));
        if let (Some((_, service)), None) = (service, &group.configuration) {
            for file in group.files {
                let stem = file.file_stem().unwrap_or_default().display();
                suites.push((format!("{}::{stem}", group.name), file, *service));
            }
        }
    }
    Ok(suites)
}

/// Ctrl-C does not leave containers behind.
fn clear_up_when_interrupted(mesh: Arc<Mesh>) -> Result<()> {
    let interrupted = interrupt::catch()?;
    thread::spawn(move || {
        while !interrupted.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
        if let Err(error) = mesh.down() {
            eprintln!("compose: {error:#}");
        }
        process::exit(130);
    });
    Ok(())
}
