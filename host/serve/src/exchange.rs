//! A client's request, and its response.

use crate::fields;
use crate::frames::{Frames, channel};
use crate::lane::Lane;
use crate::path;
use crate::receive::{Part, receive};
use crate::refusal;
use anyhow::{Error, Result, anyhow};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode, Version};
use palisade_host::{Direction, Info};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Answers a request with what comes out of the filters.
pub(crate) async fn serve(lane: Rc<Lane>, request: Request<Incoming>, peer: SocketAddr) -> Result<Response<Reply>> {
    if let Some(status) = refusal::of(&request) {
        return refused(status);
    }
    let mut headers = fields::of_request(&request, &peer.ip().to_string());
    let path = headers.text(":path").filter(|_| lane.normalize_path);
    match path.as_deref().map(path::normalized) {
        Some(Some(path)) => headers.replace(":path", path),
        Some(None) => return refused(StatusCode::BAD_REQUEST),
        None => {}
    }
    let is_http2 = request.version() == Version::HTTP_2;
    let info = Info {
        source: peer.to_string(),
        destination: lane.listener.to_string(),
        protocol: if is_http2 { "HTTP/2" } else { "HTTP/1.1" }.to_owned(),
        route: lane.route.clone(),
        connection: u64::from(peer.port()),
        ..Info::default()
    };
    let stream = lane.act(|worker| worker.open(info));
    let guard = Guard { lane: Rc::clone(&lane), stream };
    let (sender, mut frames) = channel();
    lane.answers_to(stream, sender);
    tokio::task::spawn_local(async move {
        receive(&lane, stream, Direction::Request, request.into_body(), is_http2, |worker, part| match part {
            Part::Begin(end) => worker.request_headers(stream, std::mem::take(&mut headers), end),
            Part::Data(data, end) => worker.request_data(stream, data, end),
            Part::Trailers(trailers) => worker.request_trailers(stream, trailers),
            Part::Broken => worker.client_gone(stream),
        })
        .await;
    });
    let headers = frames.headers().await.ok_or_else(|| anyhow!("the stream was reset"))?;
    let status = headers.text(":status").and_then(|status| status.parse::<u16>().ok());
    let status = status.ok_or_else(|| anyhow!("a status that HTTP cannot carry"))?;
    let mut response = Response::builder().status(status).body(Reply { frames, _guard: Some(guard) })?;
    *response.headers_mut() = fields::to_map(&headers);
    response.headers_mut().insert("server", HeaderValue::from_static("envoy"));
    Ok(response)
}

/// The answer to a request that no filter sees.
fn refused(status: StatusCode) -> Result<Response<Reply>> {
    let reply = Reply { frames: Frames::none(), _guard: None };
    // Where the next request would begin, nobody could be sure of.
    let response = Response::builder().status(status).header("server", "envoy").header("connection", "close");
    Ok(response.body(reply)?)
}

/// A response's body.
pub(crate) struct Reply {
    frames: Frames,
    _guard: Option<Guard>,
}

/// Tells the worker when the client has gone.
struct Guard {
    lane: Rc<Lane>,
    stream: u64,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        Pin::new(&mut self.frames).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_end_stream()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.lane.act(|worker| worker.client_gone(self.stream));
    }
}
