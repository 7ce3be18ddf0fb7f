//! Objects of Kubernetes: what a finished Envoy config says of its filters, as a mesh's control plane takes it.
//!
//! | file | object | the module is named by | what the API cannot say |
//! |---|---|---|---|
//! | `istio/NAME.envoy-filter.yaml` | `EnvoyFilter` | its hash | |
//! | `istio/NAME.wasm-plugin.yaml`, `.oci.yaml` | `WasmPlugin` | its hash; the digest of its image | capability lists, `allow_on_headers_stop_iteration` |
//! | `istio/NAME.traffic-extension.yaml`, `.oci.yaml` | `TrafficExtension` | the same | the same |
//! | `envoy-gateway/NAME.yaml`, `.oci.yaml` | `EnvoyExtensionPolicy` | the same | the same |
//!
//! Images are named where their digests are given. Clusters that the filters call are a part of the file, under the
//! names that the filters' configs have for them.
//!
//! The types hold what is written here and no more: the crates that have these APIs whole bring a client of Kubernetes
//! along, and none has `TrafficExtension`.

mod gateway;
mod istio;
mod plain;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::lock::Lock;
use source::Source;

use super::template::Releases;

/// The image of each module that has one, by the module's name: `REGISTRY/REPOSITORY@sha256:DIGEST`.
pub type Images = BTreeMap<String, String>;

/// Where the module's code comes from.
#[derive(Clone, Copy)]
enum Code<'a> {
    Http,
    Oci(&'a Images),
}

/// An object of any kind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<S> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: S,
}

#[derive(Serialize)]
struct Metadata {
    name: String,
}

/// The files of a config, each with its path below the dist directory: none where the config has no Wasm filter in a
/// listener, or where Envoy's own tracer is set up in it, which a mesh does by other means.
pub(super) fn render(
    template: &Path,
    config: &str,
    releases: Releases,
    lock: &Lock,
    images: &Images,
) -> Result<Vec<(String, String)>> {
    let config = serde_saphyr::from_str(config).context("the config is no YAML")?;
    let stem = template.file_stem().unwrap_or_default().to_string_lossy();
    let Some(source) = Source::of(&stem, &config, lock)? else { return Ok(Vec::new()) };
    let envoy_filter = file([istio::envoy_filter(&source)])?;
    if releases == Releases::Since1_36 {
        return Ok(vec![(format!("istio/{stem}.envoy-filter.1.36.yaml"), envoy_filter)]);
    }
    let mut files = vec![(format!("istio/{stem}.envoy-filter.yaml"), envoy_filter)];
    let mut codes = vec![(Code::Http, "yaml")];
    if source.plugins.iter().all(|plugin| images.contains_key(&plugin.module.name)) {
        codes.push((Code::Oci(images), "oci.yaml"));
    }
    let istio_clusters = documents(istio::clusters(&source))?;
    let gateway_clusters = documents(gateway::clusters(&source))?;
    for (code, end) in codes {
        let wasm_plugins = file(istio::wasm_plugins(&source, code)?)? + &istio_clusters;
        let traffic_extensions = file(istio::traffic_extensions(&source, code)?)? + &istio_clusters;
        let extension_policy = file([gateway::extension_policy(&source, code)?])? + &gateway_clusters;
        files.extend([
            (format!("istio/{stem}.wasm-plugin.{end}"), wasm_plugins),
            (format!("istio/{stem}.traffic-extension.{end}"), traffic_extensions),
            (format!("envoy-gateway/{stem}.{end}"), extension_policy),
        ]);
    }
    Ok(files)
}

const HEAD: &str = "# Written by `cargo palisade pin` from the template of this name in envoy/: change that.\n";

fn file<S: Serialize>(objects: impl IntoIterator<Item = Object<S>>) -> Result<String> {
    Ok(HEAD.to_owned() + &documents(objects)?)
}

/// The objects as documents of YAML.
fn documents<S: Serialize>(objects: impl IntoIterator<Item = Object<S>>) -> Result<String> {
    objects.into_iter().map(|object| Ok(format!("---\n{}", serde_saphyr::to_string(&object)?))).collect()
}
