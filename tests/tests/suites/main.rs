//! The suites of `tests/suites/`: what a client sees of a filter, in Hurl's format, on real Envoy.
//!
//! `tests/suites/<filter>/<group>/*.hurl` run against one Envoy per group, each file over HTTP/1.1 and over HTTP/2.
//! `suite.yaml`, in the group or else in the filter's folder, says which pinned config Envoy is started with; the group's
//! `config.yaml`, if there is one, takes the place of the filter's configuration in it. The files find Envoy by the
//! variables `{{url}}` and `{{admin}}`.
//!
//! One test is one file over one protocol; names and options are those of `cargo test`.

#![allow(clippy::indexing_slicing)] // into JSON of a known shape

mod mesh;

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::{Result, anyhow};
use libtest_mimic::{Arguments, Trial};
use palisade_tests::group::{self, Group};
use palisade_tests::hurl_file::{self, Protocol};

use mesh::Mesh;

/// A group, and its mesh from the first of its tests to the last.
struct Running {
    group: Group,
    mesh: OnceLock<Result<Mesh, String>>,
}

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
        let running = Arc::new(Running { group, mesh: OnceLock::new() });
        for file in &running.group.files {
            for protocol in [Protocol::Http1, Protocol::Http2] {
                trials.push(trial(&running, file, protocol));
            }
        }
    }
    Ok(trials)
}

fn trial(running: &Arc<Running>, file: &Path, protocol: Protocol) -> Trial {
    let stem = file.file_stem().unwrap_or_default().display();
    let name = format!("{}::{stem}::{protocol}", running.group.name);
    let (running, file) = (Arc::clone(running), file.to_owned());
    Trial::test(name, move || Ok(hurl_file::run(&file, protocol, &running.mesh()?.target(protocol)?)?))
}

// === impl Running ===

impl Running {
    fn mesh(&self) -> Result<&Mesh> {
        let start = || Mesh::start(&self.group).map_err(|error| format!("{error:#}"));
        self.mesh.get_or_init(start).as_ref().map_err(|error| anyhow!("{error}"))
    }
}
