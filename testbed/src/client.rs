//! A client that speaks either version of HTTP, whole requests or piece by piece.

use crate::{Request, Response, http1, http2};
use anyhow::Result;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Both.
pub const VERSIONS: [Version; 2] = [Version::Http1, Version::Http2];

/// A request with a body of unknown length, of which the client says when each piece goes.
pub struct Upload {
    request: Request,
    connection: Connection,
}

enum Connection {
    Http1(http1::Connection),
    Http2 { stream: http2::Stream, _connection: http2::Connection },
}

/// What closes a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

// === impl Version ===

impl Version {
    /// Sends one request on a connection of its own and reads the response.
    pub fn exchange(self, addr: SocketAddr, request: &Request) -> Result<Response> {
        match self {
            Self::Http1 => http1::exchange(addr, request),
            Self::Http2 => http2::exchange(addr, request),
        }
    }

    /// Sends the headers of a request, whose trailers, if any, will close it.
    pub fn upload(self, addr: SocketAddr, request: Request) -> Result<Upload> {
        let request = request.chunks([""; 0]);
        let connection = match self {
            Self::Http1 => {
                let mut connection = http1::Connection::open(addr)?;
                let mut head = request.clone();
                head.trailers = Default::default();
                let bytes = head.to_http1();
                connection.send(bytes.strip_suffix(LAST_CHUNK).unwrap_or(&bytes))?;
                Connection::Http1(connection)
            }
            Self::Http2 => {
                let mut connection = http2::Connection::open(addr)?;
                let stream = connection.open_stream(&request, false)?;
                Connection::Http2 { stream, _connection: connection }
            }
        };
        Ok(Upload { request, connection })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        })
    }
}

// === impl Upload ===

impl Upload {
    /// Sends a piece of the body.
    pub fn piece(&mut self, data: &str) -> Result<()> {
        match &mut self.connection {
            Connection::Http1(connection) => connection.send(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes()),
            Connection::Http2 { stream, .. } => stream.data(data.as_bytes(), false),
        }
    }

    /// Sends the trailers, or the end where there are none.
    pub fn end(&mut self) -> Result<()> {
        match &mut self.connection {
            Connection::Http1(connection) => {
                let bytes = Request { chunks: Vec::new(), ..self.request.clone() }.to_http1();
                let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |place| place + 4);
                connection.send(&bytes[head..])
            }
            Connection::Http2 { stream, .. } if self.request.trailers.is_empty() => stream.data(b"", true),
            Connection::Http2 { stream, .. } => stream.trailers(&self.request),
        }
    }

    /// Reads the response to its end.
    pub fn response(self) -> Result<Response> {
        self.response_within(http1::TIMEOUT)
    }

    /// Reads the response to its end; each read may take that long.
    pub fn response_within(self, limit: Duration) -> Result<Response> {
        match self.connection {
            Connection::Http1(mut connection) => {
                connection.set_timeout(limit)?;
                connection.response()
            }
            Connection::Http2 { stream, .. } => stream.response_within(limit),
        }
    }
}
