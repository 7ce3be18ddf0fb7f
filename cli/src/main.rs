//! `palisade`: builds, pins and checks Palisade filters.

use std::process::ExitCode;

use clap::Parser;
use palisade::command::Command;

fn main() -> ExitCode {
    match Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("palisade: {error:#}");
            ExitCode::FAILURE
        }
    }
}
