//! An upstream that answers with what it received, or with what it was told to answer.
//!
//! It speaks HTTP/1.1 and HTTP/2 with prior knowledge on one port. A request directs its answer by `x-upstream-*`
//! headers (see [`Answer::from_headers`]); [`Upstream::on`] and [`Upstream::on_each`] direct all requests of a path. With a delay
//! it is a callout server.

mod answer;
mod http1;
mod http2;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;

pub use answer::{Answer, Reset};
pub(crate) use http2::{from_map, send_data, to_map};

use crate::message::{Echo, EchoBody, Headers, latin1};
use crate::module_server::sha256;
use crate::server::{FREE_PORT, Server, lock};

/// A running upstream.
#[derive(Debug)]
pub struct Upstream {
    server: Server,
    log: Arc<Log>,
}

/// A request that an [`Upstream`] received.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The request target.
    pub path: String,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
    /// The value of `Host` or `:authority`.
    pub authority: String,
    /// The header lines.
    pub headers: Headers,
    /// The body, as far as it has come.
    pub body: Vec<u8>,
    /// The trailer lines.
    pub trailers: Headers,
    /// The number of the connection, from 0 in the order of accepting.
    pub connection: usize,
    /// When its headers had come.
    pub began: Instant,
    /// When its body and trailers had come; `None` while they have not, or where the peer gave up.
    pub ended: Option<Instant>,
    /// Whether the peer gave it up while its answer was delayed (`RST_STREAM`; HTTP/2 only).
    pub cancelled: bool,
}

/// What the connections share: the requests so far, and the answers by path.
#[derive(Debug, Default)]
struct Log {
    received: Mutex<Requests>,
    answers: Mutex<BTreeMap<String, Plan>>,
}

/// How a request is answered.
#[derive(Clone)]
enum Plan {
    Given(Answer),
    /// By what a function makes of the whole request.
    Made(Arc<dyn Fn(&Received) -> Answer + Send + Sync>),
}

/// The requests in the order in which their headers came; a request's place is how many came before it.
#[derive(Debug)]
struct Requests {
    kept: VecDeque<Received>,
    dropped: usize,
    limit: usize,
}

// === impl Upstream ===

impl Upstream {
    /// Starts one on a free port.
    pub fn start() -> Result<Self> {
        Self::bind(FREE_PORT)
    }

    /// Starts one on this address.
    pub fn bind(addr: SocketAddr) -> Result<Self> {
        let log = Arc::new(Log::default());
        let shared = Arc::clone(&log);
        let server = Server::bind(addr, move |stream, number| serve(stream, number, Arc::clone(&shared)))?;
        Ok(Self { server, log })
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Answers all requests of this path (without the query) like this, unless the request itself directs its answer.
    pub fn on(&self, path: &str, answer: Answer) {
        lock(&self.log.answers).insert(path.to_owned(), Plan::Given(answer));
    }

    /// Answers all requests of this path (without the query) by what `answer` makes of them, once they have come whole,
    /// whatever their headers say.
    pub fn on_each(&self, path: &str, answer: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        lock(&self.log.answers).insert(path.to_owned(), Plan::Made(Arc::new(answer)));
    }

    /// Remembers only the last `limit` requests, more than come at once; otherwise it remembers all.
    pub fn keep(&self, limit: usize) {
        lock(&self.log.received).limit = limit;
    }

    /// The requests so far, in the order in which their headers came.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.log.received).kept.iter().cloned().collect()
    }

    /// The number of requests so far.
    pub fn count(&self) -> usize {
        lock(&self.log.received).count()
    }

    /// The requests of this path (without the query) so far.
    pub fn received_at(&self, path: &str) -> Vec<Received> {
        let received = lock(&self.log.received);
        received.kept.iter().filter(|request| without_query(&request.path) == path).cloned().collect()
    }

