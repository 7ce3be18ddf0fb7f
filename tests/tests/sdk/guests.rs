//! Guests: the filters of `tests/guests/`, each built once and as the shipped filters are.

use crate::SHELL;
use anyhow::{Result, anyhow};
use palisade::build::{Source, Workspace, build};
use palisade::lock::Module;
use palisade_testbed::checkout;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Guest {
    /// Uses each ability of the SDK, one a request.
    Probe,
    /// Asks a cluster about each request, with nothing declared but `request_headers` and `http_call`.
    Gate,
    /// Asks a cluster by gRPC about each request, with nothing declared but `request_headers` and `grpc_call`.
    Quota,
    /// Asks as well and then reads the body, with nothing declared but `request_body` in addition.
    Screen,
    /// Refuses requests, with no phase but `request_headers` and `request_body`.
    Guard,
    /// Counts requests by what clients send, and answers them.
    Census,
    /// Changes responses, with no phase but `request_headers`, `response_headers` and `response_body`.
    Mask,
    /// Sees how exchanges end and tells of it from its background task, with no phase but `request_headers` and `end`, and
    /// events for `background` alone.
    Witness,
}

/// A module that Envoy can load, and what the build says about it.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) path: PathBuf,
    pub(crate) module: Module,
}

/// A configuration of the probe, by what distinguishes it from another.
pub(crate) fn labelled(label: &str) -> Value {
    let own = json!({"callouts": "callouts", "label": label});
    if SHELL == "row" { json!({"before": {}, "probe": own, "behind": {}}) } else { own }
}

impl Guest {
    /// The name of the crate's folder and module, and of the plugin in Envoy's configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Gate => "gate",
            Self::Quota => "quota",
            Self::Screen => "screen",
            Self::Guard => "guard",
            Self::Census => "census",
            Self::Mask => "mask",
            Self::Witness => "witness",
        }
    }

    /// The configuration that it starts with.
    pub(crate) fn configuration(self) -> Value {
        match self {
            Self::Probe => labelled("first"),
            Self::Quota => json!({"cluster": "h2"}),
            Self::Gate | Self::Screen | Self::Witness => json!({"cluster": "callouts"}),
            Self::Guard => json!({"word": "evil"}),
            Self::Census => json!({"cap": 50}),
            Self::Mask => json!({"word": "secret"}),
        }
    }

    pub(crate) fn built(self) -> Result<&'static Built> {
        static BUILT: [OnceLock<Result<Built>>; 8] = [const { OnceLock::new() }; 8];
        let built = BUILT[self as usize].get_or_init(|| self.build());
        built.as_ref().map_err(|error| anyhow!("building the guest {}: {error:#}", self.name()))
    }

    fn build(self) -> Result<Built> {
        // They share the output's lock file.
        static ONE_BY_ONE: Mutex<()> = Mutex::new(());
        let _turn = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let root = checkout::root()?;
        let out = root.join("target/guests").join(SHELL);
        let source = Source::Guest(root.join("tests/guests").join(self.name()).join(SHELL));
        let modules = build(&Workspace::find()?, &source, &out)?;
        let module = modules.into_iter().next().ok_or_else(|| anyhow!("the build gave no module"))?;
        Ok(Built { path: out.join(&module.file), module })
    }
}
