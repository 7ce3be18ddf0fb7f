//! HTTP/1.1 framing without input and output: bytes go in as they come, events come out.

use anyhow::{Result, anyhow, bail, ensure};

use crate::message::{Headers, latin1};

/// A step in the reading of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Head(Head),
    Data(Vec<u8>),
    /// The message is complete; trailers, if there were any.
    End(Headers),
}

/// The start line and the header lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) start: Start,
    pub(crate) headers: Headers,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Request { method: String, target: String },
    Response { status: u16 },
}

/// Reads the messages of one direction of one connection.
#[derive(Debug)]
pub(crate) struct Decoder {
    side: Side,
    state: State,
    buffer: Vec<u8>,
    answers_head: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Requests,
    Responses,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilClose,
}

/// More header lines than any test sends.
const MAX_LINES: usize = 2048;

// === impl Decoder ===

impl Decoder {
    pub(crate) fn requests() -> Self {
        Self::new(Side::Requests)
    }

    pub(crate) fn responses() -> Self {
        Self::new(Side::Responses)
    }

    fn new(side: Side) -> Self {
        Self { side, state: State::Head, buffer: Vec::new(), answers_head: false }
    }

    /// The next response answers a HEAD and has no body, whatever its headers say.
    pub(crate) fn expect_no_body(&mut self) {
        self.answers_head = true;
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The bytes that belong to no event yet.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.buffer
    }

    /// The next event, or `None` until more bytes are fed.
    pub(crate) fn next(&mut self) -> Result<Option<Event>> {
        loop {
            match self.state {
                State::Head => return self.head(),
                State::Length(0) => return Ok(Some(self.end(Headers::default()))),
                State::Length(left) => return Ok(self.data(left, State::Length)),
                State::Chunk(0) => self.state = State::ChunkEnd,
                State::Chunk(left) => return Ok(self.data(left, State::Chunk)),
                State::UntilClose => return Ok(self.data(u64::MAX, |_| State::UntilClose)),
                State::ChunkSize => {
                    let Some(line) = self.line() else { return Ok(None) };
                    self.state = match chunk_size(&line)? {
                        0 => State::Trailers,
                        size => State::Chunk(size),
                    };
                }
                State::ChunkEnd => {
                    let Some(line) = self.line() else { return Ok(None) };
                    ensure!(line.is_empty(), "a chunk is longer than its size says: {:?} follows", latin1(&line));
                    self.state = State::ChunkSize;
                }
                State::Trailers => return self.trailers(),
            }
        }
    }

    /// The connection was closed by the peer: the end of a message that lasts until then, or an error within one.
    pub(crate) fn close(&mut self) -> Result<Option<Event>> {
        match self.state {
            State::UntilClose => Ok(Some(self.end(Headers::default()))),
            State::Head if self.buffer.is_empty() => Ok(None),
            _ => bail!("the connection was closed within a message"),
        }
    }

    fn head(&mut self) -> Result<Option<Event>> {
        let mut lines = vec![httparse::EMPTY_HEADER; MAX_LINES];
        let (start, headers, length) = match self.side {
            Side::Requests => {
                let mut parsed = httparse::Request::new(&mut lines);
                let status = parsed.parse(&self.buffer).map_err(|error| self.refused(error))?;
                let httparse::Status::Complete(length) = status else { return Ok(None) };
                let method = parsed.method.unwrap_or_default().to_owned();
                let target = parsed.path.unwrap_or_default().to_owned();
                (Start::Request { method, target }, collect(parsed.headers), length)
            }
            Side::Responses => {
                let mut parsed = httparse::Response::new(&mut lines);
                let status = parsed.parse(&self.buffer).map_err(|error| self.refused(error))?;
                let httparse::Status::Complete(length) = status else { return Ok(None) };
                (Start::Response { status: parsed.code.unwrap_or_default() }, collect(parsed.headers), length)
            }
        };
        self.buffer.drain(..length);
        let head = Head { start, headers };
        self.state = self.body_of(&head)?;
        Ok(Some(Event::Head(head)))
    }

