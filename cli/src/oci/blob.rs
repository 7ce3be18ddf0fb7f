//! Blobs, which their digests name.

use std::str::FromStr as _;

use anyhow::Result;
use oci_spec::image::{Descriptor, MediaType, Sha256Digest};

use crate::hash::sha256;

/// Bytes with the descriptor by which a manifest or a registry names them.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) descriptor: Descriptor,
    pub(crate) bytes: Vec<u8>,
}

impl Blob {
    pub(crate) fn new(media_type: MediaType, bytes: Vec<u8>) -> Result<Self> {
        let digest = Sha256Digest::from_str(&sha256(&bytes))?;
        let descriptor = Descriptor::new(media_type, u64::try_from(bytes.len())?, digest);
        Ok(Self { descriptor, bytes })
    }
}

/// Whether the bytes are the ones of the descriptor.
pub(crate) fn is_of(bytes: &[u8], descriptor: &Descriptor) -> bool {
    descriptor.as_digest_sha256() == Some(sha256(bytes).as_str()) && u64::try_from(bytes.len()) == Ok(descriptor.size())
}
