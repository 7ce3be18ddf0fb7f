//! Content encodings: gzip and deflate, decoded within bounds.

use std::io::Write as _;

use flate2::write::{MultiGzDecoder, ZlibDecoder};

use crate::masking::Stop;

/// How much is decoded between two looks at the bounds.
const STEP: usize = 256;

/// How many times longer than what is encoded the content may be.
const HIGHEST_RATIO: usize = 100;

/// Content of up to this length may be of any ratio.
const UNSUSPICIOUS: usize = 64 * 1024;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// deflate, which is zlib (RFC 1950).
    Deflate,
}

/// What decodes a body.
pub struct Decoder {
    kind: Kind,
    /// How much has come, and how much was decoded from it.
    encoded: usize,
    decoded: usize,
    most: usize,
}

enum Kind {
    Gzip(MultiGzDecoder<Vec<u8>>),
    Deflate(ZlibDecoder<Vec<u8>>),
}

impl Encoding {
    /// The encoding that a `content-encoding` header names; `None` for one that cannot be decoded, or several.
    #[must_use]
    pub fn named(value: &[u8]) -> Option<Self> {
        match value.trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Some(Self::Identity),
            b"gzip" | b"x-gzip" => Some(Self::Gzip),
            b"deflate" => Some(Self::Deflate),
            _ => None,
        }
    }

    /// What decodes it, up to so many bytes of content.
    #[must_use]
    pub fn decoder(self, most: usize) -> Option<Decoder> {
        let kind = match self {
            Self::Identity => return None,
            Self::Gzip => Kind::Gzip(MultiGzDecoder::new(Vec::new())),
            Self::Deflate => Kind::Deflate(ZlibDecoder::new(Vec::new())),
        };
        Some(Decoder { kind, encoded: 0, decoded: 0, most })
    }
}

impl Decoder {
    /// Appends what `encoded` means.
    ///
    /// # Errors
    ///
    /// It means nothing, or too much.
    pub fn decode(&mut self, encoded: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
        for part in encoded.chunks(STEP) {
            let written = match &mut self.kind {
                Kind::Gzip(decoder) => decoder.write_all(part).and_then(|()| decoder.flush()),
                Kind::Deflate(decoder) => decoder.write_all(part).and_then(|()| decoder.flush()),
            };
            written.map_err(|_| Stop::Failed("undecodable"))?;
            self.encoded = self.encoded.saturating_add(part.len());
            self.take(out)?;
        }
        Ok(())
    }

    /// Appends what is left.
    ///
    /// # Errors
    ///
    /// Something is missing.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Stop> {
        if self.encoded == 0 {
            return Ok(());
        }
        let finished = match &mut self.kind {
            Kind::Gzip(decoder) => decoder.try_finish(),
            Kind::Deflate(decoder) => decoder.try_finish(),
        };
        finished.map_err(|_| Stop::Failed("undecodable"))?;
        self.take(out)
    }

    fn take(&mut self, out: &mut Vec<u8>) -> Result<(), Stop> {
        let decoded = match &mut self.kind {
            Kind::Gzip(decoder) => decoder.get_mut(),
            Kind::Deflate(decoder) => decoder.get_mut(),
        };
        self.decoded = self.decoded.saturating_add(decoded.len());
        let allowed = self.encoded.saturating_mul(HIGHEST_RATIO).max(UNSUSPICIOUS).min(self.most);
        if self.decoded > allowed {
            return Err(Stop::Failed("bomb"));
        }
        out.append(decoded);
        Ok(())
    }
}

/// Without what it holds.
impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(encoding: Encoding, pieces: &[&[u8]], most: usize) -> Result<Vec<u8>, Stop> {
        let mut decoder = encoding.decoder(most).unwrap();
        let mut out = Vec::new();
        for piece in pieces {
            decoder.decode(piece, &mut out)?;
        }
        decoder.finish(&mut out)?;
        Ok(out)
    }

    #[test]
    fn what_is_encoded_is_decoded_in_every_chunking() {
        let content = b"a body that comes in pieces".repeat(20);
        let encoded = [gzip(&content), gzip(b" and another")].concat();
        let expected = [content.as_slice(), b" and another"].concat();
        for cut in 0..=encoded.len() {
            let (first, second) = encoded.split_at(cut);
            assert_eq!(decoded(Encoding::Gzip, &[first, second], 1 << 20).unwrap(), expected, "{cut}");
        }
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&content).unwrap();
        assert_eq!(decoded(Encoding::Deflate, &[&encoder.finish().unwrap()], 1 << 20).unwrap(), content);
    }

    #[test]
    fn what_is_cut_off_or_garbled_is_no_content() {
        let encoded = gzip(b"a body");
        for end in 1..encoded.len() {
            assert_eq!(decoded(Encoding::Gzip, &[&encoded[..end]], 1 << 20), Err(Stop::Failed("undecodable")), "{end}");
        }
        assert_eq!(decoded(Encoding::Gzip, &[b"no gzip at all, is it?"], 1 << 20), Err(Stop::Failed("undecodable")));
        assert_eq!(decoded(Encoding::Gzip, &[], 1 << 20), Ok(Vec::new()));
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_large() {
        let bomb = gzip(&vec![0; 64 << 20]);
        let mut decoder = Encoding::Gzip.decoder(16 << 20).unwrap();
        let mut out = Vec::new();
        assert_eq!(decoder.decode(&bomb, &mut out), Err(Stop::Failed("bomb")));
        assert!(out.len() < 1 << 20, "{}", out.len());
        let long = gzip(&[0; 100]);
        assert_eq!(decoded(Encoding::Gzip, &[&long], 99), Err(Stop::Failed("bomb")));
    }

    #[test]
    fn only_one_known_encoding_is_decoded() {
        for (value, encoding) in [
            ("", Some(Encoding::Identity)),
            ("Identity", Some(Encoding::Identity)),
            (" gzip ", Some(Encoding::Gzip)),
            ("x-gzip", Some(Encoding::Gzip)),
            ("deflate", Some(Encoding::Deflate)),
            ("br", None),
            ("zstd", None),
            ("gzip, br", None),
            ("gzip,gzip", None),
        ] {
            assert_eq!(Encoding::named(value.as_bytes()), encoding, "{value}");
        }
    }
}
