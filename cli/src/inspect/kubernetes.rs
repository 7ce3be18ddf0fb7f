//! Objects of Kubernetes that load modules: Istio's `WasmPlugin` and `TrafficExtension`, Envoy Gateway's
//! `EnvoyExtensionPolicy`. An `EnvoyFilter` holds Envoy's own config.
//!
//! Their `sha256` is the digest of the image's manifest with `oci://` and images, and the hash of the `.wasm` over HTTP.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Inspection, Object, at};
use crate::hash::is_sha256;
use crate::lock::Module;
use crate::refusal::Rule;
use crate::yaml;

const DIGEST: &str = "@sha256:";

/// Where a module comes from, as Istio reads an address.
enum Source<'v> {
    Http,
    File(&'v str),
    Image(&'v str),
}

impl<'v> Source<'v> {
    /// By the scheme, in any case; what has none, or an unknown one, is an image.
    fn of(url: &'v str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("oci", url));
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Self::Http,
            "file" => Self::File(rest),
            "oci" => Self::Image(rest),
            _ => Self::Image(url),
        }
    }
}

impl<'a> Inspection<'a> {
    /// Inspects the plugins of an object of Kubernetes, or of a list of such objects. Envoy's own config within is left.
    pub(super) fn kubernetes(&mut self, place: &str, document: &Value) {
        for (index, item) in items(document).iter().enumerate() {
            self.kubernetes(&at(place, &format!("items[{index}]")), item);
        }
        let Some(spec) = document.get("spec") else { return };
        let place = at(place, "spec");
        match kind_of(document) {
            Some("WasmPlugin") => self.istio(&place, spec),
            Some("TrafficExtension") => {
                if let Some(wasm) = spec.get("wasm") {
                    self.istio(&at(&place, "wasm"), wasm);
                }
            }
            Some("EnvoyExtensionPolicy") => {
                for (index, wasm) in gateway_plugins(spec).enumerate() {
                    self.gateway(&at(&place, &format!("wasm[{index}]")), wasm);
                }
            }
            _ => {}
        }
    }

    fn istio(&mut self, place: &str, plugin: &Value) {
        self.istio_plugins.insert(place.to_owned());
        let url = text(plugin, "url").unwrap_or_default();
        let sha256 = text(plugin, "sha256");
        let (url_place, hash_place) = (at(place, "url"), at(place, "sha256"));
        let module = match Source::of(url) {
            Source::Image(image) => self.image(&url_place, image, &hash_place, sha256),
            Source::File(file) => {
                if sha256.is_some() {
                    let what = "Istio compares no hash with a local file; leave it out, and compare the file before the proxy starts";
                    self.refuse(Rule::HashOfFile, &hash_place, what);
                }
                self.module_by_name(&url_place, file)
            }
            Source::Http => self.module_by_hash(&hash_place, sha256.unwrap_or_default(), url),
        };
        let Some(module) = module else { return };
        match text(plugin, "failStrategy") {
            None | Some("FAIL_CLOSE" | "FAIL_RELOAD") => {}
            Some(other) => self.refuse_fail_open(&at(place, "failStrategy"), other, "write FAIL_CLOSE", module),
        }
        self.report.modules.push(module.name.clone());
    }

    fn gateway(&mut self, place: &str, plugin: &Value) {
        let code = |kind: &str| plugin.pointer(&format!("/code/{kind}"));
        let module = match (code("http"), code("image")) {
            (Some(http), None) => {
                let place = at(place, "code.http.sha256");
                self.module_by_hash(
                    &place,
                    text(http, "sha256").unwrap_or_default(),
                    text(http, "url").unwrap_or_default(),
                )
            }
            (None, Some(image)) => {
                let place = at(place, "code.image");
                let url = text(image, "url").unwrap_or_default();
                let reference = if let Source::Image(image) = Source::of(url) { image } else { url };
                self.image(&at(&place, "url"), reference, &at(&place, "sha256"), text(image, "sha256"))
            }
            _ => {
                let what = "name the module by either `http` or `image`";
                self.refuse(Rule::UnknownModule, &at(place, "code"), what);
                None
            }
        };
        let Some(module) = module else { return };
        if plugin.get("failOpen").is_some_and(|value| *value != Value::Bool(false)) {
            self.refuse_fail_open(&at(place, "failOpen"), "true", "leave it out", module);
        }
        self.report.modules.push(module.name.clone());
    }

    /// An image, which is named by the digest of its manifest, in its reference or beside.
    fn image(&mut self, url_place: &str, image: &str, hash_place: &str, sha256: Option<&str>) -> Option<&'a Module> {
        let (name, digest) = image.split_once(DIGEST).map_or((image, None), |(name, digest)| (name, Some(digest)));
        for (place, digest) in [(url_place, digest), (hash_place, sha256)] {
            let Some(digest) = digest else { continue };
            if !is_sha256(digest) {
                self.refuse(Rule::HashForm, place, format!("`{digest}` is not 64 lower-case hex digits"));
            } else if let Some(module) = self.lock.module_by_sha256(digest) {
                let what = format!(
                    "the hash of {}; an image is named by the digest of its manifest, and nothing could be pulled by this one",
                    module.name
                );
                self.refuse(Rule::HashForDigest, place, what);
            }
        }
        if digest.is_none() && sha256.is_none() {
            let what = "missing: a tag can be moved to another image; name the image by its manifest's digest";
            self.refuse(Rule::HashForm, hash_place, what);
        }
        let path = name.rsplit('/').next().unwrap_or_default();
        let repository = path.split(':').next().unwrap_or_default();
        self.module_by_name(url_place, &repository.replace('-', "_"))
    }

    fn refuse_fail_open(&mut self, place: &str, value: &str, remedy: &str, module: &Module) {
        if !(self.policy.may_fail_open)(&module.name) {
            let what = format!("{value} lets requests pass unfiltered when the module fails; {remedy}");
            self.refuse(Rule::FailOpen, place, what);
        }
    }
}

