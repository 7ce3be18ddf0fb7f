//! Content encodings: gzip and deflate, decoded within bounds.

mod gzip;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_COMPUTE_ADLER32, TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_PARSE_ZLIB_HEADER,
    TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY,
};
use miniz_oxide::inflate::core::{DecompressorOxide, TINFL_LZ_DICT_SIZE, decompress};

use crate::masking::Stop;
use gzip::Gzip;

/// How many times longer than what is encoded the content may be.
const HIGHEST_RATIO: usize = 100;

/// How many times longer than the content what is encoded may be: empty blocks and members take time as well. A block for each byte is half
/// of that.
const LOWEST_RATIO: usize = 16;

/// As how many bytes of content a block counts: its tables are built anew, also for no content at all, which takes as long as some 900 bytes.
/// It cannot be more, since who flushes after each byte sends two blocks in seven bytes.
const BLOCK: usize = 256;

/// How many blocks are decoded at once.
const MOST_BLOCKS: usize = 256;

/// Up to this length content, and what is encoded, may be of any ratio.
const UNSUSPICIOUS: usize = 64 * 1024;

/// How much is decoded at once.
const STEP: usize = 16 * 1024;

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

/// What decodes a body, a part at a time.
pub struct Decoder {
    inflate: Inflate,
    format: Format,
    /// How much has come, how much was decoded from it, and in how many blocks.
    encoded: usize,
    decoded: usize,
    blocks: usize,
    most: usize,
}

/// What is around the compressed data.
enum Format {
    Gzip(Gzip),
    /// zlib's own, which is read with the data, and whether it is over.
    Zlib(bool),
}

/// What decompresses, with the last of the content, which what follows repeats parts of.
struct Inflate {
    state: Box<DecompressorOxide>,
    window: Box<[u8]>,
    place: usize,
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
        let format = match self {
            Self::Identity => return None,
            Self::Gzip => Format::Gzip(Gzip::default()),
            Self::Deflate => Format::Zlib(false),
        };
        Some(Decoder { inflate: Inflate::new(), format, encoded: 0, decoded: 0, blocks: 0, most })
    }
}

// === impl Decoder ===

impl Decoder {
    /// Appends some of what `encoded` means, at most 32 KiB, and takes what it has read from its front. Where it says so, there is
    /// more to be had.
    ///
    /// # Errors
    ///
    /// It means nothing, or too much.
    pub fn decode(&mut self, encoded: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, Stop> {
        let len = encoded.len();
        let inflated = match &mut self.format {
            Format::Gzip(gzip) => gzip.decode(&mut self.inflate, encoded),
            Format::Zlib(true) => encoded.is_empty().then(Inflated::default),
            Format::Zlib(is_over) => {
                let inflated = self.inflate.step(encoded, TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_COMPUTE_ADLER32);
                inflated.inspect(|inflated| *is_over = inflated.is_over)
            }
        };
        let Inflated { content, blocks, has_more, is_over } = inflated.ok_or(Stop::Failed("undecodable"))?;
        self.encoded = self.encoded.saturating_add(len.saturating_sub(encoded.len()));
        self.decoded = self.decoded.saturating_add(content.len());
        self.blocks = self.blocks.saturating_add(blocks);
        let work = self.blocks.saturating_mul(BLOCK).saturating_add(self.decoded);
        let allowed = self.encoded.saturating_mul(HIGHEST_RATIO).max(UNSUSPICIOUS);
        let needed = self.decoded.saturating_mul(LOWEST_RATIO).max(UNSUSPICIOUS);
        if work > allowed || self.decoded > self.most || self.encoded > needed {
            return Err(Stop::Failed("bomb"));
        }
        out.extend_from_slice(content);
        Ok(has_more || (is_over && !encoded.is_empty()))
    }

    /// Ends a body.
    ///
    /// # Errors
    ///
    /// Something is missing.
    pub fn finish(&self) -> Result<(), Stop> {
        let is_over = match &self.format {
            Format::Gzip(gzip) => gzip.is_over(),
            Format::Zlib(is_over) => *is_over,
        };
        if is_over || self.encoded == 0 { Ok(()) } else { Err(Stop::Failed("undecodable")) }
    }
}

// === impl Inflate ===

/// What was decompressed at once.
#[derive(Default)]
struct Inflated<'a> {
    content: &'a [u8],
    blocks: usize,
    has_more: bool,
    is_over: bool,
}

impl Inflate {
    fn new() -> Self {
        Self { state: Box::default(), window: vec![0; TINFL_LZ_DICT_SIZE].into(), place: 0 }
    }

    /// Decompresses up to the end of the window, or so many blocks; nothing where that fails.
    fn step(&mut self, encoded: &mut &[u8], flags: u32) -> Option<Inflated<'_>> {
        let flags = flags | TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
        let from = self.place;
        let mut end = from;
        let mut blocks = 0usize;
        let status = loop {
            let input = encoded.get(..STEP).unwrap_or(encoded);
            let (status, read, written) = decompress(&mut self.state, input, &mut self.window, end, flags);
            *encoded = encoded.get(read..).unwrap_or_default();
            end = end.saturating_add(written);
            blocks =
                blocks.saturating_add(usize::from(matches!(status, TINFLStatus::BlockBoundary | TINFLStatus::Done)));
            if status != TINFLStatus::BlockBoundary || blocks == MOST_BLOCKS {
                break status;
            }
        };
        self.place = if end == self.window.len() { 0 } else { end };
        let (is_over, has_more) = match status {
            TINFLStatus::Done => (true, false),
            TINFLStatus::NeedsMoreInput => (false, !encoded.is_empty()),
            TINFLStatus::HasMoreOutput | TINFLStatus::BlockBoundary => (false, true),
            _ => return None,
        };
        let content = self.window.get(from..end).unwrap_or_default();
        Some(Inflated { content, blocks, has_more, is_over })
    }

    /// What follows is compressed by itself.
    fn restart(&mut self) {
        self.state.init();
        self.place = 0;
    }
}

/// Without what it holds.
impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

#[cfg(test)]
mod tests;
