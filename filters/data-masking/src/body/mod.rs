//! Bodies: what a message's content type says about where its values stand.

mod content_type;
pub mod encoding;
pub mod event_stream;
pub mod form;
pub mod grpc;
mod held;
pub mod multipart;
mod parameters;
pub mod stream;

use crate::coding::Coding;
use crate::json::{Json, Lines};
use crate::masking::{Run, Stop};
use crate::scan::State;
pub use content_type::{ContentType, ContentTypes};
use event_stream::EventStream;
use form::Form;
use grpc::Grpc;
use multipart::Multipart;

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON documents.
    Json,
    /// JSON documents, one a line.
    JsonLines,
    /// Server-sent events.
    EventStream,
    /// A form.
    Form,
    /// Text, XML too.
    Text,
}

/// A body that comes in pieces.
#[derive(Debug)]
pub enum Body {
    /// JSON documents.
    Json(Json),
    /// Server-sent events.
    EventStream(EventStream),
    /// A form.
    Form(Form),
    /// Text.
    Text(State),
    /// Parts.
    Multipart(Box<Multipart>),
    /// gRPC messages.
    Grpc(Grpc),
    /// What has not said yet what it is.
    Unknown,
    /// What is not looked at.
    Passed,
}

impl From<Format> for Body {
    fn from(format: Format) -> Self {
        Self::new(format)
    }
}

impl Body {
    /// A body of this format.
    #[must_use]
    pub fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::Json(Json::new(Lines::Blank)),
            Format::JsonLines => Self::Json(Json::new(Lines::End)),
            Format::EventStream => Self::EventStream(EventStream::default()),
            Format::Form => Self::Form(Form::default()),
            Format::Text => Self::Text(State::default()),
        }
    }

    /// Masks the input as far as it is decided: up to the place that comes back.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub fn push(&mut self, run: &mut Run<'_>, input: &[u8], at_end: bool) -> Result<usize, Stop> {
        match self {
            Self::Json(json) => json.push(run, input, 0, at_end),
            Self::EventStream(events) => events.push(run, input, at_end),
            Self::Form(form) => form.push(run, input, at_end),
            Self::Text(state) => run.value(Coding::Plain, state, &[], input, 0, input.len(), at_end),
            Self::Multipart(parts) => parts.push(run, input, at_end),
            Self::Grpc(messages) => messages.push(run, input, at_end),
            Self::Unknown => match sniffed(input, at_end) {
                Ok(body) => {
                    *self = body;
                    self.push(run, input, at_end)
                }
                Err(skipped) => Ok(skipped),
            },
            Self::Passed => Ok(input.len()),
        }
    }

    /// Whether what stands behind the first `undecided` bytes may decide these, which costs less to see than to look at them again.
    #[must_use]
    pub fn is_decided(&self, input: &[u8], undecided: usize) -> bool {
        match self {
            Self::Json(json) => json.ends_string(input, undecided),
            Self::EventStream(events) => events.ends_string(input, undecided),
            Self::Grpc(_) => true,
            _ => false,
        }
    }
}

/// What a body without a type is by its first character that says so: JSON, other text, or neither; where there is none yet, how many bytes
/// say nothing. Those are blanks, byte order marks, and what begins each document of a JSON text sequence.
fn sniffed(input: &[u8], at_end: bool) -> Result<Body, usize> {
    let mut rest = input;
    while let [b' ' | b'\t' | b'\n' | 0x0c | b'\r' | 0x1e, more @ ..] | [0xef, 0xbb, 0xbf, more @ ..] = rest {
        rest = more;
    }
    match rest {
        [] => Err(input.len()),
        [0xef] | [0xef, 0xbb] if !at_end => Err(input.len().saturating_sub(rest.len())),
        [b'{' | b'[', ..] => Ok(Body::new(Format::Json)),
        [b' '..=b'~' | 0xc2..=0xf4, ..] => Ok(Body::new(Format::Text)),
        _ => Ok(Body::Passed),
    }
}

#[cfg(test)]
mod tests;
