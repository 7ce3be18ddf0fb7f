//! An exchange as a test plays it: what the client sends, what reaches the upstream, what comes back.

use super::draft::{Delivery, Draft};
use super::{Host, Message};
use crate::fields::Fields;
use crate::stream::{Direction, Info};
use crate::worker::{UpstreamFailure, Worker};

/// A request that is yet to be sent.
pub type RequestBuilder = Draft<NewRequest>;

/// A response of the upstream that is yet to be sent.
pub type ResponseBuilder<'a> = Draft<&'a Exchange>;

/// Where a request is to come in, and what is known of it beside its message.
pub struct NewRequest {
    host: Host,
    info: Info,
    worker: Option<usize>,
}

/// A request on its way, and its response.
pub struct Exchange {
    host: Host,
    worker: usize,
    stream: u64,
}

// === impl RequestBuilder ===

impl RequestBuilder {
    pub(super) fn request(host: Host, line: &str) -> Self {
        let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
        let pseudo = [(":authority", "host.test"), (":path", path), (":method", method), (":scheme", "http")];
        Self::new(NewRequest { host, info: Info::default(), worker: None }, pseudo.into_iter().collect())
    }

    /// With another authority.
    pub fn authority(mut self, authority: &str) -> Self {
        let value = |name: &[u8], value: &[u8]| if name == b":authority" { authority.into() } else { value.to_vec() };
        self.headers = self.headers.iter().map(|(name, own)| (name.to_vec(), value(name, own))).collect();
        self
    }

    /// Over HTTP/2: pseudo-headers in the order of most clients, and the end of the body with its last bytes.
    pub fn http2(mut self) -> Self {
        self.to.info.protocol = "HTTP/2".to_owned();
        let order = [":method", ":scheme", ":authority", ":path"];
        let pseudo = order.iter().filter_map(|name| Some((name.as_bytes(), self.headers.get(name)?)));
        self.headers = pseudo.chain(self.headers.iter().filter(|(name, _)| !name.starts_with(b":"))).collect();
        self.delivery(Delivery::WithLast)
    }

    /// On this worker, from 1, in place of the next in turn.
    pub const fn worker(mut self, worker: usize) -> Self {
        self.to.worker = Some(worker);
        self
    }

    /// With what is known of it beside its message.
    pub fn info(mut self, change: impl FnOnce(&mut Info)) -> Self {
        change(&mut self.to.info);
        self
    }

    /// Sends all of it.
    pub fn send(mut self) -> Exchange {
        let bare = self.is_bare();
        let (frames, trailers) = (self.frames(), self.trailers.take());
        let exchange = self.begin(bare);
        for (data, end) in frames {
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
        let Self { to: NewRequest { host, info, worker }, headers, .. } = self;
        let worker = worker.unwrap_or_else(|| host.0.borrow_mut().take_turn());
        let stream = host.act(worker, |worker| {
            let stream = worker.open(info);
            worker.request_headers(stream, headers, end_stream);
            stream
        });
        Exchange { host, worker, stream: stream.unwrap_or_default() }
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
        ResponseBuilder::new(self, headers)
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
    /// Sends all of it.
    pub fn send(mut self) {
        let (exchange, bare) = (self.to, self.is_bare());
        let (frames, trailers) = (self.frames(), self.trailers.take());
        self.begin(bare);
        for (data, end) in frames {
            exchange.respond_data(data, end);
        }
        if let Some(trailers) = trailers {
            exchange.host.act(exchange.worker, |worker| worker.response_trailers(exchange.stream, trailers));
        }
    }

    /// Sends the headers, and leaves what follows to the test.
    pub fn open(self) {
        self.begin(false);
    }

    fn begin(self, end_stream: bool) {
        let Self { to: exchange, headers, .. } = self;
        let begin = |worker: &mut Worker| worker.response_headers(exchange.stream, headers, end_stream);
        exchange.host.act(exchange.worker, begin);
    }
}
