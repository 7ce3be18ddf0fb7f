//! The suites of `tests/suites/`: what a client sees of a filter, in Hurl's format, on real Envoy.
//!
//! `tests/suites/<filter>/<group>/*.hurl` run against one Envoy per group, each file over HTTP/1.1 and over HTTP/2.
//! `suite.yaml`, in the group or else in the filter's folder, says which pinned config Envoy is started with; the group's
//! `config.yaml`, if there is one, takes the place of the filter's configuration in it. The files find Envoy by the
//! variables `{{url}}` and `{{admin}}`.
//!
//! All of them run a second time on the embedded host, as `palisade serve` runs it: the names of these tests begin with `on_serve`.
//!
//! Each config that loads its modules from files runs as well, with the suite of its twin where that has one: the names of these tests
//! begin with `local`.
//!
//! With `PALISADE_LONG=1` they run on Envoy a second time in a module of several filters, whose others have nothing to do: the names
//! of these tests begin with `on_fused`. Envoy compiles that module for seconds each time.
//!
//! A filter that has a crate `tests/guests/<filter>/proxy-wasm` runs its suites a second time, as a module of the
//! `proxy-wasm` crate: the names of these tests begin with `on_proxy_wasm`.
//!
//! One test is one file over one protocol; names and options are those of `cargo test`.

#![allow(clippy::indexing_slicing)] // into JSON of a known shape

mod idle;
mod local;
mod mesh;
mod on_serve;
mod other_module;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::{Result, anyhow};
use libtest_mimic::{Arguments, Trial};
use palisade_testbed::{checkout, effort};
use palisade_tests::group::{self, Group};
use palisade_tests::hurl_file::{self, Protocol, Target};

use mesh::Mesh;
use on_serve::OnServe;
use other_module::OtherModule;

/// A group, and what it runs on from the first of its tests to the last.
struct Running {
    group: Group,
    place: Place,
    started: OnceLock<Result<Started, String>>,
}

/// What a group runs on.
#[derive(Clone)]
enum Place {
    /// Envoy, with the module that ships.
    Envoy,
    /// Envoy, with the module that ships, from a file.
    Local,
    /// Envoy, with another module.
    Other(Arc<OtherModule>),
    /// The embedded host.
    Serve,
}

enum Started {
    Envoy(Mesh),
    Serve(OnServe),
}

/// The release that the embedded host does as.
const RELEASE: (u32, u32) = (1, 40);

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
    let on_serve = checkout::envoy_release()? == RELEASE;
    let fused = effort::is_long().then(|| Arc::new(OtherModule::fused()));
    let mut on_proxy_wasm = BTreeMap::new();
    let groups = group::all()?;
    for group in local::groups(&groups)? {
        trials.extend(trials_of(group, Place::Local));
    }
    for group in groups {
        let other = match on_proxy_wasm.get(&group.filter) {
            Some(other) => Option::clone(other),
            None => OtherModule::on_proxy_wasm(&group.filter)?.map(Arc::new),
        };
        on_proxy_wasm.insert(group.filter.clone(), other.clone());
        trials.extend(trials_of(group.clone(), Place::Envoy));
        if on_serve {
            trials.extend(trials_of(group.clone(), Place::Serve));
        }
        for other in other.iter().chain(&fused).filter(|other| other.has_filter_of(&group)) {
            trials.extend(trials_of(group.clone(), Place::Other(Arc::clone(other))));
        }
    }
    Ok(trials)
}

fn trials_of(group: Group, place: Place) -> Vec<Trial> {
    let running = Arc::new(Running { group, place, started: OnceLock::new() });
    let files = running.group.files.iter();
    let protocols = [Protocol::Http1, Protocol::Http2];
    files.flat_map(|file| protocols.map(|protocol| trial(&running, file, protocol))).collect()
}

fn trial(running: &Arc<Running>, file: &Path, protocol: Protocol) -> Trial {
    let stem = file.file_stem().unwrap_or_default().display();
    let place = match &running.place {
        Place::Envoy => "",
        Place::Local => "local::",
        Place::Other(module) => module.name(),
        Place::Serve => "on_serve::",
    };
    let name = format!("{place}{}::{stem}::{protocol}", running.group.name);
    let (running, file) = (Arc::clone(running), file.to_owned());
    Trial::test(name, move || Ok(running.hold(|target| hurl_file::run(&file, protocol, target), protocol)?))
}

// === impl Running ===

impl Running {
    fn hold(&self, run: impl Fn(&Target) -> Result<()>, protocol: Protocol) -> Result<()> {
        run(&self.started()?.target(protocol)?)
    }

    fn started(&self) -> Result<&Started> {
        let start = || self.start().map_err(|error| format!("{error:#}"));
        self.started.get_or_init(start).as_ref().map_err(|error| anyhow!("{error}"))
    }

    fn start(&self) -> Result<Started> {
        Ok(match &self.place {
            Place::Envoy | Place::Local => Started::Envoy(Mesh::start(&self.group, None)?),
            Place::Other(module) => Started::Envoy(Mesh::start(&self.group, Some(module))?),
            Place::Serve => Started::Serve(OnServe::start(&self.group)?),
        })
    }
}

// === impl Started ===

impl Started {
    fn target(&self, protocol: Protocol) -> Result<Target> {
        match self {
            Self::Envoy(mesh) => mesh.target(protocol),
            Self::Serve(serve) => serve.target(protocol),
        }
    }
}
