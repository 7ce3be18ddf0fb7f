//! Local replies: the client is answered here, in the upstream's place.

use super::reply::{LocalReply, grpc_status};
use super::{Direction, Handle, abort, pass_data, pass_headers, terminal};
use crate::fields::Fields;

/// Answers the client: through the filters while there is no response, past them while it has not gone out, and by
/// breaking the stream off after that.
pub(crate) fn local_reply(stream: &Handle, reply: LocalReply) {
    let (over, response_begun, response_started) = {
        let exchange = stream.borrow();
        (exchange.ended || exchange.response_sent, exchange.response.headers.is_some(), exchange.response_started)
    };
    if over {
        return;
    }
    if response_started {
        stream.borrow_mut().info.details = Some(reply.details);
        abort(stream);
        return;
    }
    let (headers, body) = message(stream, &reply);
    let end_stream = body.is_empty();
    {
        let mut exchange = stream.borrow_mut();
        exchange.replied = true;
        exchange.info.details = Some(reply.details);
        exchange.response.headers = Some(headers);
        exchange.response.trailers = None;
        exchange.response.complete = true;
    }
    if response_begun {
        terminal::headers(stream, Direction::Response, end_stream);
        if !end_stream && !stream.borrow().ended {
            terminal::data(stream, Direction::Response, body, true);
        }
        return;
    }
    pass_headers(stream, Direction::Response, 0, end_stream);
    if !end_stream && !stream.borrow().ended {
        pass_data(stream, Direction::Response, 0, body, true);
    }
}

fn message(stream: &Handle, reply: &LocalReply) -> (Fields, Vec<u8>) {
    let exchange = stream.borrow();
    let mut headers = Fields::new();
    headers.replace(":status", reply.status.to_string());
    for (name, value) in reply.headers.iter() {
        headers.add(name, value);
    }
    if exchange.is_grpc() {
        headers.replace(":status", "200");
        headers.replace("content-type", "application/grpc");
        let status = reply.grpc_status.unwrap_or_else(|| grpc_status(reply.status));
        headers.replace("grpc-status", status.to_string());
        if !reply.body.is_empty() {
            headers.replace("grpc-message", percent_encoded(&reply.body));
        }
        return (headers, Vec::new());
    }
    if reply.body.is_empty() {
        headers.remove("content-length");
    } else {
        headers.replace("content-length", reply.body.len().to_string());
        if headers.get("content-type").is_none() {
            headers.add("content-type", "text/plain");
        }
    }
    let body = if exchange.is_head() { Vec::new() } else { reply.body.clone() };
    (headers, body)
}

fn percent_encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b' '..=b'~' if *byte != b'%' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
