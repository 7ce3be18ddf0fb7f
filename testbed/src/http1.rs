//! An HTTP/1.1 client that sends exactly the bytes that it is given.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::message::{Headers, Request, Response};
use crate::wire::{Decoder, Event, Start};

/// A connection; responses are read one by one, so requests may be pipelined.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    decoder: Decoder,
}

/// How long a response may take unless [`Connection::set_timeout`] says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// Sends one request on a connection of its own and reads the response.
pub fn exchange(addr: SocketAddr, request: &Request) -> Result<Response> {
    Connection::open(addr)?.exchange(request)
}

// === impl Connection ===

impl Connection {
    /// Connects.
    pub fn open(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr).with_context(|| format!("connecting to {addr}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, decoder: Decoder::responses() })
    }

    /// Lets each read take at most this long.
    pub fn set_timeout(&mut self, timeout: Duration) -> Result<()> {
        Ok(self.stream.set_read_timeout(Some(timeout))?)
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("writing a request")
    }

    /// Says that no more bytes will follow, and goes on reading.
    pub fn finish(&mut self) -> Result<()> {
        Ok(self.stream.shutdown(Shutdown::Write)?)
    }

    /// Sends a request and reads its response.
    pub fn exchange(&mut self, request: &Request) -> Result<Response> {
        self.send(&request.to_http1())?;
        if request.method == "HEAD" {
            self.decoder.expect_no_body();
        }
        self.response()
    }

    /// Reads the next response to its end; interim responses (1xx) are passed over.
    pub fn response(&mut self) -> Result<Response> {
        let mut response = Response::default();
        loop {
            match self.event()?.context("the connection was closed before a response")? {
                Event::Head(head) => {
                    if let Start::Response { status } = head.start {
                        response = Response { status, headers: head.headers, ..Response::default() };
                    }
                }
                Event::Data(data) => response.body.extend(data),
                // That of an interim one, whose head may have been read by itself.
                Event::End(_) if response.status < 200 => {}
                Event::End(trailers) => return Ok(Response { trailers, ..response }),
            }
        }
    }

    /// Reads the head of the next response only, for responses that are watched while they come.
    pub fn response_head(&mut self) -> Result<(u16, Headers)> {
        match self.event()?.context("the connection was closed before a response")? {
            Event::Head(head) => match head.start {
                Start::Response { status } => Ok((status, head.headers)),
                Start::Request { .. } => bail!("a request came where a response was due"),
            },
            other => bail!("expected the head of a response, read {other:?}"),
        }
    }

    /// Reads more of the body of a response whose head has been read; `None` at its end.
    pub fn response_data(&mut self) -> Result<Option<Vec<u8>>> {
        match self.event()?.context("the connection was closed within a response")? {
            Event::Data(data) => Ok(Some(data)),
            Event::End(_) => Ok(None),
            Event::Head(head) => bail!("expected the body of a response, read {head:?}"),
        }
    }

    /// Everything that comes until the peer closes or nothing came for `quiet`, as bytes.
    pub fn raw(&mut self, quiet: Duration) -> Result<Vec<u8>> {
        let mut all = self.decoder.rest().to_vec();
        self.decoder = Decoder::responses();
        self.stream.set_read_timeout(Some(quiet))?;
        let mut bytes = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => break,
                Ok(length) => all.extend_from_slice(&bytes[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(all)
    }

    fn event(&mut self) -> Result<Option<Event>> {
        let began = Instant::now();
        loop {
            if let Some(event) = self.decoder.next()? {
                return Ok(Some(event));
            }
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return self.decoder.close(),
                Ok(length) => self.decoder.feed(&bytes[..length]),
                Err(error) => {
                    return Err(error).with_context(|| format!("no response after {:?}", began.elapsed()));
                }
            }
        }
    }
}
