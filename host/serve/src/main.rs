//! `palisade-serve`: the program.

use std::process::ExitCode;

use clap::Parser;
use palisade_serve::{Options, Server};

fn main() -> ExitCode {
    match Server::start(Options::parse()).and_then(Server::wait) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("palisade serve: {error:#}");
            ExitCode::FAILURE
        }
    }
}
