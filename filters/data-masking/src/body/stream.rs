//! Streams: bodies in the pieces in which a host holds them.
//!
//! What is not decided at the end of a piece is looked at again with more behind it. Where the body may end with trailers, it stays
//! with the host until then, with the front of its piece, which is done: behind trailers nothing can be added to a body. Envoy breaks a
//! message off when what it holds and what comes at once are together longer than its buffer (1 MiB), so that bodies that may be long and announce no
//! trailers are not held: only their undecided end is kept, here.

use std::borrow::Cow;

use super::Body;
use super::encoding::Decoder;
use super::held::Held;
use crate::masking::{Options, Policy, Run, Stop, Tally};
use crate::splice::Splice;

/// The longest body that is held without trailers being announced.
const SHORT_BODY: usize = 256 * 1024;

/// The longest piece that stays with the host.
const LONGEST_PIECE: usize = 64 * 1024;

/// An undecided end of up to this length is looked at again with every byte; a longer one when it has grown by an eighth, or what came may
/// decide it.
const SHORT: usize = 512;

/// A body in the pieces in which a host holds it.
#[derive(Debug)]
pub struct Stream {
    reader: Reader,
    decoder: Option<Decoder>,
    holds: bool,
    /// How much of the front of the piece at hand is done.
    done: usize,
    /// How much behind that is decoded.
    decoded: usize,
    /// The undecided end of a piece that has gone.
    carry: Vec<u8>,
    held: Held,
}

/// A body as it means.
#[derive(Debug)]
struct Reader {
    body: Body,
    /// Whether some of it is done.
    has_begun: bool,
    /// How much was undecided when it was last looked at.
    undecided: usize,
}

