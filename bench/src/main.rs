//! `palisade-bench`: see `scripts/bench --help`.

use std::process::ExitCode;

use clap::Parser;
use palisade_bench::command::Command;

fn main() -> ExitCode {
    match Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
