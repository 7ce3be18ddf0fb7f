//! Images in a directory, in the OCI image layout: what `skopeo` and others call `oci:`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci_spec::image::{Descriptor, ImageIndex, ImageIndexBuilder, MediaType, OciLayoutBuilder, SCHEMA_VERSION};

use super::image::Image;
use super::source::Source;
use crate::file;
use crate::lock::Module;

/// Writes the images of modules, each to a directory with the module's name below `out`, and gives these.
///
/// # Errors
///
/// If a file cannot be read or written.
pub fn pack(modules: &[&Module], dist: &Path, out: &Path) -> Result<Vec<(PathBuf, Image)>> {
    modules
        .iter()
        .map(|module| {
            let (image, directory) = (Image::of(module, dist)?, out.join(&module.name));
            write(&image, &directory)?;
            Ok((directory, image))
        })
        .collect()
}

/// An image in a directory.
pub(crate) struct Directory {
    path: PathBuf,
    /// The only one of its index.
    manifest: Descriptor,
}

fn write(image: &Image, directory: &Path) -> Result<()> {
    let layout = OciLayoutBuilder::default().image_layout_version("1.0.0").build()?;
    let index = ImageIndexBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageIndex)
        .manifests([image.manifest.descriptor.clone()])
        .build()?;
    for blob in image.blobs().chain([&image.manifest]) {
        file::write(&directory.join(path_of(&blob.descriptor)), &blob.bytes)?;
    }
    file::write(&directory.join("oci-layout"), serde_json::to_vec(&layout)?)?;
    file::write(&directory.join(INDEX), serde_json::to_vec(&index)?)
}

const INDEX: &str = "index.json";

fn path_of(descriptor: &Descriptor) -> PathBuf {
    let digest = descriptor.digest();
    Path::new("blobs").join(digest.algorithm().as_ref()).join(digest.digest())
}

// === impl Directory ===

impl Directory {
    /// The directory in which `pack` or another tool has left one image.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let index = file::read(&path.join(INDEX)).context("it is no OCI image layout")?;
        let index: ImageIndex = serde_json::from_slice(&index)
            .with_context(|| format!("{} has no index that can be read", path.display()))?;
        match index.manifests().as_slice() {
            [manifest] => Ok(Self { path: path.to_owned(), manifest: manifest.clone() }),
            others => bail!("{} holds {} images: keep each in a directory of its own", path.display(), others.len()),
        }
    }
}

impl Source for Directory {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn manifest(&self) -> Result<Vec<u8>> {
        super::source::read(self, &self.manifest)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let path = self.path.join(path_of(descriptor));
        let mut bytes = Vec::new();
        let read =
            File::open(&path).and_then(|file| file.take(descriptor.size().saturating_add(1)).read_to_end(&mut bytes));
        read.with_context(|| format!("cannot read {}", path.display()))?;
        Ok(bytes)
    }
}
