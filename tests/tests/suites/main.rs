//! The suites of `tests/suites/`: what a client sees of a filter, in Hurl's format, on real Envoy.
//!
//! `tests/suites/<filter>/<group>/*.hurl` run against one Envoy per group, each file over HTTP/1.1 and over HTTP/2.
//! `suite.yaml`, in the group or else in the filter's folder, says which pinned config Envoy is started with; the group's
//! `config.yaml`, if there is one, takes the place of the filter's configuration in it. The files find Envoy by the
//! variables `{{url}}` and `{{admin}}`.
//!
//! A filter that has a crate `tests/guests/<filter>/proxy-wasm` runs its suites a second time, as a module of the
//! `proxy-wasm` crate: the names of these tests begin with `on_proxy_wasm`.
//!
//! One test is one file over one protocol; names and options are those of `cargo test`.

#![allow(clippy::indexing_slicing)] // into JSON of a known shape

mod mesh;
mod on_proxy_wasm;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::{Result, anyhow};
use libtest_mimic::{Arguments, Trial};
use palisade_tests::group::{self, Group};
use palisade_tests::hurl_file::{self, Protocol};

use mesh::Mesh;
use on_proxy_wasm::OnProxyWasm;

/// A group, and its mesh from the first of its tests to the last.
struct Running {
    group: Group,
    /// The module instead of the one that ships.
    module: Option<Arc<OnProxyWasm>>,
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
    let mut on_proxy_wasm = BTreeMap::new();
    for group in group::all()? {
        let other = match on_proxy_wasm.get(&group.filter) {
            Some(other) => Option::clone(other),
            None => OnProxyWasm::find(&group.filter)?.map(Arc::new),
        };
        on_proxy_wasm.insert(group.filter.clone(), other.clone());
        trials.extend(trials_of(group.clone(), None));
        if let Some(other) = other {
            trials.extend(trials_of(group, Some(other)));
        }
    }
    Ok(trials)
}

fn trials_of(group: Group, module: Option<Arc<OnProxyWasm>>) -> Vec<Trial> {
    let running = Arc::new(Running { group, module, mesh: OnceLock::new() });
    let files = running.group.files.iter();
    let protocols = [Protocol::Http1, Protocol::Http2];
    files.flat_map(|file| protocols.map(|protocol| trial(&running, file, protocol))).collect()
}

fn trial(running: &Arc<Running>, file: &Path, protocol: Protocol) -> Trial {
    let stem = file.file_stem().unwrap_or_default().display();
    let shell = if running.module.is_some() { "on_proxy_wasm::" } else { "" };
    let name = format!("{shell}{}::{stem}::{protocol}", running.group.name);
    let (running, file) = (Arc::clone(running), file.to_owned());
    Trial::test(name, move || Ok(hurl_file::run(&file, protocol, &running.mesh()?.target(protocol)?)?))
}

// === impl Running ===

impl Running {
    fn mesh(&self) -> Result<&Mesh> {
        let start = || Mesh::start(&self.group, self.module.as_deref()).map_err(|error| format!("{error:#}"));
        self.mesh.get_or_init(start).as_ref().map_err(|error| anyhow!("{error}"))
    }
}
