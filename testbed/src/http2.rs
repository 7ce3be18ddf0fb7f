//! An HTTP/2 client with prior knowledge that decides frame by frame: headers, each DATA frame, trailers, reset.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::message::{Request, Response};
use crate::server::runtime;
use crate::upstream::{from_map, send_data, to_map};

/// A connection; streams on it are independent of each other.
pub struct Connection {
    requests: SendRequest<Bytes>,
    driver: AbortHandle,
}

/// A stream whose headers are sent.
pub struct Stream {
    sender: SendStream<Bytes>,
    response: ResponseFuture,
}

/// Why there is no response, or not the whole of one. It comes as the error of [`Stream::response`]; find it by
/// `error.downcast_ref::<Broken>()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The reason of the peer's `RST_STREAM` or `GOAWAY`; `None` where the connection broke.
    pub reason: Option<Reason>,
    /// What had come of the response, if its headers had.
    pub partial: Option<Response>,
    message: String,
}

/// How long a response may take.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// Sends one request on a connection of its own and reads the response.
pub fn exchange(addr: SocketAddr, request: &Request) -> Result<Response> {
    Connection::open(addr)?.exchange(request)
}

// === impl Connection ===

impl Connection {
    /// Connects.
    pub fn open(addr: SocketAddr) -> Result<Self> {
        let runtime = runtime()?;
        runtime.block_on(async {
            let stream = TcpStream::connect(addr).await.with_context(|| format!("connecting to {addr}"))?;
            stream.set_nodelay(true)?;
            let (requests, connection) = h2::client::handshake(stream).await?;
            let driver = runtime.spawn(async move {
                // How the connection ends shows on its streams.
                let _ = connection.await;
            });
            Ok(Self { requests, driver: driver.abort_handle() })
        })
    }

    /// Sends a request, its body in one DATA frame for each of its pieces, and reads its response. A peer that answers
    /// early need not take the rest of the request.
    pub fn exchange(&mut self, request: &Request) -> Result<Response> {
        let bare = request.trailers.is_empty();
        let mut stream = self.open_stream(request, request.chunks.is_empty() && !request.chunked && bare)?;
        let sent = stream.rest(request);
        match (stream.response(), sent) {
            (Err(_), Err(why)) => Err(why),
            (outcome, _) => outcome,
        }
    }

    /// Sends a request's headers only, with END_STREAM or without; body and trailers are sent by the stream.
    /// `content-length` is sent where the request has a body of known length.
    pub fn open_stream(&mut self, request: &Request, end_stream: bool) -> Result<Stream> {
        let uri = format!("http://{}{}", request.authority, request.path);
        let mut head = http::Request::builder().method(request.method.as_str()).uri(uri);
        for (name, value) in request.headers.iter() {
            head = head.header(name, value);
        }
        if !request.chunked && !request.chunks.is_empty() && request.trailers.is_empty() {
            head = head.header("content-length", request.chunks.iter().map(Vec::len).sum::<usize>());
        }
        let head = head.body(()).with_context(|| format!("{} {} is no request", request.method, request.path))?;
        runtime()?.block_on(async {
            let mut requests = self.requests.clone().ready().await?;
            let (response, sender) = requests.send_request(head, end_stream)?;
            Ok(Stream { sender, response })
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}

// === impl Stream ===

impl Stream {
    /// Sends a DATA frame (more than one only where it is larger than the peer's window or frame size).
    pub fn data(&mut self, data: &[u8], end_stream: bool) -> Result<()> {
        runtime()?.block_on(send_data(&mut self.sender, data, end_stream))
    }

    /// Ends the stream with the trailers of this request.
    pub fn trailers(&mut self, request: &Request) -> Result<()> {
        let trailers = to_map(&request.trailers)?;
        runtime()?.block_on(async { Ok(self.sender.send_trailers(trailers)?) })
    }

    /// Sends what comes after the headers.
    fn rest(&mut self, request: &Request) -> Result<()> {
        let bare = request.trailers.is_empty();
        for (place, chunk) in request.chunks.iter().enumerate() {
            self.data(chunk, bare && place + 1 == request.chunks.len())?;
        }
        if !bare {
            self.trailers(request)?;
        } else if request.chunked && request.chunks.is_empty() {
            self.data(b"", true)?;
        }
        Ok(())
    }

    /// Gives the stream up (`RST_STREAM`).
    pub fn reset(&mut self, reason: Reason) {
        self.sender.send_reset(reason);
    }

    /// Reads the response to its end, within [`TIMEOUT`].
    pub fn response(self) -> Result<Response> {
        self.response_within(TIMEOUT)
    }

    /// Reads the response to its end.
    pub fn response_within(self, limit: Duration) -> Result<Response> {
        let Self { sender, response } = self;
        let read = async {
            let mut partial = None;
            let outcome = read(response, &mut partial).await;
            outcome.map_err(|error| Broken { reason: error.reason(), partial, message: error.to_string() })
        };
        let outcome = runtime()?.block_on(async { timeout(limit, read).await });
        drop(sender);
        Ok(outcome.with_context(|| format!("no response within {limit:?}"))??)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stream").finish_non_exhaustive()
    }
}

// === impl Broken ===

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Broken {}

async fn read(response: ResponseFuture, partial: &mut Option<Response>) -> Result<Response, h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    let read = partial.insert(Response {
        status: head.status.as_u16(),
        headers: from_map(&head.headers),
        ..Response::default()
    });
    while let Some(data) = body.data().await {
        let data = data?;
        read.body.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len())?;
    }
    if let Some(trailers) = body.trailers().await? {
        read.trailers = from_map(&trailers);
    }
    Ok(std::mem::take(read))
}