/// The digests by which the images of a document are named.
pub(super) fn image_digests(document: &Value) -> BTreeSet<String> {
    let mut digests = BTreeSet::new();
    collect_digests(document, &mut digests);
    digests
}

fn collect_digests(value: &Value, digests: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            let url = object.get("url").and_then(Value::as_str).unwrap_or_default();
            digests.extend(url.split_once(DIGEST).map(|(_, digest)| digest.to_owned()));
            if !url.is_empty() && matches!(Source::of(url), Source::Image(_)) {
                digests.extend(object.get("sha256").and_then(Value::as_str).map(ToOwned::to_owned));
            }
            digests.extend(object.get("image").and_then(|image| text(image, "sha256")).map(ToOwned::to_owned));
            object.values().for_each(|value| collect_digests(value, digests));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_digests(item, digests)),
        _ => {}
    }
}

/// The names of the configs that `EnvoyFilter`s define for filters that discover them.
pub(super) fn patched_in(document: &Value) -> Vec<String> {
    let patches = document.pointer("/spec/configPatches").and_then(Value::as_array);
    let patches = patches.filter(|_| text(document, "kind") == Some("EnvoyFilter"));
    let own = patches.into_iter().flatten().filter_map(patched).map(str::to_owned);
    own.chain(items(document).iter().flat_map(patched_in)).collect()
}

fn patched(patch: &Value) -> Option<&str> {
    let operation = patch.pointer("/patch/operation")?.as_str()?;
    let is_whole = text(patch, "applyTo")? == "EXTENSION_CONFIG" && matches!(operation, "ADD" | "REPLACE");
    patch.pointer("/patch/value/name")?.as_str().filter(|_| is_whole)
}

/// A document as it is, without a `ConfigMap` that it is; and for each `ConfigMap` that it is or holds, the documents in that.
pub(super) fn unpack(place: String, document: Value, all: &mut Vec<(String, Value)>) -> Result<()> {
    unpack_config_maps(&place, &document, all)?;
    if !is_config_map(&document) {
        all.push((place, document));
    }
    Ok(())
}

fn unpack_config_maps(place: &str, document: &Value, all: &mut Vec<(String, Value)>) -> Result<()> {
    for (index, item) in items(document).iter().enumerate() {
        unpack_config_maps(&at(place, &format!("items[{index}]")), item, all)?;
    }
    if is_config_map(document) {
        for (name, text) in entries(document, "data") {
            unpack_entry(at(place, &format!("data[{name}]")), name, text, all)?;
        }
        for (name, text) in entries(document, "binaryData") {
            let place = at(place, &format!("binaryData[{name}]"));
            // Lines may be broken in it.
            let bytes =
                STANDARD.decode(text.replace(['\r', '\n'], "")).with_context(|| format!("{place}: no base64"))?;
            unpack_entry(place, name, &String::from_utf8_lossy(&bytes), all)?;
        }
    }
    Ok(())
}

/// The documents of an entry. One that is no YAML is none of Envoy's where neither its name nor its text says so.
fn unpack_entry(place: String, name: &str, text: &str, all: &mut Vec<(String, Value)>) -> Result<()> {
    let is_config = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
        || ["vm_config", "vmConfig", ".wasm.v3."].iter().any(|sign| text.contains(sign));
    match yaml::documents(text) {
        Ok(documents) => all.extend(documents.into_iter().map(|document| (place.clone(), document))),
        Err(error) if is_config => return Err(error.context(place)),
        Err(_) => {}
    }
    Ok(())
}

fn entries<'v>(config_map: &'v Value, field: &str) -> impl Iterator<Item = (&'v str, &'v str)> {
    let entries = config_map.get(field).and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
}

fn is_config_map(document: &Value) -> bool {
    text(document, "apiVersion") == Some("v1") && text(document, "kind") == Some("ConfigMap")
}

fn kind_of(document: &Value) -> Option<&str> {
    let group = document.get("apiVersion")?.as_str()?.split('/').next()?;
    let is_known = matches!(group, "extensions.istio.io" | "gateway.envoyproxy.io");
    document.get("kind")?.as_str().filter(|_| is_known)
}

/// The items of a list. In a `WasmPluginList` and its like they may leave out their own kind, which is in that of the list.
fn items(document: &Value) -> Vec<Value> {
    let kind = text(document, "kind").and_then(|kind| kind.strip_suffix("List"));
    let (Some(version), Some(kind), Some(items)) =
        (document.get("apiVersion"), kind, document.get("items").and_then(Value::as_array))
    else {
        return Vec::new();
    };
    let mut items = items.clone();
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        if !item.contains_key("apiVersion") && !item.contains_key("kind") {
            item.insert("apiVersion".to_owned(), version.clone());
            item.insert("kind".to_owned(), kind.into());
        }
    }
    items
}

fn gateway_plugins(spec: &Value) -> impl Iterator<Item = &Value> {
    spec.get("wasm").and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    let object: &Object = value.as_object()?;
    object.get(name)?.as_str()
}
