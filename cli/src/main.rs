//! `palisade`: builds, pins and checks Palisade filters.

use std::process::ExitCode;

use clap::Parser;
use palisade::command::Command;
use palisade::terminal::shown;
use palisade::verify::Refused;

fn main() -> ExitCode {
    match Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("palisade: {}", shown(&format!("{error:#}")));
            error.downcast_ref::<Refused>().map_or(ExitCode::FAILURE, |refused| ExitCode::from(refused.exit_code()))
        }
    }
}
