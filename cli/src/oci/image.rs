//! The image of one module.

use std::path::Path;

use anyhow::{Context, Result};
use oci_spec::image::{
    Arch, ImageConfigurationBuilder, ImageManifestBuilder, MediaType, Os, RootFsBuilder, SCHEMA_VERSION,
};
use serde::Serialize;

use super::archive::{self, File};
use super::blob::Blob;
use crate::file;
use crate::hash::sha256;
use crate::lock::{Lock, Module};
use crate::provenance;
use crate::sbom;
use crate::signature;

/// The file in which the proxies look for the module.
pub(crate) const PLUGIN: &str = "plugin.wasm";

/// The only time that does not differ from one build to the next.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// The image of one module, whole.
#[derive(Debug)]
pub struct Image {
    /// The name of the module.
    pub module: String,
    pub(crate) manifest: Blob,
    pub(crate) config: Blob,
    pub(crate) layers: Vec<Blob>,
}

impl Image {
    /// The image of `module`, from the dist directory whose lock names it.
    ///
    /// # Errors
    ///
    /// If a file of the directory cannot be read.
    pub fn of(module: &Module, dist: &Path) -> Result<Self> {
        let plugin = File::new(PLUGIN, file::read(&dist.join(&module.file))?);
        let layers = [archive::pack(&evidence(module, dist)?)?, archive::pack(&[plugin])?];
        let config = ImageConfigurationBuilder::default()
            .created(CREATED)
            // A module runs anywhere; what unpacks images looks for its own platform, and this is the usual one.
            .architecture(Arch::Amd64)
            .os(Os::Linux)
            .rootfs(
                RootFsBuilder::default()
                    .diff_ids(
                        layers.iter().map(|layer| format!("sha256:{}", layer.unpacked_sha256)).collect::<Vec<_>>(),
                    )
                    .build()?,
            )
            .build()?;
        let config = Blob::new(MediaType::ImageConfig, canonical(&config)?)?;
        let layers = layers.map(|layer| Blob::new(MediaType::ImageLayerGzip, layer.packed));
        let layers = layers.into_iter().collect::<Result<Vec<_>>>()?;
        let annotations = [("title", &module.name), ("version", &module.version)];
        let manifest = ImageManifestBuilder::default()
            .schema_version(SCHEMA_VERSION)
            .media_type(MediaType::ImageManifest)
            .config(config.descriptor.clone())
            .layers(layers.iter().map(|layer| layer.descriptor.clone()).collect::<Vec<_>>())
            .annotations(annotations.map(|(name, value)| (format!("org.opencontainers.image.{name}"), value.clone())))
            .build()?;
        let manifest = Blob::new(MediaType::ImageManifest, canonical(&manifest)?)?;
        Ok(Self { module: module.name.clone(), manifest, config, layers })
    }

    /// The SHA-256 of the manifest, in lower-case hex: what Istio and Envoy Gateway want beside `oci://`.
    #[must_use]
    pub fn sha256(&self) -> String {
        sha256(&self.manifest.bytes)
    }

    /// All that the manifest names.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.layers.iter().chain([&self.config])
    }
}

/// The files of a dist directory by which a module is verified, as far as there are.
pub(crate) fn evidence_of(module: &str) -> [String; 5] {
    let lock = Lock::path(Path::new("")).display().to_string();
    [
        signature::SUMS.to_owned(),
        signature::SIGNATURE.to_owned(),
        lock,
        sbom::file_of(module),
        provenance::file_of(module),
    ]
}

fn evidence(module: &Module, dist: &Path) -> Result<Vec<File>> {
    let names = evidence_of(&module.name).into_iter().filter(|name| dist.join(name).exists());
    names.map(|name| Ok(File { bytes: file::read(&dist.join(&name))?, path: name })).collect()
}

/// JSON whose fields are in the order of their names: what holds them here has none.
fn canonical(document: &impl Serialize) -> Result<Vec<u8>> {
    let mut value = serde_json::to_value(document).context("no JSON")?;
    value.sort_all_objects();
    Ok(serde_json::to_vec(&value)?)
}
