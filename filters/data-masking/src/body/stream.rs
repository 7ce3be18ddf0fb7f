//! Streams: bodies in the pieces in which a host holds them.
//!
//! What is not decided at the end of a piece is looked at again with more behind it. Where the body may end with trailers, it stays
//! with the host until then, with the front of its piece, which is done: behind trailers nothing can be added to a body. Envoy breaks a
//! message off when what it holds and what comes at once are together longer than its buffer (1 MiB), so that bodies that may be long and announce no
//! trailers are not held: only their undecided end is kept, here.

use super::encoding::Decoder;
use super::{Body, Format};
use crate::masking::{Options, Policy, Run, Stop, Tally};
use crate::splice::Splice;

/// The longest body that is held without trailers being announced.
const SHORT_BODY: usize = 256 * 1024;

/// The longest piece that stays with the host.
const LONGEST_PIECE: usize = 64 * 1024;

/// An undecided end of up to this length is looked at again with every byte; a longer one when it has grown by an eighth.
const SHORT: usize = 512;

/// A body in the pieces in which a host holds it.
#[derive(Debug)]
pub struct Stream {
    body: Body,
    decoder: Option<Decoder>,
    holds: bool,
    /// Whether some of the body is done.
    has_begun: bool,
    /// How much of the front of the piece at hand is done.
    done: usize,
    /// How much behind that is decoded.
    decoded: usize,
    /// How much behind that was undecided when it was last looked at.
    undecided: usize,
    /// The undecided end of a piece that has gone.
    carry: Vec<u8>,
}

/// What becomes of a piece.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it becomes; `None` when it stays as it is.
    pub replaced: Option<Vec<u8>>,
    /// Whether it is to be offered again with more behind it.
    pub keep: bool,
}

impl Stream {
    /// A body of this format, decoded by `decoder`. Its undecided end is held by the host where trailers are announced, or `len`, its length, is
    /// known to be short.
    #[must_use]
    pub fn new(format: Format, decoder: Option<Decoder>, announces_trailers: bool, len: Option<usize>) -> Self {
        let holds = announces_trailers || len.is_some_and(|len| len <= SHORT_BODY);
        Self {
            body: Body::new(format),
            decoder,
            holds,
            has_begun: false,
            done: 0,
            decoded: 0,
            undecided: 0,
            carry: Vec::new(),
        }
    }

    /// Masks a piece: what was kept of the one before, and more.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub fn piece(
        &mut self,
        policy: &Policy,
        options: &Options,
        tally: &mut Tally,
        piece: &[u8],
        is_last: bool,
    ) -> Result<Outcome, Stop> {
        let (front, rest) = piece.split_at_checked(self.done).unwrap_or((piece, &[]));
        // It stays in place until the piece is masked: who gives the piece back needs it.
        let mut input = self.carry.clone();
        match &mut self.decoder {
            Some(decoder) => {
                let (decoded, encoded) = rest.split_at_checked(self.decoded).unwrap_or((rest, &[]));
                input.extend_from_slice(decoded);
                decoder.decode(encoded, &mut input)?;
                if is_last {
                    decoder.finish(&mut input)?;
                }
            }
            None => input.extend_from_slice(rest),
        }
        let grown = input.len().saturating_sub(self.undecided);
        let is_half_a_mark = !self.has_begun && !is_last && matches!(input.as_slice(), [0xfe | 0xff]);
        // UTF-16, whatever its charset says.
        if !self.has_begun && matches!(input.as_slice(), [0xfe, 0xff, ..] | [0xff, 0xfe, ..]) {
            return Err(Stop::Failed("undecodable"));
        }
        let must_look = is_last || self.undecided <= SHORT || grown >= self.undecided / 8;
        let (masked, consumed) = if must_look && !is_half_a_mark {
            let mut run = Run { policy, options, splice: Splice::new(&input), tally };
            let consumed = self.body.push(&mut run, &input, is_last)?;
            let tail = input.len().saturating_sub(consumed);
            self.undecided = tail;
            (run.splice.finish(consumed), consumed)
        } else {
            (Splice::new(&input).finish(0), 0)
        };
        self.has_begun |= consumed > 0;
        let tail = input.get(consumed..).unwrap_or_default();
        if is_last && !tail.is_empty() {
            return Err(Stop::Failed("undecided"));
        }
        if options.report_only {
            self.carry = tail.to_vec();
            return Ok(Outcome { replaced: None, keep: false });
        }
        let keep = !tail.is_empty();
        let done = front.len().saturating_add(masked.len());
        let goes = keep && (!self.holds || done >= LONGEST_PIECE);
        let parts: &[&[u8]] = if goes { &[front, &masked] } else { &[front, &masked, tail] };
        let now = parts.concat();
        let replaced = (now != piece).then_some(now);
        if goes || !keep {
            self.carry = tail.to_vec();
            (self.done, self.decoded) = (0, 0);
        } else {
            self.carry.clear();
            (self.done, self.decoded) = (done, tail.len());
        }
        Ok(Outcome { replaced, keep: keep && !goes })
    }

    /// Ends a body of which nothing is held, because trailers have come.
    ///
    /// # Errors
    ///
    /// Something is missing: what was sent must not look complete.
    pub fn end(&mut self) -> Result<(), Stop> {
        if let Some(decoder) = &mut self.decoder {
            decoder.finish(&mut self.carry)?;
        }
        if self.carry.is_empty() { Ok(()) } else { Err(Stop::Failed("cut_off")) }
    }

    /// The piece as it came, when the rest of the body is to pass unmasked; `None` when it cannot.
    #[must_use]
    pub fn give_back(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        self.decoder.is_none().then(|| [&std::mem::take(&mut self.carry), piece].concat())
    }
}

#[cfg(test)]
mod tests;
