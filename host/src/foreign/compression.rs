//! `compress` and `uncompress`: zlib.

use crate::status::Status;
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use std::io::Read;

/// More than a guest could take.
const MAX: u64 = 64 << 20;

pub(super) fn compress(bytes: &[u8]) -> Result<Vec<u8>, Status> {
    read(ZlibEncoder::new(bytes, Compression::default()))
}

pub(super) fn uncompress(bytes: &[u8]) -> Result<Vec<u8>, Status> {
    read(ZlibDecoder::new(bytes))
}

fn read(stream: impl Read) -> Result<Vec<u8>, Status> {
    let mut bytes = Vec::new();
    stream.take(MAX).read_to_end(&mut bytes).map_err(|_| Status::SERIALIZATION_FAILURE)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back() {
        let bytes = [b'a'; 10_000];
        let compressed = compress(&bytes).unwrap();
        assert!(compressed.len() < 100);
        assert_eq!(uncompress(&compressed).unwrap(), bytes);
    }

    #[test]
    fn what_is_not_compressed_is_an_error() {
        assert_eq!(uncompress(b"plain"), Err(Status::SERIALIZATION_FAILURE));
    }
}
