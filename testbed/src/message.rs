//! HTTP messages as the testbed sees them: bytes in the order of the wire.

use std::fmt;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Header or trailer lines in order, names and values as the bytes that were sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Vec<u8>, Vec<u8>)>);

/// A request for [`http1`](crate::http1), [`http2`](crate::http2) or [`load`](crate::load) to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, for example `GET`.
    pub method: String,
    /// The request target, for example `/users?page=2`.
    pub path: String,
    /// The value of `Host` or `:authority`.
    pub authority: String,
    /// The header lines beside `Host` and framing.
    pub headers: Headers,
    /// The pieces of the body, one chunk or one DATA frame each.
    pub chunks: Vec<Vec<u8>>,
    /// Whether HTTP/1.1 frames the body by chunks, even where its length is known.
    pub chunked: bool,
    /// The trailer lines; with trailers, HTTP/1.1 is chunked.
    pub trailers: Headers,
}

/// A response, read to its end.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header lines.
    pub headers: Headers,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// The trailer lines.
    pub trailers: Headers,
}

/// What [`Upstream`](crate::Upstream) answers: the request as it arrived there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// The method.
    pub method: String,
    /// The request target.
    pub path: String,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: String,
    /// The value of `Host` or `:authority`.
    pub authority: String,
    /// The header lines, in order on HTTP/1.1; on HTTP/2 lines of one name are in order.
    pub headers: Vec<Field>,
    /// The length and hash of the body.
    pub body: EchoBody,
    /// The trailer lines.
    pub trailers: Vec<Field>,
    /// How many requests the upstream has seen, this one included.
    pub count: usize,
}

/// A header line in an [`Echo`]; each byte stands as the character of the same number (ISO 8859-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The name as it was sent.
    pub name: String,
    /// The value.
    pub value: String,
}

/// A body in an [`Echo`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EchoBody {
    /// Its length in bytes.
    pub length: usize,
    /// Its SHA-256 in lower-case hex.
    pub sha256: String,
}

// === impl Headers ===

impl Headers {
    /// Appends a line.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.0.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
    }

    /// The value of the first line of this name, in any case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The values of all lines of this name, in any case, in order.
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        self.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value).collect()
    }

    /// The first line of this name, each byte as the character of the same number.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(latin1)
    }

    /// All lines in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        self.iter().map(|(name, value)| Field { name: latin1(name), value: latin1(value) }).collect()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter().map(|(name, value)| (latin1(name), latin1(value)))).finish()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(lines: I) -> Self {
        let mut headers = Self::default();
        for (name, value) in lines {
            headers.push(name, value);
        }
        headers
    }
}

// === impl Request ===

impl Request {
    /// A request without headers and body, to the authority `testbed.local`.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            authority: "testbed.local".to_owned(),
            headers: Headers::default(),
            chunks: Vec::new(),
            chunked: false,
            trailers: Headers::default(),
        }
    }

    /// A GET.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A POST with a body of known length.
    pub fn post(path: &str, body: impl AsRef<[u8]>) -> Self {
        Self { chunks: vec![body.as_ref().to_vec()], ..Self::new("POST", path) }
    }

    /// With another authority.
    pub fn authority(mut self, authority: &str) -> Self {
        authority.clone_into(&mut self.authority);
        self
    }

    /// With one more header line.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// With a body in pieces: chunks on HTTP/1.1, DATA frames on HTTP/2. No piece is an empty body in chunks.
    pub fn chunks<C: AsRef<[u8]>>(mut self, chunks: impl IntoIterator<Item = C>) -> Self {
        self.chunks = chunks.into_iter().map(|chunk| chunk.as_ref().to_vec()).collect();
        self.chunked = true;
        self
    }

    /// With one more trailer line.
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.push(name, value);
        self
    }

    /// The bytes of this request on HTTP/1.1.
    pub fn to_http1(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", self.method, self.path, self.authority).into_bytes();
        let chunked = self.chunked || !self.trailers.is_empty();
        write_lines(&mut bytes, &self.headers);
        if chunked {
            bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
            for chunk in self.chunks.iter().filter(|chunk| !chunk.is_empty()) {
                bytes.extend_from_slice(&encode_chunk(chunk));
            }
            bytes.extend_from_slice(b"0\r\n");
            write_lines(&mut bytes, &self.trailers);
            bytes.extend_from_slice(b"\r\n");
        } else {
            let length: usize = self.chunks.iter().map(Vec::len).sum();
            if !self.chunks.is_empty() {
                bytes.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");
            bytes.extend(self.chunks.iter().flatten());
        }
        bytes
    }
}

// === impl Response ===

impl Response {
    /// The body as text, each byte as the character of the same number where it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap_or_else(|_| latin1(&self.body))
    }

    /// The body as the upstream's echo.
    pub fn echo(&self) -> Result<Echo> {
        serde_json::from_slice(&self.body).with_context(|| {
            format!("status {}, and the body is no echo of the upstream: {:?}", self.status, self.text())
        })
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Response");
        fields.field("status", &self.status).field("headers", &self.headers);
        fields.field("body", &self.text()).field("trailers", &self.trailers).finish()
    }
}

// === impl Echo ===

impl Echo {
    /// The values of all header lines of this name, in order.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        lines.map(|field| field.value.as_str()).collect()
    }
}

/// Each byte as the character of the same number (ISO 8859-1).
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

pub(crate) fn write_lines(bytes: &mut Vec<u8>, lines: &Headers) {
    for (name, value) in lines.iter() {
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
}

pub(crate) fn encode_chunk(data: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_known_length_is_framed_by_content_length() {
        let bytes = Request::post("/x", "abc").header("a", b"\xe9").to_http1();
        assert_eq!(bytes, b"POST /x HTTP/1.1\r\nhost: testbed.local\r\na: \xe9\r\ncontent-length: 3\r\n\r\nabc");
    }

    #[test]
    fn trailers_come_after_the_last_chunk() {
        let bytes = Request::new("POST", "/x").chunks(["ab", "c"]).trailer("t", "1").to_http1();
        let expected = "POST /x HTTP/1.1\r\nhost: testbed.local\r\ntransfer-encoding: chunked\r\n\r\n\
                        2\r\nab\r\n1\r\nc\r\n0\r\nt: 1\r\n\r\n";
        assert_eq!(latin1(&bytes), expected);
    }

    #[test]
    fn a_name_is_found_in_any_case_and_duplicates_stay_in_order() {
        let headers: Headers = [("A", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        assert_eq!(headers.all("a"), [b"1", b"3"]);
        assert_eq!(headers.text("B").as_deref(), Some("2"));
    }
}