    /// How the body of this message is framed (RFC 9112, section 6.3).
    fn body_of(&mut self, head: &Head) -> Result<State> {
        if let Start::Response { status } = head.start {
            // An interim response precedes the one that was asked for.
            if (100..200).contains(&status) {
                return Ok(State::Length(0));
            }
            if std::mem::take(&mut self.answers_head) || matches!(status, 204 | 304) {
                return Ok(State::Length(0));
            }
        }
        if let Some(coding) = head.headers.get("transfer-encoding") {
            ensure!(
                coding.eq_ignore_ascii_case(b"chunked"),
                "the testbed knows no transfer coding {:?}",
                latin1(coding)
            );
            return Ok(State::ChunkSize);
        }
        match (head.headers.text("content-length"), self.side) {
            (Some(length), _) => {
                let length = length.trim().parse();
                Ok(State::Length(length.map_err(|_| anyhow!("content-length is no number: {:?}", head.headers))?))
            }
            (None, Side::Requests) => Ok(State::Length(0)),
            (None, Side::Responses) => Ok(State::UntilClose),
        }
    }

    fn trailers(&mut self) -> Result<Option<Event>> {
        let mut lines = vec![httparse::EMPTY_HEADER; MAX_LINES];
        let parsed = httparse::parse_headers(&self.buffer, &mut lines).map_err(|error| self.refused(error))?;
        let httparse::Status::Complete((length, lines)) = parsed else { return Ok(None) };
        let trailers = collect(lines);
        self.buffer.drain(..length);
        Ok(Some(self.end(trailers)))
    }

    fn data(&mut self, left: u64, next: impl Fn(u64) -> State) -> Option<Event> {
        if self.buffer.is_empty() {
            return None;
        }
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        let data: Vec<u8> = self.buffer.drain(..length).collect();
        self.state = next(left - length as u64);
        Some(Event::Data(data))
    }

    fn end(&mut self, trailers: Headers) -> Event {
        self.state = State::Head;
        Event::End(trailers)
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer.windows(2).position(|pair| pair == b"\r\n")?;
        let line = self.buffer.drain(..end + 2).take(end).collect();
        Some(line)
    }

    fn refused(&self, error: httparse::Error) -> anyhow::Error {
        let start = &self.buffer[..self.buffer.len().min(200)];
        anyhow!("not HTTP/1.1 ({error}): {:?}", latin1(start))
    }
}

fn collect(lines: &[httparse::Header<'_>]) -> Headers {
    lines.iter().map(|line| (line.name, line.value)).collect()
}

fn chunk_size(line: &[u8]) -> Result<u64> {
    let text = latin1(line);
    let digits = text.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|_| anyhow!("no chunk size: {text:?}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(mut decoder: Decoder, pieces: &[&[u8]]) -> (Vec<u8>, Vec<Event>) {
        let (mut body, mut others) = (Vec::new(), Vec::new());
        for piece in pieces {
            decoder.feed(piece);
            while let Some(event) = decoder.next().unwrap() {
                match event {
                    Event::Data(data) => body.extend(data),
                    other => others.push(other),
                }
            }
        }
        if let Some(event) = decoder.close().unwrap() {
            others.push(event);
        }
        (body, others)
    }

    const PIPELINED: &[u8] = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n\
        POST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\nde";

    #[test]
    fn two_pipelined_requests_are_two_messages() {
        let (body, events) = read(Decoder::requests(), &[PIPELINED]);
        assert_eq!(body, b"abcde");
        assert_eq!(events.len(), 4);
        assert_eq!(events[1], Event::End([("T", "1")].into_iter().collect()));
        assert_eq!(events[3], Event::End(Headers::default()));
    }

    #[test]
    fn a_response_without_a_length_lasts_until_the_connection_closes() {
        let (body, events) = read(Decoder::responses(), &[b"HTTP/1.1 200 OK\r\n\r\nab", b"c"]);
        assert_eq!((body.as_slice(), events.len()), (&b"abc"[..], 2));
    }

    #[test]
    fn a_response_to_head_has_no_body() {
        let mut decoder = Decoder::responses();
        decoder.expect_no_body();
        let (_, events) = read(decoder, &[b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"]);
        assert_eq!(events.last(), Some(&Event::End(Headers::default())));
    }

    #[test]
    fn a_close_within_a_message_is_an_error() {
        let mut decoder = Decoder::responses();
        decoder.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
        while decoder.next().unwrap().is_some() {}
        assert!(decoder.close().is_err());
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_does_not_matter(cut in 0..PIPELINED.len(), second in 0..PIPELINED.len()) {
            let (first, last) = (cut.min(second), cut.max(second));
            let pieces = [&PIPELINED[..first], &PIPELINED[first..last], &PIPELINED[last..]];
            prop_assert_eq!(read(Decoder::requests(), &pieces), read(Decoder::requests(), &[PIPELINED]));
        }
    }
}
