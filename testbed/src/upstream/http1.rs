//! The upstream's HTTP/1.1 side.

use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Answer, Log, Received, Reset, authority_of};
use crate::message::{Headers, encode_chunk, write_lines};
use crate::wire::{Decoder, Event, Head, Start};

pub(super) async fn serve(mut stream: TcpStream, connection: usize, log: &Log) -> Result<()> {
    let mut decoder = Decoder::requests();
    while let Some(event) = next(&mut stream, &mut decoder).await? {
        if let Event::Head(Head { start: Start::Request { method, target }, headers }) = event {
            let authority = authority_of(&headers);
            let received = Received { authority, headers, ..Received::new(&method, &target, "HTTP/1.1", connection) };
            let (place, plan) = log.begin(received);
            if !plan.is_early() {
                read_body(&mut stream, &mut decoder, log, place).await?;
            }
            let answer = log.answer(place, plan);
            answer.wait().await;
            let body = log.body(place, &answer);
            if !write(&mut stream, &answer, &body, &method).await? {
                stream.set_zero_linger()?;
                return Ok(());
            }
            if answer.is_early() {
                read_body(&mut stream, &mut decoder, log, place).await?;
            }
        }
    }
    Ok(())
}

async fn next(stream: &mut TcpStream, decoder: &mut Decoder) -> Result<Option<Event>> {
    loop {
        if let Some(event) = decoder.next()? {
            return Ok(Some(event));
        }
        let mut bytes = [0; 16 * 1024];
        match stream.read(&mut bytes).await? {
            0 => return decoder.close(),
            length => decoder.feed(&bytes[..length]),
        }
    }
}

async fn read_body(stream: &mut TcpStream, decoder: &mut Decoder, log: &Log, place: usize) -> Result<()> {
    while let Some(event) = next(stream, decoder).await? {
        match event {
            Event::Head(_) => {}
            Event::Data(data) => log.data(place, &data),
            Event::End(trailers) => {
                log.end(place, trailers);
                break;
            }
        }
    }
    Ok(())
}

/// Writes the answer; false where it is to break off.
async fn write(stream: &mut TcpStream, answer: &Answer, body: &[u8], method: &str) -> Result<bool> {
    if answer.resets_at(Reset::BeforeHeaders) {
        return Ok(false);
    }
    let bodyless = method == "HEAD" || matches!(answer.status_code(), 204 | 304);
    let mut bytes = head(answer, body, bodyless);
    if bodyless || answer.resets_at(Reset::AfterHeaders) {
        stream.write_all(&bytes).await?;
        return Ok(!broken_off(answer).await);
    }
    for piece in answer.pieces(body) {
        bytes.extend(if answer.is_chunked() { encode_chunk(piece) } else { piece.to_vec() });
        stream.write_all(&bytes).await?;
        bytes.clear();
        answer.pause().await;
    }
    if broken_off(answer).await {
        return Ok(false);
    }
    if answer.is_chunked() {
        bytes.extend(last_chunk(answer.trailers()));
    }
    stream.write_all(&bytes).await?;
    Ok(true)
}

fn head(answer: &Answer, body: &[u8], bodyless: bool) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {} Answer\r\n", answer.status_code()).into_bytes();
    write_lines(&mut bytes, &answer.head());
    if answer.is_chunked() && !bodyless {
        bytes.extend_from_slice(b"transfer-encoding: chunked\r\n");
    } else if !matches!(answer.status_code(), 204 | 304) {
        bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn last_chunk(trailers: &Headers) -> Vec<u8> {
    let mut bytes = b"0\r\n".to_vec();
    write_lines(&mut bytes, trailers);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Whether the answer is to break off now. A reset discards what the peer has not read yet, so the peer may read first.
async fn broken_off(answer: &Answer) -> bool {
    let broken = answer.resets_at(Reset::AfterHeaders) || answer.resets_at(Reset::MidBody);
    if broken {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    broken
}
