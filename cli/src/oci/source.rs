//! Where an image comes from, and what of it is believed: nothing but what its digest names.

use anyhow::{Context, Result};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde_json::{Map, Value};

use super::blob;
use crate::hash::sha256;
use crate::refusal::Rule;
use crate::verify::Refused;

/// How long a manifest may be, in bytes: what registries take.
pub(crate) const MAX_MANIFEST: u64 = 4 << 20;

/// How long a packed layer or a config may be, in bytes.
pub(crate) const MAX_BLOB: u64 = 64 << 20;

/// Where an image is: a registry, or a directory.
pub(crate) trait Source {
    /// What the user has called it.
    fn name(&self) -> String;

    /// The manifest, or the index, at most [`MAX_MANIFEST`] long.
    fn manifest(&self) -> Result<Vec<u8>>;

    /// The bytes by that descriptor, not yet compared with it, and at most one more than its size.
    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>>;
}

/// A manifest, read.
pub(crate) struct Found {
    /// The SHA-256 of its bytes, in lower-case hex.
    pub(crate) sha256: String,
    pub(crate) document: Document,
}

/// What a manifest is.
pub(crate) enum Document {
    Image(Box<ImageManifest>),
    Index(Box<ImageIndex>),
}

/// Finds what `source` has.
///
/// # Errors
///
/// If it cannot be had, or is neither an image nor an index.
pub(crate) fn find(source: &dyn Source) -> Result<Found> {
    let bytes = source.manifest()?;
    let refused = |what: String| Refused::of_image(source.name(), Rule::Layout, what);
    let fields: Map<String, Value> =
        serde_json::from_slice(&bytes).map_err(|error| refused(format!("its manifest is no JSON object: {error}")))?;
    let document = match (fields.contains_key("layers"), fields.contains_key("manifests")) {
        (true, false) => serde_json::from_slice(&bytes).map(Document::Image),
        (false, true) => serde_json::from_slice(&bytes).map(Document::Index),
        _ => {
            let what = "its manifest is neither an image's nor an index: it needs either `layers` or `manifests`";
            return Err(refused(what.to_owned()).into());
        }
    };
    let document = document.map_err(|error| refused(format!("its manifest cannot be read: {error}")))?;
    Ok(Found { sha256: sha256(&bytes), document })
}

/// The blob by that descriptor.
///
/// # Errors
///
/// One that is too long, or is not the one of its digest.
pub(crate) fn read(source: &dyn Source, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let digest = descriptor.digest();
    if descriptor.size() > MAX_BLOB {
        let what = format!("{digest} is {} bytes long, more than the {MAX_BLOB} that are read", descriptor.size());
        return Err(Refused::of_image(source.name(), Rule::TooLarge, what).into());
    }
    let bytes = source.blob(descriptor).with_context(|| format!("cannot read {digest} of {}", source.name()))?;
    if blob::is_of(&bytes, descriptor) {
        return Ok(bytes);
    }
    let what = format!("what was got for {digest} is something else; get it from elsewhere, and tell its owner");
    Err(Refused::of_image(source.name(), Rule::Blob, what).into())
}
