//! A draft: a message that is yet to be sent, as a test describes it.

use crate::fields::Fields;

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// In a frame of its own without bytes, as over HTTP/1.
    #[default]
    Extra,
    /// With the last bytes, as over HTTP/2.
    WithLast,
}

/// A message that is yet to be sent.
#[must_use]
pub struct Draft<To> {
    pub(super) to: To,
    pub(super) headers: Fields,
    chunks: Vec<Vec<u8>>,
    pub(super) trailers: Option<Fields>,
    delivery: Delivery,
}

impl<To> Draft<To> {
    pub(super) fn new(to: To, headers: Fields) -> Self {
        Self { to, headers, chunks: Vec::new(), trailers: None, delivery: Delivery::default() }
    }

    /// With one more header.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// With a body of known length.
    pub fn body(self, body: impl AsRef<[u8]>) -> Self {
        let length = body.as_ref().len();
        self.header("content-length", length.to_string()).chunk(body)
    }

    /// With one more piece of a body.
    pub fn chunk(mut self, chunk: impl AsRef<[u8]>) -> Self {
        self.chunks.push(chunk.as_ref().to_vec());
        self
    }

    /// With one more trailer.
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.trailers.get_or_insert_default().add(name, value);
        self
    }

    /// With the end of the body told so.
    pub const fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Whether it is headers alone.
    pub(super) const fn is_bare(&self) -> bool {
        self.chunks.is_empty() && self.trailers.is_none()
    }

    /// The frames of its body, each with whether it is the end.
    pub(super) fn frames(&mut self) -> Vec<(Vec<u8>, bool)> {
        let chunks = std::mem::take(&mut self.chunks);
        let (count, is_last) = (chunks.len(), self.trailers.is_none());
        let with_last = is_last && self.delivery == Delivery::WithLast;
        let frames = chunks.into_iter().enumerate();
        let mut frames: Vec<_> =
            frames.map(|(index, chunk)| (chunk, with_last && index.saturating_add(1) == count)).collect();
        if count > 0 && is_last && self.delivery == Delivery::Extra {
            frames.push((Vec::new(), true));
        }
        frames
    }
}
