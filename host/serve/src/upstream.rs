//! The upstream: requests that the filters let through, and their responses.

use crate::fields;
use crate::frames::{Frames, Sender, channel};
use crate::lane::{Lane, LocalExecutor};
use crate::receive::{Part, receive};
use hyper::{Request, Version};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use palisade_host::{Direction, Fields, Frame, UpstreamFailure};
use std::future::pending;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The upstream.
pub(crate) struct Upstream {
    base: String,
    /// From the end of a request to the end of its response.
    timeout: Option<Duration>,
    client: Client<HttpConnector, Frames>,
}

/// A request on its way to the upstream; dropped, it is given up.
pub(crate) struct Sending {
    body: Sender,
    whole: Rc<Notify>,
    task: AbortHandle,
}

/// Begins a request.
pub(crate) fn begin(lane: &Rc<Lane>, upstream: &Rc<Upstream>, stream: u64, mut headers: Fields, end: bool) -> Sending {
    if let Some(timeout) = upstream.timeout {
        headers.replace("x-envoy-expected-rq-timeout-ms", timeout.as_millis().to_string());
    }
    let (sender, body) = channel();
    let body = if end { Frames::none() } else { body };
    let whole = Rc::new(Notify::new());
    if end {
        whole.notify_one();
    }
    lane.asks(stream, sender.clone());
    let request = fields::to_request(&headers, &upstream.base, body, Version::HTTP_11);
    let (lane, upstream, request_is_whole) = (Rc::clone(lane), Rc::clone(upstream), Rc::clone(&whole));
    let task = tokio::task::spawn_local(async move {
        let Ok(request) = request else {
            lane.act(|worker| worker.upstream_failed(stream, UpstreamFailure::Reset));
            return;
        };
        let expired = async {
            request_is_whole.notified().await;
            match upstream.timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = exchange(&lane, &upstream, stream, request) => {}
            () = expired => lane.act(|worker| worker.upstream_failed(stream, UpstreamFailure::TimedOut)),
        }
    });
    Sending { body: sender, whole, task: task.abort_handle() }
}

async fn exchange(lane: &Rc<Lane>, upstream: &Upstream, stream: u64, request: Request<Frames>) {
    let began = Instant::now();
    let response = match upstream.client.request(request).await {
        Ok(response) => response,
        Err(error) => {
            lane.act(|worker| worker.upstream_failed(stream, failure(&error)));
            return;
        }
    };
    let mut headers = fields::of_response(&response);
    headers.add("x-envoy-upstream-service-time", began.elapsed().as_millis().to_string());
    // Over HTTP/1, which it speaks here, the end comes by itself.
    receive(lane, stream, Direction::Response, response.into_body(), false, |worker, part| match part {
        Part::Begin(end) => worker.response_headers(stream, std::mem::take(&mut headers), end),
        Part::Data(data, end) => worker.response_data(stream, data, end),
        Part::Trailers(trailers) => worker.response_trailers(stream, trailers),
        Part::Broken => worker.upstream_failed(stream, UpstreamFailure::Reset),
    })
    .await;
}

fn failure(error: &Error) -> UpstreamFailure {
    if error.is_connect() { UpstreamFailure::Refused } else { UpstreamFailure::Reset }
}

// === impl Upstream ===

impl Upstream {
    pub(crate) fn new(base: &str, timeout: Option<Duration>) -> Self {
        Self { base: base.to_owned(), timeout, client: Client::builder(LocalExecutor).build_http() }
    }
}

// === impl Sending ===

impl Sending {
    /// Sends a part of the request behind its headers.
    pub(crate) fn send(&self, frame: Frame) {
        if matches!(frame, Frame::Data(_, true) | Frame::Trailers(_)) {
            self.whole.notify_one();
        }
        self.body.send(frame);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.task.abort();
    }
}
