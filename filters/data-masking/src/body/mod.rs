//! Bodies: what a message's content type says about where its values stand.

mod content_type;
pub mod encoding;
pub mod event_stream;
pub mod form;
pub mod stream;

use crate::coding::Coding;
use crate::json::Json;
use crate::masking::{Run, Stop};
use crate::scan::State;
pub use content_type::{ContentType, ContentTypes};
use event_stream::EventStream;
use form::Form;

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
}

impl Body {
    /// A body of this format.
    #[must_use]
    pub fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::Json(Json::new(false)),
            Format::JsonLines => Self::Json(Json::new(true)),
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
        }
    }
}

#[cfg(test)]
mod tests;
