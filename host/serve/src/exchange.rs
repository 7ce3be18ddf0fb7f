//! A client's request, and its response.

use crate::fields;
use crate::path;
use crate::proxy::Lane;
use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame as BodyFrame, Incoming};
use hyper::header::HeaderValue;
use hyper::{Request, Response, Version};
use palisade_host::{Frame, Info};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Answers a request with what comes out of the filters.
pub(crate) async fn serve(lane: Rc<Lane>, request: Request<Incoming>, peer: SocketAddr) -> Result<Response<Reply>> {
    let http2 = request.version() == Version::HTTP_2;
    let info = Info {
        source: peer.to_string(),
        destination: lane.listener.to_string(),
        protocol: if http2 { "HTTP/2" } else { "HTTP/1.1" }.to_owned(),
        route: lane.route.clone(),
        connection: u64::from(peer.port()),
        ..Info::default()
    };
    let mut headers = fields::of_request(&request, &peer.ip().to_string());
    let path = headers.text(":path").filter(|_| lane.normalize_path);
    match path.as_deref().map(path::normalized) {
        Some(Some(path)) => headers.replace(":path", path),
        // No filter sees it.
        Some(None) => return refusal(),
        None => {}
    }
    let body = request.into_body();
    let (sender, mut frames) = unbounded_channel();
    let stream = lane.act(|worker| worker.open(info));
    lane.clients.borrow_mut().insert(stream, sender);
    let guard = Guard { lane: Rc::clone(&lane), stream };
    let end = body.is_end_stream();
    lane.act(|worker| worker.request_headers(stream, headers, end));
    if !end {
        tokio::task::spawn_local(receive(Rc::clone(&lane), stream, body, http2));
    }
    match frames.recv().await {
        Some(Frame::Headers(headers, end)) => {
            let status = headers.text(":status").and_then(|status| status.parse::<u16>().ok());
            let status = status.ok_or_else(|| anyhow!("a status that HTTP cannot carry"))?;
            let mut response = Response::builder().status(status).body(Reply { frames, guard: Some(guard), end })?;
            *response.headers_mut() = fields::to_map(&headers);
            response.headers_mut().insert("server", HeaderValue::from_static("envoy"));
            Ok(response)
        }
        _ => bail!("the stream was reset"),
    }
}

/// The answer to a path that is not taken.
fn refusal() -> Result<Response<Reply>> {
    let (_, frames) = unbounded_channel();
    let reply = Reply { frames, guard: None, end: true };
    Ok(Response::builder().status(400).header("server", "envoy").body(reply)?)
}

/// Passes the body on, as Envoy does: over HTTP/1 its end comes by itself.
async fn receive(lane: Rc<Lane>, stream: u64, mut body: Incoming, http2: bool) {
    let mut ended = false;
    while let Some(frame) = body.frame().await {
        match frame.map(BodyFrame::into_data) {
            Ok(Ok(data)) => {
                ended = http2 && body.is_end_stream();
                lane.act(|worker| worker.request_data(stream, data.to_vec(), ended));
            }
            Ok(Err(frame)) => {
                if let Ok(trailers) = frame.into_trailers() {
                    ended = true;
                    lane.act(|worker| worker.request_trailers(stream, fields::of_map(&trailers)));
                }
            }
            Err(_) => {
                lane.act(|worker| worker.client_gone(stream));
                return;
            }
        }
    }
    if !ended {
        lane.act(|worker| worker.request_data(stream, Vec::new(), true));
    }
}

/// A response's body.
pub(crate) struct Reply {
    frames: UnboundedReceiver<Frame>,
    guard: Option<Guard>,
    end: bool,
}

/// Tells the worker when the client has gone.
struct Guard {
    lane: Rc<Lane>,
    stream: u64,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, anyhow::Error>>> {
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
                Poll::Ready(Some(Frame::Headers(..))) => continue,
                Poll::Ready(Some(Frame::Reset) | None) => Poll::Ready(Some(Err(anyhow!("the stream was reset")))),
            };
        }
    }

    fn is_end_stream(&self) -> bool {
        self.end
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Dropped within a call of the worker, the stream is over already.
        if self.lane.worker.try_borrow_mut().is_ok() {
            self.lane.act(|worker| worker.client_gone(self.stream));
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Reply")
            .field("stream", &self.guard.as_ref().map(|guard| guard.stream))
            .finish_non_exhaustive()
    }
}
