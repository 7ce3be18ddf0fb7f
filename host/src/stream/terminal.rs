//! The chain's ends: the upstream behind the last filter, the client before the first.

use super::local_reply::local_reply;
use super::reply::LocalReply;
use super::{Direction, Handle, end};
use crate::effect::{Effect, Frame};
use crate::fields::Fields;

/// Headers that have passed all filters.
pub(super) fn headers(stream: &Handle, direction: Direction, end_stream: bool) {
    let Some(headers) = stream.borrow().message(direction).headers.clone() else { return };
    match direction {
        Direction::Request => {
            let forwarded_proto = stream.borrow().forwarded_proto;
            if let Some(reply) = refused(&headers, forwarded_proto) {
                local_reply(stream, reply);
            } else {
                let dispatched = {
                    let mut exchange = stream.borrow_mut();
                    exchange.dispatched = exchange.dispatched.saturating_add(1);
                    exchange.dispatched
                };
                stream.borrow_mut().request_sent = false;
                to_upstream(stream, dispatched, Frame::Headers(headers, end_stream), end_stream);
            }
        }
        Direction::Response => {
            let status =
                headers.get(":status").and_then(|status| std::str::from_utf8(status).ok()?.parse::<u32>().ok());
            if status.is_none() {
                local_reply(stream, LocalReply::no_status());
                return;
            }
            let headers = as_sent(stream, headers);
            to_client(stream, Frame::Headers(headers, end_stream), end_stream);
        }
    }
}

/// A piece of a body that has passed all filters.
pub(super) fn data(stream: &Handle, direction: Direction, data: Vec<u8>, end_stream: bool) {
    match direction {
        Direction::Request => {
            let dispatched = stream.borrow().dispatched;
            to_upstream(stream, dispatched, Frame::Data(data, end_stream), end_stream);
        }
        Direction::Response => {
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            {
                let response = &mut stream.borrow_mut().response;
                response.body_bytes = response.body_bytes.saturating_add(length);
            }
            to_client(stream, Frame::Data(data, end_stream), end_stream);
        }
    }
}

/// Trailers that have passed all filters.
pub(super) fn trailers(stream: &Handle, direction: Direction) {
    let Some(trailers) = stream.borrow().message(direction).trailers.clone() else { return };
    match direction {
        Direction::Request => {
            let dispatched = stream.borrow().dispatched;
            to_upstream(stream, dispatched, Frame::Trailers(trailers), true);
        }
        Direction::Response => to_client(stream, Frame::Trailers(trailers), true),
    }
}

/// What Envoy makes of a response's headers as they go out.
fn as_sent(stream: &Handle, mut headers: Fields) -> Fields {
    let mut exchange = stream.borrow_mut();
    exchange.response_started = true;
    headers.remove("transfer-encoding");
    if headers.get("date").is_none() {
        headers.add("date", exchange.clock.date());
    }
    headers.replace("server", "envoy");
    if !exchange.request.complete && exchange.info.protocol == "HTTP/1.1" {
        headers.replace("connection", "close");
    }
    exchange.response.headers = Some(headers.clone());
    headers
}

/// A filter that goes on more than once passes the end more than once.
fn to_upstream(stream: &Handle, request: u32, frame: Frame, last: bool) {
    let mut exchange = stream.borrow_mut();
    if !exchange.request_sent {
        exchange.request_sent = last;
        exchange.effect(Effect::Upstream { stream: exchange.id, request, frame });
    }
}

fn to_client(stream: &Handle, frame: Frame, last: bool) {
    {
        let mut exchange = stream.borrow_mut();
        exchange.response_sent |= last;
        exchange.effect(Effect::Downstream { stream: exchange.id, frame });
    }
    if last {
        end(stream);
    }
}

fn refused(headers: &Fields, forwarded_proto: bool) -> Option<LocalReply> {
    if headers.get(":path").is_none() || forwarded_proto && headers.get("x-forwarded-proto").is_none() {
        return Some(LocalReply::no_route());
    }
    if headers.get(":method").is_none() {
        return Some(LocalReply::missing_request_header(":method"));
    }
    headers.iter().find_map(|(name, value)| {
        let text = String::from_utf8_lossy(name);
        if name.is_empty() {
            // It goes as far as the upstream's codec.
            return Some(LocalReply::upstream_reset());
        }
        if !valid_name(name) {
            return Some(LocalReply::invalid_request_header(&format!("invalid header name: {text}")));
        }
        let invalid = value.iter().any(|byte| b"\r\n\0".contains(byte));
        invalid.then(|| LocalReply::invalid_request_header(&format!("invalid header value for: {text}")))
    })
}

fn valid_name(name: &[u8]) -> bool {
    let name = name.strip_prefix(b":").unwrap_or(name);
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}
