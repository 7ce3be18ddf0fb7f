//! `palisade-serve`: the program.

use std::process::ExitCode;

use clap::Parser;
use palisade_serve::{Options, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn main() -> ExitCode {
    open_many();
    match Server::start(Options::parse()).and_then(Server::wait) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("palisade serve: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Allows as many open files as the system does: each exchange has two connections.
fn open_many() {
    let limit = getrlimit(Resource::Nofile);
    // Where it stays as it was, fewer connections are accepted at once.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
