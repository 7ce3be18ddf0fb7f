//! The upstream: requests that the filters let through.

use crate::fields;
use crate::proxy::{Lane, LocalExecutor};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Version;
use hyper::body::{Body, Frame as BodyFrame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use palisade_host::{Fields, Frame, UpstreamFailure};
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

/// Envoy's default for routes.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The upstream.
pub(crate) struct Upstream {
    base: String,
    client: Client<HttpConnector, Outgoing>,
}

/// A request on its way to the upstream; dropped, it is given up.
pub(crate) struct Sending {
    body: Option<UnboundedSender<Frame>>,
    task: AbortHandle,
}

/// A request's body.
pub(crate) struct Outgoing {
    frames: UnboundedReceiver<Frame>,
    end: bool,
}

impl Upstream {
    pub(crate) fn new(base: &str) -> Self {
        Self { base: base.to_owned(), client: Client::builder(LocalExecutor).build_http() }
    }
}

/// Sends a part of a request.
pub(crate) fn send(lane: &Rc<Lane>, stream: u64, request: u32, frame: Frame) {
    if let Frame::Headers(headers, end) = frame {
        begin(lane, stream, request, headers, end);
        return;
    }
    if let Some(body) = lane.requests.borrow().get(&(stream, request)).and_then(|sending| sending.body.as_ref()) {
        // An upstream that does not read on may answer all the same.
        let _ = body.send(frame);
    }
}

fn begin(lane: &Rc<Lane>, stream: u64, number: u32, mut headers: Fields, end: bool) {
    headers.replace("x-envoy-expected-rq-timeout-ms", TIMEOUT.as_millis().to_string());
    let (sender, frames) = unbounded_channel();
    let request = fields::to_request(&headers, &lane.upstream.base, Outgoing { frames, end }, Version::HTTP_11);
    let own = Rc::clone(lane);
    let task = tokio::task::spawn_local(async move {
        let began = Instant::now();
        let Ok(request) = request else {
            own.act(|worker| worker.upstream_failed(stream, UpstreamFailure::Reset));
            return;
        };
        match tokio::time::timeout(TIMEOUT, own.upstream.client.request(request)).await {
            Ok(Ok(response)) => {
                let mut headers = fields::of_response(&response);
                headers.add("x-envoy-upstream-service-time", began.elapsed().as_millis().to_string());
                receive(&own, stream, headers, response.into_body()).await;
            }
            Ok(Err(error)) => {
                let failure = if error.is_connect() { UpstreamFailure::Refused } else { UpstreamFailure::Reset };
                own.act(|worker| worker.upstream_failed(stream, failure));
            }
            Err(_) => own.act(|worker| worker.upstream_failed(stream, UpstreamFailure::TimedOut)),
        }
    });
    let sending = Sending { body: (!end).then_some(sender), task: task.abort_handle() };
    lane.requests.borrow_mut().insert((stream, number), sending);
}

async fn receive(lane: &Rc<Lane>, stream: u64, headers: Fields, mut body: Incoming) {
    let bare = body.is_end_stream();
    lane.act(|worker| worker.response_headers(stream, headers, bare));
    if bare {
        return;
    }
    while let Some(frame) = body.frame().await {
        match frame.map(BodyFrame::into_data) {
            Ok(Ok(data)) => lane.act(|worker| worker.response_data(stream, data.to_vec(), false)),
            Ok(Err(frame)) => {
                if let Ok(trailers) = frame.into_trailers() {
                    lane.act(|worker| worker.response_trailers(stream, fields::of_map(&trailers)));
                    return;
                }
            }
            Err(_) => {
                lane.act(|worker| worker.upstream_failed(stream, UpstreamFailure::Reset));
                return;
            }
        }
    }
    lane.act(|worker| worker.response_data(stream, Vec::new(), true));
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        loop {
            if self.end {
                return Poll::Ready(None);
            }
            return match self.frames.poll_recv(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Frame::Data(data, end))) => {
                    self.end = end;
                    if data.is_empty() {
                        continue;
                    }
                    Poll::Ready(Some(Ok(BodyFrame::data(data.into()))))
                }
                Poll::Ready(Some(Frame::Trailers(trailers))) => {
                    self.end = true;
                    Poll::Ready(Some(Ok(BodyFrame::trailers(fields::to_map(&trailers)))))
                }
                Poll::Ready(Some(Frame::Headers(..) | Frame::Reset)) => continue,
                // The stream is over, and this request with it.
                Poll::Ready(None) => Poll::Pending,
            };
        }
    }

    fn is_end_stream(&self) -> bool {
        self.end
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.task.abort();
    }
}
