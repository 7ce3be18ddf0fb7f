//! The suites of `tests/suites/`: what a client sees of a filter, in Hurl's format, on real Envoy.
//!
//! `tests/suites/<filter>/<group>/*.hurl` run against one Envoy per group, each file over HTTP/1.1 and over HTTP/2.
//! `suite.yaml`, in the group or else in the filter's folder, says which pinned config Envoy is started with; the group's
//! `config.yaml`, if there is one, takes the place of the filter's configuration in it. The files find Envoy by the
//! variables `{{url}}` and `{{admin}}`.
//!
//! One test is one file over one protocol; names and options are those of `cargo test`.

#![allow(clippy::indexing_slicing)] // into JSON of a known shape

mod file;
mod group;
mod mesh;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Trial};

use file::Protocol;
use group::Group;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("suites: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn trials() -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for group in group::all()? {
        let group = Arc::new(group);
        for file in group.files() {
            for protocol in [Protocol::Http1, Protocol::Http2] {
                trials.push(trial(&group, file, protocol));
            }
        }
    }
    Ok(trials)
}

fn trial(group: &Arc<Group>, file: &str, protocol: Protocol) -> Trial {
    let name = format!("{}::{}::{protocol}", group.name(), file.trim_end_matches(".hurl"));
    let (group, file) = (Arc::clone(group), file.to_owned());
    Trial::test(name, move || Ok(file::run(group.mesh()?, &group.path(&file), protocol)?))
}
