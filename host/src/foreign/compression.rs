//! `compress` and `uncompress`: zlib.

use crate::status::Status;
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use std::io::Read;

/// More than a guest could take. Envoy has no limit here.
const MAX: u64 = 64 << 20;

pub(super) fn compress(bytes: &[u8]) -> Result<Vec<u8>, Status> {
    read(ZlibEncoder::new(bytes, Compression::default()), u64::MAX)
}

pub(super) fn uncompress(bytes: &[u8]) -> Result<Vec<u8>, Status> {
    read(ZlibDecoder::new(bytes), MAX)
}

/// What comes of a stream, if it is at most `limit` bytes.
fn read(stream: impl Read, limit: u64) -> Result<Vec<u8>, Status> {
    let mut bytes = Vec::new();
    stream.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|_| Status::SERIALIZATION_FAILURE)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= limit);
    if fits { Ok(bytes) } else { Err(Status::SERIALIZATION_FAILURE) }
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
    fn what_would_be_too_large_is_an_error_and_not_cut_off() {
        let bomb = compress(&[0; 1001]).unwrap();
        assert_eq!(read(ZlibDecoder::new(&*bomb), 1000), Err(Status::SERIALIZATION_FAILURE));
        assert_eq!(read(ZlibDecoder::new(&*bomb), 1001).unwrap().len(), 1001);
    }

    #[test]
    fn what_is_not_compressed_is_an_error() {
        assert_eq!(uncompress(b"plain"), Err(Status::SERIALIZATION_FAILURE));
    }
}
