//! The upstream's HTTP/2 side.

use std::future::poll_fn;

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Answer, Log, Received, Reset};
use crate::message::Headers;

pub(super) async fn serve(stream: TcpStream, connection: usize, log: &std::sync::Arc<Log>) -> Result<()> {
    let mut peer = h2::server::handshake(stream).await?;
    let mut streams = JoinSet::new();
    while let Some(accepted) = peer.accept().await {
        let (request, respond) = accepted?;
        let log = std::sync::Arc::clone(log);
        streams.spawn(async move { exchange(request, respond, connection, &log).await });
        while streams.try_join_next().is_some() {}
    }
    Ok(())
}

async fn exchange(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    connection: usize,
    log: &Log,
) -> Result<()> {
    let (head, mut body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("*", |path| path.as_str());
    let received = Received {
        authority: head.uri.authority().map(ToString::to_string).unwrap_or_default(),
        headers: from_map(&head.headers),
        ..Received::new(head.method.as_str(), path, "HTTP/2", connection)
    };
    let (place, plan) = log.begin(received);
    if !plan.is_early() {
        read_body(&mut body, log, place).await?;
    }
    let answer = log.answer(place, plan);
    tokio::select! {
        () = answer.wait() => {}
        Ok(_) = poll_fn(|context| respond.poll_reset(context)) => {
            log.cancel(place);
            return Ok(());
        }
    }
    let answer_body = log.body(place, &answer);
    if answer.resets_at(Reset::BeforeHeaders) {
        respond.send_reset(Reason::INTERNAL_ERROR);
        return Ok(());
    }
    write(&mut respond, &answer, &answer_body, head.method == http::Method::HEAD).await?;
    if answer.is_early() {
        read_body(&mut body, log, place).await?;
    }
    Ok(())
}

async fn read_body(body: &mut RecvStream, log: &Log, place: usize) -> Result<()> {
    while let Some(data) = body.data().await {
        let data = data?;
        log.data(place, &data);
        body.flow_control().release_capacity(data.len())?;
    }
    let trailers = body.trailers().await?;
    log.end(place, trailers.as_ref().map(from_map).unwrap_or_default());
    Ok(())
}

async fn write(respond: &mut SendResponse<Bytes>, answer: &Answer, body: &[u8], to_head: bool) -> Result<()> {
    let bodyless = to_head || answer.is_headers_only() || matches!(answer.status_code(), 204 | 304);
    let mut head = Response::builder().status(answer.status_code());
    for (name, value) in answer.head().iter() {
        head = head.header(name, value);
    }
    if !answer.is_chunked() && !answer.is_headers_only() && !matches!(answer.status_code(), 204 | 304) {
        head = head.header("content-length", body.len());
    }
    let mut stream = respond.send_response(head.body(())?, bodyless)?;
    if bodyless {
        return Ok(());
    }
    let pieces = if answer.resets_at(Reset::AfterHeaders) { Vec::new() } else { answer.pieces(body) };
    let broken = answer.resets_at(Reset::AfterHeaders) || answer.resets_at(Reset::MidBody);
    let data_ends = !broken && answer.trailers().is_empty();
    for (place, piece) in pieces.iter().enumerate() {
        send_data(&mut stream, piece, data_ends && place + 1 == pieces.len()).await?;
        answer.pause().await;
    }
    if broken {
        // What is queued goes out before the reset only once the connection has been polled.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        stream.send_reset(Reason::INTERNAL_ERROR);
    } else if !data_ends {
        stream.send_trailers(to_map(answer.trailers())?)?;
    } else if pieces.is_empty() {
        stream.send_data(Bytes::new(), true)?;
    }
    Ok(())
}

/// Sends data as far as flow control allows it, in as few frames as it takes; the last one may end the stream.
pub(crate) async fn send_data(stream: &mut SendStream<Bytes>, mut data: &[u8], end_stream: bool) -> Result<()> {
    loop {
        if data.is_empty() {
            return Ok(stream.send_data(Bytes::new(), end_stream)?);
        }
        stream.reserve_capacity(data.len());
        let capacity = poll_fn(|context| stream.poll_capacity(context)).await;
        let capacity = capacity.context("the stream was closed by the peer")??.min(data.len());
        let (now, later) = data.split_at(capacity);
        stream.send_data(Bytes::copy_from_slice(now), end_stream && later.is_empty())?;
        if later.is_empty() {
            return Ok(());
        }
        data = later;
    }
}

pub(crate) fn from_map(map: &HeaderMap) -> Headers {
    map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

pub(crate) fn to_map(headers: &Headers) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter() {
        map.append(http::HeaderName::from_bytes(name)?, http::HeaderValue::from_bytes(value)?);
    }
    Ok(map)
}
