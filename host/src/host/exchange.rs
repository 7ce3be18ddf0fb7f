//! An exchange as a test plays it: what the client sends, what reaches the upstream, what comes back.

use super::{Host, Message};
use crate::fields::Fields;
use crate::stream::{Direction, Info};
use crate::worker::UpstreamFailure;

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// In a frame of its own without bytes, as over HTTP/1.
    #[default]
    Extra,
    /// With the last bytes, as over HTTP/2.
    WithLast,
}

/// A request that is yet to be sent.
#[must_use]
pub struct RequestBuilder {
    host: Host,
    info: Info,
    headers: Fields,
    chunks: Vec<Vec<u8>>,
    trailers: Option<Fields>,
    delivery: Delivery,
    worker: Option<usize>,
}

/// A response of the upstream that is yet to be sent.
#[must_use]
pub struct ResponseBuilder<'a> {
    exchange: &'a Exchange,
    headers: Fields,
    chunks: Vec<Vec<u8>>,
    trailers: Option<Fields>,
    delivery: Delivery,
}

/// A request on its way, and its response.
pub struct Exchange {
    host: Host,
    worker: usize,
    stream: u64,
}

// === impl RequestBuilder ===

impl RequestBuilder {
    pub(super) fn new(host: Host, line: &str) -> Self {
        let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
        let pseudo = [(":authority", "host.test"), (":path", path), (":method", method), (":scheme", "http")];
        Self {
            host,
            info: Info::default(),
            headers: pseudo.into_iter().collect(),
            chunks: Vec::new(),
            trailers: None,
            delivery: Delivery::Extra,
            worker: None,
        }
    }

    /// With one more header.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// With another authority.
    pub fn authority(mut self, authority: &str) -> Self {
        let value = |name: &[u8], value: &[u8]| if name == b":authority" { authority.into() } else { value.to_vec() };
        self.headers = self.headers.iter().map(|(name, own)| (name.to_vec(), value(name, own))).collect();
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

    /// Over HTTP/2: pseudo-headers in the order of most clients, and the end of the body with its last bytes.
    pub fn http2(mut self) -> Self {
        self.delivery = Delivery::WithLast;
        self.info.protocol = "HTTP/2".to_owned();
        let order = [":method", ":scheme", ":authority", ":path"];
        let pseudo = order.iter().filter_map(|name| Some((name.as_bytes(), self.headers.get(name)?)));
        self.headers = pseudo.chain(self.headers.iter().filter(|(name, _)| !name.starts_with(b":"))).collect();
        self
    }

    /// On this worker, from 1, in place of the next in turn.
    pub const fn worker(mut self, worker: usize) -> Self {
        self.worker = Some(worker);
        self
    }

    /// With what is known of it beside its message.
    pub fn info(mut self, change: impl FnOnce(&mut Info)) -> Self {
        change(&mut self.info);
        self
    }

    /// Sends all of it.
    pub fn send(self) -> Exchange {
        let (chunks, trailers, delivery) = (self.chunks.clone(), self.trailers.clone(), self.delivery);
        let bare = chunks.is_empty() && trailers.is_none();
        let exchange = self.begin(bare);
        for (data, end) in frames(chunks, trailers.is_some(), delivery) {
            exchange.data(data, end);
        }
        if let Some(trailers) = trailers {
            exchange.trailers(trailers);
        }
        exchange
    }

    /// Sends the headers, and leaves what follows to the test.
    pub fn open(self) -> Exchange {
        self.begin(false)
    }

    fn begin(self, end_stream: bool) -> Exchange {
        let worker = self.worker.unwrap_or_else(|| self.host.0.borrow_mut().take_turn());
        let (headers, info) = (self.headers, self.info);
        let stream = self.host.act(worker, |worker| {
            let stream = worker.open(info);
            worker.request_headers(stream, headers, end_stream);
            stream
        });
        Exchange { host: self.host, worker, stream: stream.unwrap_or_default() }
    }
}

impl super::Inner {
    fn take_turn(&mut self) -> usize {
        let workers = self.workers.len().saturating_sub(1).max(1);
        let turn = self.next_worker.checked_rem(workers).unwrap_or(0);
        self.next_worker = turn.saturating_add(1);
        turn.saturating_add(1)
    }
}

// === impl Exchange ===

impl Exchange {
    /// The client sends a piece of the body.
    pub fn data(&self, data: impl AsRef<[u8]>, end_stream: bool) {
        self.host.act(self.worker, |worker| worker.request_data(self.stream, data.as_ref().to_vec(), end_stream));
    }

