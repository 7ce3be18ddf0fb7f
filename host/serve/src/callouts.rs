//! Callouts: requests that filters send themselves.

use crate::fields;
use crate::frames::{Frames, Sender, channel};
use crate::grpc::{Messages, framed};
use crate::lane::{Lane, LocalExecutor};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Response, Version};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use palisade_host::{Callout, CalloutEvent, CalloutId, CalloutKind, Fields, Frame};
use std::collections::BTreeMap;
use std::rc::Rc;
use tokio::task::AbortHandle;

/// Where callouts go.
pub(crate) struct Clusters {
    urls: BTreeMap<String, String>,
    http: Client<HttpConnector, Frames>,
    grpc: Client<HttpConnector, Frames>,
}

/// A callout under way; dropped, it is given up.
pub(crate) struct Sent {
    body: Sender,
    task: AbortHandle,
}

/// The largest answer that is kept for a filter, in bytes.
const LARGEST: usize = 64 << 20;
/// gRPC's statuses, by number.
const UNKNOWN: u32 = 2;
const INTERNAL: u32 = 13;

/// Sends a callout; the root that sent it is told what comes of it.
pub(crate) fn send(lane: &Rc<Lane>, clusters: &Rc<Clusters>, id: CalloutId, callout: Callout) -> Sent {
    let (lane, clusters) = (Rc::clone(lane), Rc::clone(clusters));
    let (sender, mut body) = channel();
    let Callout { cluster, headers, body: bytes, trailers, timeout, .. } = callout;
    let kind = CalloutKind::of(id.token);
    match kind {
        Some(CalloutKind::Http) if bytes.is_empty() && trailers.is_empty() => body = Frames::none(),
        Some(CalloutKind::Http) if trailers.is_empty() => sender.send(Frame::Data(bytes, true)),
        Some(CalloutKind::Http) => {
            sender.send(Frame::Data(bytes, false));
            sender.send(Frame::Trailers(trailers));
        }
        Some(CalloutKind::GrpcCall) => sender.send(Frame::Data(framed(&bytes), true)),
        // Its messages follow.
        Some(CalloutKind::GrpcStream) | None => {}
    }
    let task = tokio::task::spawn_local(async move {
        let tell = |event| lane.act(|worker| worker.callout(id, event));
        match kind {
            Some(CalloutKind::Http) => tell(clusters.http(&cluster, headers, body, timeout).await),
            Some(CalloutKind::GrpcCall) => tell(clusters.unary(&cluster, &headers, body).await),
            Some(CalloutKind::GrpcStream) | None => clusters.stream(&cluster, &headers, body, tell).await,
        }
    });
    Sent { body: sender, task: task.abort_handle() }
}

// === impl Clusters ===

impl Clusters {
    pub(crate) fn new(clusters: &[(String, String)]) -> Self {
        let urls = clusters.iter().cloned().collect();
        let http = Client::builder(LocalExecutor).build_http();
        let grpc = Client::builder(LocalExecutor).http2_only(true).build_http();
        Self { urls, http, grpc }
    }

    fn url(&self, cluster: &str) -> &str {
        self.urls.get(cluster).map_or("", String::as_str)
    }

    async fn http(&self, cluster: &str, mut headers: Fields, body: Frames, timeout: u32) -> CalloutEvent {
        headers.replace("x-envoy-internal", "true");
        headers.replace("x-envoy-expected-rq-timeout-ms", timeout.to_string());
        let Ok(request) = fields::to_request(&headers, self.url(cluster), body, Version::HTTP_11) else {
            return CalloutEvent::Failed;
        };
        let response = match self.http.request(request).await {
            Ok(response) => response,
            Err(error) => return broken(&error),
        };
        let headers = fields::of_response(&response);
        match Limited::new(response.into_body(), LARGEST).collect().await {
            Ok(body) => {
                let trailers = body.trailers().map(fields::of_map).unwrap_or_default();
                CalloutEvent::Response { headers, body: body.to_bytes().to_vec(), trailers }
            }
            Err(_) => TERMINATED,
        }
    }

    async fn ask(&self, cluster: &str, headers: &Fields, body: Frames) -> Result<Response<Incoming>, CalloutEvent> {
        let request = fields::to_request(headers, self.url(cluster), body, Version::HTTP_2);
        let request = request.map_err(|_| CalloutEvent::GrpcClose(INTERNAL, Vec::new()))?;
        self.grpc.request(request).await.map_err(|error| broken(&error))
    }

    async fn unary(&self, cluster: &str, headers: &Fields, body: Frames) -> CalloutEvent {
        let response = match self.ask(cluster, headers, body).await {
            Ok(response) => response,
            Err(event) => return event,
        };
        let headers = fields::of_response(&response);
        let Ok(body) = Limited::new(response.into_body(), LARGEST).collect().await else { return TERMINATED };
        let trailers = body.trailers().map(fields::of_map).unwrap_or_default();
        let (status, text) = status(&trailers).or_else(|| status(&headers)).unwrap_or((UNKNOWN, Vec::new()));
        if status != 0 {
            return CalloutEvent::GrpcClose(status, text);
        }
        let mut messages = Messages::default();
        messages.push(&body.to_bytes());
        match messages.next() {
            Ok(Some(message)) => CalloutEvent::GrpcMessage(message),
            Ok(None) | Err(_) => CalloutEvent::GrpcClose(INTERNAL, Vec::new()),
        }
    }

    async fn stream(&self, cluster: &str, headers: &Fields, body: Frames, tell: impl Fn(CalloutEvent)) {
        let response = match self.ask(cluster, headers, body).await {
            Ok(response) => response,
            Err(event) => return tell(event),
        };
        let headers = fields::of_response(&response);
        let (mut trailers, mut messages, mut body) = (None, Messages::default(), response.into_body());
        tell(CalloutEvent::GrpcInitialMetadata(headers.clone()));
        while let Some(frame) = body.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => messages.push(&data),
                Ok(Err(frame)) => trailers = frame.into_trailers().ok().map(|trailers| fields::of_map(&trailers)),
                Err(_) => return tell(TERMINATED),
            }
            loop {
                match messages.next() {
                    Ok(Some(message)) => tell(CalloutEvent::GrpcMessage(message)),
                    Ok(None) => break,
                    Err(_) => return tell(CalloutEvent::GrpcClose(INTERNAL, Vec::new())),
                }
            }
        }
        let (status, text) =
            trailers.as_ref().and_then(status).or_else(|| status(&headers)).unwrap_or((UNKNOWN, Vec::new()));
        if let Some(trailers) = trailers {
            tell(CalloutEvent::GrpcTrailingMetadata(trailers));
        }
        tell(CalloutEvent::GrpcClose(status, text));
    }
}

const TERMINATED: CalloutEvent = CalloutEvent::Broken("connection termination");

fn broken(error: &Error) -> CalloutEvent {
    if error.is_connect() { CalloutEvent::Broken("remote connection failure") } else { TERMINATED }
}

fn status(fields: &Fields) -> Option<(u32, Vec<u8>)> {
    let status = fields.text("grpc-status")?.parse().ok()?;
    Some((status, fields.get("grpc-message").unwrap_or_default().to_vec()))
}

// === impl Sent ===

impl Sent {
    /// Sends a message of a gRPC stream. An empty one that is the last is no message, but the end.
    pub(crate) fn message(&self, message: &[u8], last: bool) {
        let data = if message.is_empty() && last { Vec::new() } else { framed(message) };
        self.body.send(Frame::Data(data, last));
    }

    /// Whether nothing more comes of it.
    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.task.abort();
    }
}
