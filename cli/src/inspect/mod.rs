//! The inspection of finished configs: what each document loads, held against the lock.

mod definitions;
mod envoy;
mod kubernetes;

use std::collections::BTreeSet;
use std::path::Path;
use std::slice;

use anyhow::Result;
use serde_json::{Map, Value};

use crate::hash::is_sha256;
use crate::lock::{Lock, Module};
use crate::refusal::{Refusal, Rule};
use crate::yaml;
use definitions::Definitions;
pub(crate) use definitions::settle;

type Object = Map<String, Value>;

/// What an inspection found.
#[derive(Default)]
pub(crate) struct Report {
    /// Why the config must not be loaded.
    pub(crate) refusals: Vec<Refusal>,
    /// The names of the modules that it loads.
    pub(crate) modules: Vec<String>,
    /// The clusters that modules come from.
    clusters: Vec<Reference>,
    /// The filters whose configs come from discovery.
    discovered: Vec<Reference>,
    /// What other configs of the same call may name.
    definitions: Definitions,
    /// Whether it has objects of Kubernetes.
    is_of_kubernetes: bool,
    /// The digests by which it names images.
    digests: BTreeSet<String>,
}

/// A name of something that stands elsewhere.
struct Reference {
    place: String,
    name: String,
}

/// What an inspection lets pass.
pub(crate) struct Policy<'a> {
    /// Whether requests may pass unfiltered when the module of this name fails.
    pub(crate) may_fail_open: &'a dyn Fn(&str) -> bool,
    /// Whether a capability list beside `vm_config` is refused.
    pub(crate) is_deprecated_beside: bool,
}

/// Inspects a config in YAML or JSON, of one document or more: Envoy's own, or objects of Istio and Envoy Gateway.
pub(crate) fn inspect(config: &str, lock: &Lock, policy: &Policy<'_>) -> Result<Report> {
    let mut report = inspect_part(config, lock, policy)?;
    settle(slice::from_mut(&mut report));
    Ok(report)
}

/// Inspects a config as [`inspect`] does, but for what others may define for it, which [`settle`] tells.
pub(crate) fn inspect_part(config: &str, lock: &Lock, policy: &Policy<'_>) -> Result<Report> {
    let documents = documents(config)?;
    let mut inspection = Inspection { lock, policy, report: Report::default(), istio_plugins: BTreeSet::new() };
    let digests = documents.iter().flat_map(|(_, document)| kubernetes::image_digests(document));
    inspection.report.digests = digests.filter(|digest| lock.module_by_sha256(digest).is_none()).collect();
    for (place, document) in &documents {
        inspection.kubernetes(place, document);
        inspection.envoy(place, document);
    }
    inspection.report.is_of_kubernetes = documents.iter().any(|(_, document)| document.get("apiVersion").is_some());
    inspection.report.definitions = Definitions::of(&documents);
    Ok(inspection.report)
}

/// The documents of a config with their places; a `ConfigMap` is taken for those that it holds.
fn documents(config: &str) -> Result<Vec<(String, Value)>> {
    let documents = yaml::documents(config)?;
    let number = |number| if documents.len() > 1 { format!("document {number}") } else { String::new() };
    let places: Vec<_> = (1..=documents.len()).map(number).collect();
    let mut all = Vec::new();
    for (place, document) in places.into_iter().zip(documents) {
        kubernetes::unpack(place, document, &mut all)?;
    }
    Ok(all)
}

struct Inspection<'a> {
    lock: &'a Lock,
    policy: &'a Policy<'a>,
    report: Report,
    /// The places of Istio's plugins: their `vmConfig` is not Envoy's.
    istio_plugins: BTreeSet<String>,
}

impl<'a> Inspection<'a> {
    /// The module that a hash names, at the place of this hash, fetched from `uri`.
    fn module_by_hash(&mut self, place: &str, sha256: &str, uri: &str) -> Option<&'a Module> {
        if !is_sha256(sha256) {
            let what = format!(
                "`{sha256}` is not 64 lower-case hex digits: Envoy would start, and answer 503 to every request; {REPIN}"
            );
            self.refuse(Rule::HashForm, place, what);
            return None;
        }
        let by_name = self.lock.module(module_name(uri));
        let by_hash = self.lock.module_by_sha256(sha256);
        match (by_name, by_hash) {
            _ if self.report.digests.contains(sha256) => {
                let what = "the digest of an image's manifest; over HTTP the hash is that of the .wasm itself; run `sha256sum` on it";
                self.refuse(Rule::DigestForHash, place, what);
                None
            }
            (Some(named), _) if named.sha256 != sha256 => {
                let what = format!("not the hash of {}, which is {}; {REPIN}", named.name, named.sha256);
                self.refuse(Rule::HashOfAnother, place, what);
                None
            }
            (_, None) => {
                self.refuse(Rule::HashOfAnother, place, format!("not the hash of any module in the lock; {REPIN}"));
                None
            }
            (_, found) => found,
        }
    }

    /// The module that a file, an image or a plugin is named like.
    fn module_by_name(&mut self, place: &str, name: &str) -> Option<&'a Module> {
        let module = self.lock.module(module_name(name));
        if module.is_none() {
            self.refuse(Rule::UnknownModule, place, format!("`{name}` is named like no module of the lock"));
        }
        module
    }

    fn refuse(&mut self, rule: Rule, place: &str, what: impl Into<String>) {
        self.report.refusals.push(refusal(rule, place, what));
    }
}

impl Report {
    /// A report of one refusal alone.
    pub(crate) fn of(refusal: Refusal) -> Self {
        Self { refusals: vec![refusal], ..Self::default() }
    }

    /// Whether there was something to inspect: what it loads, or what others may need it for.
    pub(crate) fn is_of_use(&self) -> bool {
        !self.modules.is_empty()
            || !self.refusals.is_empty()
            || !self.discovered.is_empty()
            || self.definitions.is_of_use()
    }
}

fn refusal(rule: Rule, place: &str, what: impl Into<String>) -> Refusal {
    Refusal { rule, place: place.to_owned(), what: what.into() }
}

const REPIN: &str = "run `cargo palisade pin`";

fn module_name(location: &str) -> &str {
    let location = location.split(['?', '#']).next().unwrap_or_default();
    Path::new(location).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

fn at(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_string() } else { format!("{place}.{name}") }
}
