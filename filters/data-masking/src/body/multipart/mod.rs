//! Multipart bodies: parts between boundaries, each with headers of its own (RFC 2046, section 5.1; RFC 7578).
//!
//! Where readers might disagree on where a part begins, what type it has or how it is written, the body fails: what one of them takes for a
//! picture another might take for text.

mod head;

use super::{Body, ContentTypes, Format};
use crate::coding::Coding;
use crate::masking::{Run, Stop};
use crate::path::{Edge, Path, Progress};
use crate::scan::State;
use crate::splice::Splice;
use head::Head;
use std::borrow::Cow;

/// It is not one that all readers read alike.
const AMBIGUOUS: Stop = Stop::Failed("multipart");

/// The most blanks behind a boundary.
const MOST_PADDING: usize = 64;

/// A body of parts that comes in pieces.
#[derive(Debug)]
pub struct Multipart {
    /// The line end, the hyphens and the boundary that stand between parts.
    delimiter: Vec<u8>,
    types: ContentTypes,
    /// Whether parts that cannot be read pass.
    passes_unreadable: bool,
    place: Place,
    /// Whether nothing has been taken of the part at hand.
    is_start: bool,
}

#[derive(Debug)]
enum Place {
    /// Before the first boundary: text for nobody.
    Preamble(Part),
    /// Right behind a boundary.
    Boundary,
    Head,
    Part(Part),
    /// Behind the last boundary: text for nobody.
    Epilogue(Part),
}

/// How the content of a part is read.
#[derive(Debug)]
enum Part {
    Passed,
    Text {
        name: Vec<u8>,
        state: State,
    },
    Body(Box<Body>),
    /// A field, looked at as a whole; what it is when it is to stay.
    Field(usize, Box<Self>),
    /// The rest of a field that is too long for that.
    Cut,
}

/// How far a step has come, and whether the next one can follow.
type Step = Result<(usize, bool), Stop>;

// === impl Multipart ===

impl Multipart {
    /// A body whose parts stand between these boundaries. Those of these types are masked.
    #[must_use]
    pub fn new(boundary: &[u8], types: ContentTypes, passes_unreadable: bool) -> Self {
        Self {
            delimiter: [b"\r\n--", boundary].concat(),
            types,
            passes_unreadable,
            place: Place::Preamble(Part::text(Vec::new())),
            is_start: true,
        }
    }