    /// The client sends trailers.
    pub fn trailers(&self, trailers: Fields) {
        self.host.act(self.worker, |worker| worker.request_trailers(self.stream, trailers));
    }

    /// The client goes away.
    pub fn abort(&self) {
        self.host.act(self.worker, |worker| worker.client_gone(self.stream));
    }

    /// The request that reached the upstream.
    #[must_use]
    pub fn upstream(&self) -> Option<Message> {
        self.upstream_requests().into_iter().next()
    }

    /// The requests that reached the upstream; more than one where the request went twice.
    #[must_use]
    pub fn upstream_requests(&self) -> Vec<Message> {
        self.host.traffic((self.worker, self.stream), |traffic| traffic.requests.values().cloned().collect())
    }

    /// The upstream answers.
    pub fn respond(&self, status: u16) -> ResponseBuilder<'_> {
        let headers = [(":status", status.to_string())].into_iter().collect();
        let delivery = Delivery::default();
        ResponseBuilder { exchange: self, headers, chunks: Vec::new(), trailers: None, delivery }
    }

    /// The upstream sends a piece of a body.
    pub fn respond_data(&self, data: impl AsRef<[u8]>, end_stream: bool) {
        self.host.act(self.worker, |worker| worker.response_data(self.stream, data.as_ref().to_vec(), end_stream));
    }

    /// The upstream fails.
    pub fn fail(&self, failure: UpstreamFailure) {
        self.host.act(self.worker, |worker| worker.upstream_failed(self.stream, failure));
    }

    /// What the client has got.
    #[must_use]
    pub fn response(&self) -> Message {
        self.host.traffic((self.worker, self.stream), |traffic| traffic.response.clone())
    }

    /// Whether a filter holds the request back.
    #[must_use]
    pub fn request_paused(&self) -> bool {
        self.host.act(self.worker, |worker| worker.paused(self.stream, Direction::Request)) == Some(true)
    }

    /// Whether a filter holds the response back.
    #[must_use]
    pub fn response_paused(&self) -> bool {
        self.host.act(self.worker, |worker| worker.paused(self.stream, Direction::Response)) == Some(true)
    }

    /// Whether it is over: logged, done and deleted.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.host.traffic((self.worker, self.stream), |traffic| traffic.ended)
    }
}

// === impl ResponseBuilder ===

impl ResponseBuilder<'_> {
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

    /// Sends all of it.
    pub fn send(self) {
        let Self { exchange, headers, chunks, trailers, delivery } = self;
        let bare = chunks.is_empty() && trailers.is_none();
        let act = |act: &mut dyn FnMut(&mut crate::Worker)| exchange.host.act(exchange.worker, |worker| act(worker));
        act(&mut |worker| worker.response_headers(exchange.stream, headers.clone(), bare));
        for (data, end) in frames(chunks, trailers.is_some(), delivery) {
            exchange.respond_data(data, end);
        }
        if let Some(trailers) = trailers {
            act(&mut |worker| worker.response_trailers(exchange.stream, trailers.clone()));
        }
    }

    /// Sends the headers, and leaves what follows to the test.
    pub fn open(self) {
        let Self { exchange, headers, .. } = self;
        exchange.host.act(exchange.worker, |worker| worker.response_headers(exchange.stream, headers, false));
    }
}

/// The frames of a body, each with whether it is the end.
fn frames(chunks: Vec<Vec<u8>>, trailers: bool, delivery: Delivery) -> Vec<(Vec<u8>, bool)> {
    let count = chunks.len();
    let with_last = delivery == Delivery::WithLast && !trailers;
    let frames = chunks.into_iter().enumerate();
    let mut frames: Vec<_> =
        frames.map(|(index, chunk)| (chunk, with_last && index.saturating_add(1) == count)).collect();
    if count > 0 && !trailers && delivery == Delivery::Extra {
        frames.push((Vec::new(), true));
    }
    frames
}
