//! Who can read an image, and why others cannot.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};

use super::archive::{self, File};
use super::directory::Directory;
use super::image::PLUGIN;
use super::registry::{self, Registry};
use super::source::{self, Document, Source};
use crate::hash::sha256;
use crate::refusal::Rule;
use crate::verify::Refused;
use crate::wasm::Interface;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const MODULE_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
const WASM_LAYER: &str = "application/wasm";

const PROXIES: &str = "Istio, Envoy Gateway";
const CONTAINERS: &str = "docker, skopeo";
const RUNTIMES: &str = "wkg, wasmCloud, Spin";

/// What an image is, and who can read it.
#[derive(Debug)]
pub struct Report {
    name: String,
    /// The SHA-256 of the manifest, in lower-case hex.
    pub sha256: String,
    /// The module that the proxies find in it.
    pub module: Option<Found>,
    /// Each group of readers, with why they cannot read it.
    pub readers: Vec<(&'static str, Option<String>)>,
}

/// A module that an image holds.
#[derive(Debug)]
pub struct Found {
    /// The name of the layout: compat, or oci.
    pub layout: &'static str,
    /// The module.
    pub bytes: Vec<u8>,
}

/// Says who can read an image: one in a directory, or one that a reference names.
///
/// # Errors
///
/// If it cannot be had, is not the one of the digest in its reference, or something in it is not what its digest names.
pub fn inspect(image: &str, is_plain: bool) -> Result<Report> {
    if Path::new(image).is_dir() {
        return report(&Directory::open(Path::new(image))?, None);
    }
    let reference = registry::reference(image)?;
    report(&Registry::open(&reference, is_plain)?, reference.digest())
}

fn report(source: &dyn Source, asked: Option<&str>) -> Result<Report> {
    let found = source::find(source)?;
    if let Some(asked) = asked.filter(|asked| asked.strip_prefix("sha256:") != Some(&found.sha256)) {
        let what = format!("it is sha256:{}, not {asked}", found.sha256);
        return Err(Refused::of_image(source.name(), Rule::Moved, what).into());
    }
    let (module, readers) = match &found.document {
        Document::Index(index) => (None, [PROXIES, CONTAINERS, RUNTIMES].map(|who| (who, why_no_index(who, index)))),
        Document::Image(image) => of_image(source, image)?,
    };
    Ok(Report { name: source.name(), sha256: found.sha256, module, readers: readers.into() })
}

type Readers = [(&'static str, Option<String>); 3];

fn of_image(source: &dyn Source, image: &ImageManifest) -> Result<(Option<Found>, Readers)> {
    let (module, why_no_proxy) = match module_of(source, image)? {
        Ok(module) => {
            let why = Interface::ensure_loadable(&module.bytes).err().map(|error| format!("{error:#}"));
            (Some(module), why)
        }
        Err(why) => (None, Some(why)),
    };
    let readers = [(PROXIES, why_no_proxy), (CONTAINERS, why_no_container(image)), (RUNTIMES, why_no_runtime(image))];
    Ok((module, readers))
}

/// The module that Istio and Envoy Gateway take from an image; within, why they find none.
pub(crate) fn module_of(source: &dyn Source, image: &ImageManifest) -> Result<Result<Found, String>> {
    let is_docker = image.media_type().as_ref().is_some_and(|it| it.as_ref() == DOCKER_MANIFEST);
    let wanted = if is_docker { DOCKER_LAYER.into() } else { MediaType::ImageLayerGzip };
    let why_not_compat = match compat(source, image, &wanted)? {
        Err(why) if !is_docker => why,
        found_or_not => return Ok(found_or_not),
    };
    let module = image.layers().iter().find(|layer| type_of(layer) == MODULE_LAYER);
    match (module, image.layers().len()) {
        (Some(layer), 2) => Ok(Ok(Found { layout: "oci", bytes: source::read(source, layer)? })),
        (Some(_), count) => Ok(Err(format!("with {MODULE_LAYER} they want two layers, and there are {count}"))),
        (None, _) => Ok(Err(why_not_compat)),
    }
}

fn compat(source: &dyn Source, image: &ImageManifest, wanted: &MediaType) -> Result<Result<Found, String>> {
    let Some(layer) = image.layers().last() else { return Ok(Err("it has no layers".to_owned())) };
    if layer.media_type() != wanted {
        return Ok(Err(format!("the last layer is {}, not {wanted}", type_of(layer))));
    }
    let files = match archive::unpack(&source::read(source, layer)?) {
        Ok(files) => files,
        Err(error) => return Ok(Err(format!("the last layer cannot be read: {error:#}"))),
    };
    let plugin = files.into_iter().find(|file| file.name() == PLUGIN);
    let found = plugin.map(|plugin| Found { layout: "compat", bytes: plugin.bytes });
    Ok(found.ok_or_else(|| format!("the last layer holds no {PLUGIN}")))
}

/// The files in the first layer, where it is another one that holds the module. What more layers hold is nobody's business: an
/// image could have thousands of them, each of which fills the memory.
pub(crate) fn files_beside(source: &dyn Source, image: &ImageManifest) -> Result<Vec<File>> {
    match image.layers().as_slice() {
        [first, _, ..] if *first.media_type() == MediaType::ImageLayerGzip => {
            archive::unpack(&source::read(source, first)?)
        }
        _ => Ok(Vec::new()),
    }
}

fn why_no_index(who: &str, index: &ImageIndex) -> Option<String> {
    let named: Vec<_> = index.manifests().iter().map(|manifest| manifest.digest().to_string()).collect();
    (who != CONTAINERS).then(|| format!("an index, by whose digest they find nothing; it names {}", named.join(", ")))
}

fn why_no_container(image: &ImageManifest) -> Option<String> {
    let config = type_of(image.config());
    if *image.config().media_type() != MediaType::ImageConfig && config != DOCKER_CONFIG {
        return Some(format!("the config is {config}, not {}", MediaType::ImageConfig));
    }
    let layer = image.layers().iter().find(|layer| !is_archive(layer));
    layer.map(|layer| format!("the layer {} is no archive", type_of(layer)))
}

fn why_no_runtime(image: &ImageManifest) -> Option<String> {
    let config = type_of(image.config());
    if config != WASM_CONFIG {
        return Some(format!("the config is {config}, not {WASM_CONFIG}"));
    }
    match image.layers().as_slice() {
        [layer] if type_of(layer) == WASM_LAYER => None,
        [layer] => Some(format!("the layer is {}, not {WASM_LAYER}", type_of(layer))),
        layers => Some(format!("there are {} layers, not one", layers.len())),
    }
}

fn is_archive(layer: &Descriptor) -> bool {
    matches!(layer.media_type(), MediaType::ImageLayer | MediaType::ImageLayerGzip | MediaType::ImageLayerZstd)
        || type_of(layer) == DOCKER_LAYER
}

fn type_of(descriptor: &Descriptor) -> &str {
    descriptor.media_type().as_ref()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n  manifest  sha256:{}", self.name, self.sha256)?;
        match &self.module {
            Some(Found { layout, bytes }) => {
                writeln!(f, "  module    sha256 {}, {} bytes, layout {layout}", sha256(bytes), bytes.len())?;
            }
            None => writeln!(f, "  module    none that a proxy finds")?,
        }
        for (who, why_not) in &self.readers {
            match why_not {
                None => writeln!(f, "  {who}: yes")?,
                Some(why) => writeln!(f, "  {who}: no, {why}")?,
            }
        }
        Ok(())
    }
}
