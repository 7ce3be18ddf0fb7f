//! The demo: real Envoy loads the pinned trace sampler by its SHA-256 and samples a stated mix of traffic; then the auth filter
//! lets in who has a token.

// Not guest code: it counts some thousand requests and reads JSON of a known shape.
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod auth;
mod mesh;
mod tally;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use palisade_testbed::{Request, interrupt, load};

use mesh::Mesh;
use tally::{TIERS, Tally};

/// Runs the pinned trace sampler in real Envoy and shows what it samples, then the auth filter and whom it lets in.
#[derive(Debug, Parser)]
struct Options {
    /// How many requests to send: 1 % VIP, 9 % pro, 90 % free.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..))]
    requests: u32,
    /// Leave everything running at the end, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Serve a module with one bit changed, to see Envoy refuse it; the demo fails then.
    #[arg(long)]
    tamper: bool,
}

const CONNECTIONS: usize = 8;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ndemo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let interrupted = interrupt::catch()?;
    step("Starting an upstream, a module server and Envoy");
    if options.tamper {
        step(
            "The module server serves another module than the pinned one; Envoy will ask for it again for up to a minute",
        );
    }
    let mesh = Mesh::start(options.tamper)?;
    let verified = mesh.verified_sha256()?;
    step(&format!("Sending {} requests over {CONNECTIONS} connections", options.requests));
    send(&mesh, options.requests as usize, &interrupted)?;
    let tally = Tally::of(&mesh.upstream.received());
    println!("\n{tally}");
    println!(
        "Envoy fetched {} and verified SHA-256\n  {verified}\nwhich is that of {}.",
        mesh::MODULE,
        mesh::MODULE_FILE
    );
    step("Starting an identity provider, and Envoy with the auth filter");
    println!("\n{}", auth::demonstrate()?);
    if options.keep {
        println!("\n{}\nCtrl-C stops it.", mesh.addresses()?);
        while !interrupted.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
    }
    tally.verdict(options.requests as usize)
}

fn step(what: &str) {
    eprintln!("{what} ...");
}

fn send(mesh: &Mesh, count: usize, interrupted: &AtomicBool) -> Result<()> {
    let ingress = mesh.envoy.addr("ingress")?;
    let (watch, finished) = (load::Watch::default(), AtomicBool::new(false));
    let responses = thread::scope(|scope| {
        scope.spawn(|| {
            while !finished.load(Ordering::Relaxed) {
                progress(watch.done.load(Ordering::Relaxed), count);
                watch.stop.store(interrupted.load(Ordering::Relaxed), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(100));
            }
        });
        let responses = load::run_watched(ingress, CONNECTIONS, count, request, &watch);
        finished.store(true, Ordering::Relaxed);
        responses
    });
    ensure!(!interrupted.load(Ordering::Relaxed), "interrupted");
    progress(count, count);
    let responses = responses.context("sending the requests")?;
    let failed = responses.iter().find(|response| response.status != 200);
    match failed {
        Some(response) => Err(mesh.why_refused(response)),
        None => Ok(()),
    }
}

/// The mix repeats every hundred requests, so that each tier has exactly its part.
fn request(place: usize) -> Request {
    let tier = TIERS.iter().find(|tier| tier.places.contains(&(place % 100)));
    Request::get("/orders").header("x-user-tier", tier.map_or("", |tier| tier.name))
}

fn progress(done: usize, count: usize) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let end = if done == count { "\n" } else { "" };
        let _ = write!(out, "\r  {done} of {count}{end}");
    }
}
