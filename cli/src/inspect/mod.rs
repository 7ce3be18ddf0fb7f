//! The inspection of finished configs: what each document loads, held against the lock.

mod clusters;
mod envoy;
mod kubernetes;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};

use crate::hash::is_sha256;
use crate::lock::{Lock, Module};
use crate::refusal::{Refusal, Rule};

type Object = Map<String, Value>;

/// What an inspection found.
#[derive(Default)]
pub(crate) struct Report {
    /// Why the config must not be loaded.
    pub(crate) refusals: Vec<Refusal>,
    /// The names of the modules that it loads.
    pub(crate) modules: Vec<String>,
    /// The clusters that modules come from, each with the place that names it.
    clusters: Vec<(String, String)>,
    /// The digests by which it names images.
    digests: BTreeSet<String>,
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
    // Envoy merges nothing: it takes `<<` for a field of that name.
    let options = serde_saphyr::options! { merge_keys: serde_saphyr::options::MergeKeyPolicy::Error };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(config, options)?;
    let mut inspection = Inspection { lock, policy, report: Report::default(), istio_plugins: BTreeSet::new() };
    let digests = documents.iter().flat_map(kubernetes::image_digests);
    inspection.report.digests = digests.filter(|digest| lock.module_by_sha256(digest).is_none()).collect();
    for (document, number) in documents.iter().zip(1..) {
        let place = if documents.len() > 1 { format!("document {number}") } else { String::new() };
        inspection.kubernetes(&place, document);
        inspection.envoy(&place, document);
    }
    inspection.refuse_missing_clusters(&documents);
    Ok(inspection.report)
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
        self.report.refusals.push(Refusal { rule, place: place.to_owned(), what: what.into() });
    }
}

const REPIN: &str = "run `cargo palisade pin`";

fn module_name(location: &str) -> &str {
    let location = location.split(['?', '#']).next().unwrap_or_default();
    Path::new(location).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

fn at(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_string() } else { format!("{place}.{name}") }
}