/// What a body is masked by.
struct Work<'a> {
    policy: &'a Policy,
    options: &'a Options,
    tally: &'a mut Tally,
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
    /// A body that is read like this, decoded by `decoder`. Its undecided end is held by the host where trailers are announced, or `len`, its length, is
    /// known to be short.
    #[must_use]
    pub fn new(body: impl Into<Body>, decoder: Option<Decoder>, announces_trailers: bool, len: Option<usize>) -> Self {
        let holds = announces_trailers || len.is_some_and(|len| len <= SHORT_BODY);
        let reader = Reader { body: body.into(), has_begun: false, undecided: 0 };
        Self { reader, decoder, holds, done: 0, decoded: 0, carry: Vec::new(), held: Held::default() }
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
        let mut work = Work { policy, options, tally };
        let (front, rest) = piece.split_at_checked(self.done).unwrap_or((piece, &[]));
        // What is carried stays where it is until the piece is masked: who gives the piece back needs it, unless it was decoded.
        let (now, tail) = if let Some(decoder) = &mut self.decoder {
            let (decoded, mut encoded) = rest.split_at_checked(self.decoded).unwrap_or((rest, &[]));
            let mut input = std::mem::take(&mut self.carry);
            input.extend_from_slice(decoded);
            let mut now = front.to_vec();
            loop {
                let len = input.len();
                let has_more = decoder.decode(&mut encoded, &mut input)?;
                let is_last = is_last && !has_more;
                if is_last {
                    decoder.finish()?;
                }
                if is_last || input.len() > len {
                    let (masked, consumed) = self.reader.mask(&mut work, &input, is_last)?;
                    now.extend_from_slice(&masked);
                    input.drain(..consumed);
                }
                if !has_more {
                    break (Cow::Owned(now), Cow::Owned(input));
                }
            }
        } else if self.carry.is_empty() {
            let (masked, consumed) = self.reader.mask(&mut work, rest, is_last)?;
            let now = match masked {
                Cow::Owned(masked) if front.is_empty() => Cow::Owned(masked),
                Cow::Borrowed(same) => {
                    Cow::Borrowed(piece.get(..front.len().saturating_add(same.len())).unwrap_or(piece))
                }
                Cow::Owned(masked) => Cow::Owned([front, &masked].concat()),
            };
            (now, Cow::Borrowed(rest.get(consumed..).unwrap_or_default()))
        } else {
            let carried = self.carry.len();
            self.carry.extend_from_slice(rest);
            let masked = self.reader.mask(&mut work, &self.carry, is_last);
            let masked = masked.map(|(masked, consumed)| ([front, &masked].concat(), consumed));
            let (now, consumed) = masked.inspect_err(|_| self.carry.truncate(carried))?;
            self.carry.drain(..consumed);
            (Cow::Owned(now), Cow::Owned(std::mem::take(&mut self.carry)))
        };
        if options.report_only {
            self.carry(tail)?;
            return Ok(Outcome { replaced: None, keep: false });
        }
        let has_tail = !tail.is_empty();
        let keep = has_tail && self.holds && now.len() < LONGEST_PIECE;
        if keep {
            (self.done, self.decoded) = (now.len(), tail.len());
            self.held = Held::default();
            self.carry.clear();
            let replaced = match (now, tail) {
                (Cow::Borrowed(_), Cow::Borrowed(_)) => None,
                (now, tail) => Some([now, tail].concat()).filter(|now| now != piece),
            };
            return Ok(Outcome { replaced, keep });
        }
        (self.done, self.decoded) = (0, 0);
        self.carry(tail)?;
        let replaced = match now {
            Cow::Borrowed(same) if same.len() == piece.len() => None,
            now => Some(now.into_owned()).filter(|now| now != piece),
        };
        Ok(Outcome { replaced, keep })
    }

    fn carry(&mut self, tail: Cow<'_, [u8]>) -> Result<(), Stop> {
        self.held.set(tail.len())?;
        self.carry = tail.into_owned();
        Ok(())
    }

    /// Ends a body of which nothing is held, because trailers have come.
    ///
    /// # Errors
    ///
    /// Something is missing: what was sent must not look complete.
    pub fn end(&mut self) -> Result<(), Stop> {
        if let Some(decoder) = &self.decoder {
            decoder.finish()?;
        }
        if self.carry.is_empty() { Ok(()) } else { Err(Stop::Failed("cut_off")) }
    }

    /// The piece as it came, when the rest of the body is to pass unmasked; `None` when it cannot.
    #[must_use]
    pub fn give_back(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        self.decoder.is_none().then(|| [&std::mem::take(&mut self.carry), piece].concat())
    }
}

// === impl Reader ===

impl Reader {
    /// What the front of the input becomes that is decided, and how long it is.
    fn mask<'i>(
        &mut self,
        work: &mut Work<'_>,
        input: &'i [u8],
        is_last: bool,
    ) -> Result<(Cow<'i, [u8]>, usize), Stop> {
        // UTF-16, whatever its charset says.
        if !self.has_begun && matches!(input, [0xfe, 0xff, ..] | [0xff, 0xfe, ..]) {
            return Err(Stop::Failed("undecodable"));
        }
        let is_half_a_mark = !self.has_begun && !is_last && matches!(input, [0xfe | 0xff]);
        let grown = input.len().saturating_sub(self.undecided);
        let must_look = is_last
            || self.undecided <= SHORT
            || grown >= self.undecided / 8
            || self.body.is_decided(input, self.undecided);
        if is_half_a_mark || !must_look {
            return Ok((Cow::Borrowed(&[]), 0));
        }
        let mut run = Run { policy: work.policy, options: work.options, splice: Splice::new(input), tally: work.tally };
        let consumed = self.body.push(&mut run, input, is_last)?;
        if is_last && consumed < input.len() {
            return Err(Stop::Failed("undecided"));
        }
        self.undecided = input.len().saturating_sub(consumed);
        self.has_begun |= consumed > 0;
        let masked = match run.splice.finish(consumed) {
            Cow::Borrowed(_) => Cow::Borrowed(input.get(..consumed).unwrap_or(input)),
            Cow::Owned(masked) => Cow::Owned(masked),
        };
        Ok((masked, consumed))
    }
}

#[cfg(test)]
mod tests;
