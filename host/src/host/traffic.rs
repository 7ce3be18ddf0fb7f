//! Traffic: what came out of a stream's chain on both sides.

use crate::effect::Frame;
use crate::fields::Fields;
use std::collections::BTreeMap;

/// What came out of a stream's chain.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// The requests that went upstream: one, or none, or more where it went twice.
    pub requests: BTreeMap<u32, Message>,
    /// What the client got.
    pub response: Message,
    /// Whether the stream is over.
    pub ended: bool,
}

/// A request or a response, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The headers, pseudo-headers among them.
    pub headers: Fields,
    /// The body so far.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Option<Fields>,
    /// Whether it is whole.
    pub complete: bool,
    /// Whether it was broken off.
    pub reset: bool,
    /// How many frames came.
    pub frames: usize,
}

impl Traffic {
    /// Takes a frame for the upstream; returns the request once it is whole.
    pub(super) fn upstream(&mut self, request: u32, frame: Frame) -> Option<Message> {
        let message = self.requests.entry(request).or_default();
        message.take(frame);
        message.complete.then(|| message.clone())
    }
}

impl Message {
    /// The value of the first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.text(name)
    }

    /// A response's status; 0 while there is none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.header(":status").and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn take(&mut self, frame: Frame) {
        self.frames = self.frames.saturating_add(1);
        match frame {
            Frame::Headers(headers, end) => {
                self.headers = headers;
                self.complete |= end;
            }
            Frame::Data(data, end) => {
                self.body.extend(data);
                self.complete |= end;
            }
            Frame::Trailers(trailers) => {
                self.trailers = Some(trailers);
                self.complete = true;
            }
            Frame::Reset => self.reset = true,
        }
    }
}