    /// Masks the input as far as it is decided: up to the place that comes back.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub fn push(&mut self, run: &mut Run<'_>, input: &[u8], at_end: bool) -> Result<usize, Stop> {
        let mut at = 0;
        loop {
            let (next, goes_on) = match self.place {
                Place::Boundary => self.boundary(input, at, at_end)?,
                Place::Head => self.head(run, input, at, at_end)?,
                Place::Preamble(_) | Place::Part(_) | Place::Epilogue(_) => self.content(run, input, at, at_end)?,
            };
            at = next;
            if !goes_on {
                return Ok(at);
            }
        }
    }

    fn content(&mut self, run: &mut Run<'_>, input: &[u8], at: usize, at_end: bool) -> Step {
        let rest = input.get(at..).unwrap_or_default();
        let (boundary, is_preamble) =
            (self.delimiter.get(2..).unwrap_or_default(), matches!(self.place, Place::Preamble(_)));
        if self.is_start {
            if rest.starts_with(boundary) {
                // What has no line end before its boundary is a part without content to some, and content to others.
                return if is_preamble { self.next_part(at.saturating_add(boundary.len())) } else { Err(AMBIGUOUS) };
            }
            if boundary.starts_with(rest) && !at_end {
                return Ok((at, false));
            }
        }
        let found = self.delimiter_in(rest)?;
        let is_over = found.is_some() || at_end;
        let len = found.unwrap_or_else(|| rest.len().saturating_sub(if at_end { 0 } else { self.undecided(rest) }));
        let end = at.saturating_add(len);
        let (Place::Preamble(part) | Place::Part(part) | Place::Epilogue(part)) = &mut self.place else {
            return Ok((at, false));
        };
        let consumed = part.push(run, input, at, end, is_over)?;
        self.is_start &= consumed <= at;
        if found.is_none() {
            return Ok((consumed, false));
        }
        if consumed < end || matches!(self.place, Place::Epilogue(_)) {
            return Err(AMBIGUOUS);
        }
        self.next_part(end.saturating_add(self.delimiter.len()))
    }

    fn next_part(&mut self, at: usize) -> Step {
        self.place = Place::Boundary;
        Ok((at, true))
    }

    /// Where the next delimiter begins.
    fn delimiter_in(&self, text: &[u8]) -> Result<Option<usize>, Stop> {
        let boundary = self.delimiter.get(2..).unwrap_or_default();
        let mut from = 0;
        while let Some(len) = text.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
            let line_feed = from.saturating_add(len);
            from = line_feed.saturating_add(1);
            if text.get(from..).is_some_and(|line| line.starts_with(boundary)) {
                let before = line_feed.checked_sub(1).filter(|before| text.get(*before) == Some(&b'\r'));
                return before.map(Some).ok_or(AMBIGUOUS);
            }
        }
        Ok(None)
    }

    /// How much of the end of a text may be the front of a delimiter.
    fn undecided(&self, text: &[u8]) -> usize {
        let line_feed = self.delimiter.get(1..).unwrap_or_default();
        let longest = text.get(text.len().saturating_sub(self.delimiter.len())..).unwrap_or_default();
        let lengths = (1..=longest.len()).rev();
        let may_begin = |len: &usize| {
            let end = longest.get(longest.len().saturating_sub(*len)..).unwrap_or_default();
            self.delimiter.starts_with(end) || line_feed.starts_with(end)
        };
        lengths.into_iter().find(may_begin).unwrap_or(0)
    }

    fn boundary(&mut self, input: &[u8], at: usize, at_end: bool) -> Step {
        let rest = input.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            self.place = Place::Epilogue(Part::text(Vec::new()));
            self.is_start = false;
            return Ok((at.saturating_add(2), true));
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let behind = rest.get(padding..).unwrap_or_default();
        if behind.starts_with(b"\r\n") {
            self.place = Place::Head;
            return Ok((at.saturating_add(padding).saturating_add(2), true));
        }
        let may_go_on = matches!(behind, [] | b"\r") || rest == b"-";
        if may_go_on && padding <= MOST_PADDING && !at_end { Ok((at, false)) } else { Err(AMBIGUOUS) }
    }

    fn head(&mut self, run: &mut Run<'_>, input: &[u8], at: usize, at_end: bool) -> Step {
        let rest = input.get(at..).unwrap_or_default();
        let len = match rest.starts_with(b"\r\n") {
            true => Some(0),
            false => rest.windows(4).position(|end| end == b"\r\n\r\n").map(|len| len.saturating_add(2)),
        };
        let Some(len) = len.filter(|len| *len <= run.options.max_hold) else {
            let may_go_on = rest.len() <= run.options.max_hold && !at_end;
            return if may_go_on { Ok((at, false)) } else { Err(AMBIGUOUS) };
        };
        let head = Head::parse(rest.get(..len).unwrap_or_default(), self.delimiter.get(2..).unwrap_or_default());
        let head = head.ok_or(AMBIGUOUS)?;
        let end = at.saturating_add(len);
        for name in &head.file_names {
            let (from, to) = (at.saturating_add(name.start), at.saturating_add(name.end));
            run.value(Coding::Percent, &mut State::default(), b"filename", input, from, to, true)?;
        }
        self.place = Place::Part(self.part(run, &head)?);
        self.is_start = true;
        Ok((end.saturating_add(2), true))
    }

    /// How the part with these headers is read.
    fn part(&self, run: &Run<'_>, head: &Head) -> Result<Part, Stop> {
        let leads = |path: &Path| path.leads_to(path.follow(Progress::ROOT, Edge::Name(&head.name)));
        let part = match &head.content_type {
            Some(_) if run.policy.excluded.iter().any(leads) => Part::Passed,
            Some(content_type) if !self.types.contain(content_type) => Part::Passed,
            Some(content_type) if head.is_readable && content_type.is_readable() => match content_type.format() {
                Format::Text => Part::text(head.name.clone()),
                format => Part::Body(Box::new(Body::new(format))),
            },
            _ if self.passes_unreadable => Part::Passed,
            _ => return Err(Stop::Failed("undecodable")),
        };
        let field = run.policy.fields.iter().position(|field| leads(&field.path));
        Ok(match field {
            Some(index) => Part::Field(index, Box::new(part)),
            None => part,
        })
    }
}

// === impl Part ===

impl Part {
    fn text(name: Vec<u8>) -> Self {
        Self::Text { name, state: State::default() }
    }

    /// Masks the content from `at` to `end`, behind which there is more unless it `is_over`.
    fn push(&mut self, run: &mut Run<'_>, input: &[u8], at: usize, end: usize, is_over: bool) -> Result<usize, Stop> {
        match self {
            Self::Passed => Ok(end),
            Self::Text { name, state } => run.value(Coding::Plain, state, name, input, at, end, is_over),
            Self::Body(body) => {
                let content = input.get(at..end).unwrap_or_default();
                let splice = Splice::new(content);
                let mut inner = Run { policy: run.policy, options: run.options, splice, tally: run.tally };
                let consumed = body.push(&mut inner, content, is_over)?;
                let masked = inner.splice.finish(consumed);
                let consumed = at.saturating_add(consumed);
                if let Cow::Owned(masked) = masked {
                    run.splice.replace(at, consumed, &masked);
                }
                Ok(consumed)
            }
            Self::Field(index, stays) => {
                let is_long = end.saturating_sub(at) > run.options.max_hold;
                if !is_long && !is_over {
                    return Ok(at);
                }
                let content = input.get(at..end).unwrap_or_default();
                let masked = if is_long { run.long_field(*index)? } else { run.field(*index, content)? };
                *self = match masked {
                    Some(masked) => {
                        run.splice.replace(at, at, &masked);
                        Self::Cut
                    }
                    None => std::mem::replace(stays, Self::Passed),
                };
                self.push(run, input, at, end, is_over)
            }
            Self::Cut => {
                run.splice.cut(at, end);
                Ok(end)
            }
        }
    }
}

#[cfg(test)]
mod tests;