    /// Waits until this many requests have come with body and trailers; fails after `timeout`.
    pub fn wait_for(&self, count: usize, timeout: Duration) -> Result<Vec<Received>> {
        let deadline = Instant::now() + timeout;
        loop {
            let received = self.received();
            let complete = received.iter().filter(|request| request.ended.is_some()).count();
            if complete >= count {
                return Ok(received);
            }
            ensure!(
                Instant::now() < deadline,
                "{complete} of {count} requests reached the upstream within {timeout:?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        lock(&self.log.received).forget();
    }
}

// === impl Log ===

impl Log {
    /// Notes a request whose headers have come, and gives its place and how it is to be answered.
    fn begin(&self, request: Received) -> (usize, Plan) {
        let by_path = lock(&self.answers).get(without_query(&request.path)).cloned();
        let plan = match (by_path, Answer::from_headers(&request.headers)) {
            (Some(Plan::Made(answer)), _) => Plan::Made(answer),
            (_, Ok(Some(answer))) => Plan::Given(answer),
            (by_path, Ok(None)) => by_path.unwrap_or_default(),
            (_, Err(error)) => Plan::Given(Answer::with_status(400).body(format!("{error:#}"))),
        };
        (lock(&self.received).push(request), plan)
    }

    /// The answer to a request that has come as far as the plan asks for.
    fn answer(&self, place: usize, plan: Plan) -> Answer {
        let answer = match plan {
            Plan::Given(answer) => return answer,
            Plan::Made(answer) => answer,
        };
        let request = lock(&self.received).get(place).cloned();
        request.map_or_else(|| Answer::with_status(500), |request| answer(&request))
    }

    fn data(&self, place: usize, data: &[u8]) {
        if let Some(request) = lock(&self.received).get_mut(place) {
            request.body.extend_from_slice(data);
        }
    }

    fn end(&self, place: usize, trailers: Headers) {
        if let Some(request) = lock(&self.received).get_mut(place) {
            request.trailers = trailers;
            request.ended = Some(Instant::now());
        }
    }

    fn cancel(&self, place: usize) {
        if let Some(request) = lock(&self.received).get_mut(place) {
            request.cancelled = true;
        }
    }

    /// The body of the answer: the given one, or the echo of what has come.
    fn body(&self, place: usize, answer: &Answer) -> Vec<u8> {
        if let Some(body) = answer.given_body() {
            return body.to_vec();
        }
        let received = lock(&self.received);
        let echo = received.get(place).map(|request| request.echo(place + 1));
        serde_json::to_vec(&echo).unwrap_or_default()
    }
}

// === impl Plan ===

impl Plan {
    fn is_early(&self) -> bool {
        matches!(self, Self::Given(answer) if answer.is_early())
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::Given(Answer::default())
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(answer) => answer.fmt(formatter),
            Self::Made(_) => formatter.write_str("Made(..)"),
        }
    }
}

// === impl Requests ===

impl Default for Requests {
    fn default() -> Self {
        Self { kept: VecDeque::new(), dropped: 0, limit: usize::MAX }
    }
}

impl Requests {
    /// Adds a request and gives its place.
    fn push(&mut self, request: Received) -> usize {
        self.kept.push_back(request);
        if self.kept.len() > self.limit {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.count() - 1
    }

    fn get(&self, place: usize) -> Option<&Received> {
        self.kept.get(place.checked_sub(self.dropped)?)
    }

    fn get_mut(&mut self, place: usize) -> Option<&mut Received> {
        self.kept.get_mut(place.checked_sub(self.dropped)?)
    }

    fn count(&self) -> usize {
        self.dropped + self.kept.len()
    }

    fn forget(&mut self) {
        self.kept.clear();
        self.dropped = 0;
    }
}

// === impl Received ===

impl Received {
    fn new(method: &str, path: &str, protocol: &'static str, connection: usize) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            protocol,
            authority: String::new(),
            headers: Headers::default(),
            body: Vec::new(),
            trailers: Headers::default(),
            connection,
            began: Instant::now(),
            ended: None,
            cancelled: false,
        }
    }

    fn echo(&self, count: usize) -> Echo {
        Echo {
            method: self.method.clone(),
            path: self.path.clone(),
            protocol: self.protocol.to_owned(),
            authority: self.authority.clone(),
            headers: self.headers.fields(),
            body: EchoBody { length: self.body.len(), sha256: sha256(&self.body) },
            trailers: self.trailers.fields(),
            count,
        }
    }
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// The first bytes of HTTP/2 with prior knowledge (RFC 9113, section 3.4); no method of HTTP/1.1 begins so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

async fn serve(stream: TcpStream, connection: usize, log: Arc<Log>) {
    // A connection ends when its peer or the testbed goes; what arrived until then stands in the log.
    let _ = match begins_http2(&stream).await {
        Ok(true) => http2::serve(stream, connection, &log).await,
        Ok(false) => http1::serve(stream, connection, &log).await,
        Err(error) => Err(error),
    };
}

async fn begins_http2(stream: &TcpStream) -> Result<bool> {
    let mut start = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut start).await.context("reading the first bytes of a connection")?;
        let start = &start[..length];
        if length == 0 || !PREFACE.starts_with(start) {
            return Ok(false);
        }
        if length == PREFACE.len() {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn authority_of(headers: &Headers) -> String {
    headers.get("host").map(latin1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Request, http1};

    #[test]
    fn an_upstream_that_keeps_few_requests_still_counts_and_echoes_all() {
        let upstream = Upstream::start().unwrap();
        upstream.keep(2);
        for place in 1..=5 {
            let request = Request::post(&format!("/{place}"), "body");
            let echo = http1::exchange(upstream.addr(), &request).unwrap().echo().unwrap();
            assert_eq!((echo.count, echo.path, echo.body.length), (place, format!("/{place}"), 4));
        }
        let kept = upstream.received();
        assert_eq!(kept.iter().map(|request| request.path.as_str()).collect::<Vec<_>>(), ["/4", "/5"]);
        assert_eq!(upstream.count(), 5);
    }
}
