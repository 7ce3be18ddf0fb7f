//! gRPC over HTTP/2: messages in their frames, and the answers of a server, right and wrong.

use crate::Answer;

/// The length of what stands before a message: one byte of flags and the message's length.
const PREFIX: usize = 5;

/// A message in its frame; `compressed` sets the flag and compresses nothing.
pub fn frame(message: impl AsRef<[u8]>, compressed: bool) -> Vec<u8> {
    let message = message.as_ref();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[u8::from(compressed)], length.to_be_bytes().as_slice(), message].concat()
}

/// The messages of a body, as far as they are whole.
pub fn messages(mut body: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some(prefix) = body.first_chunk::<PREFIX>() {
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        let Some(message) = body.get(PREFIX..PREFIX + length) else { break };
        messages.push(message.to_vec());
        body = &body[PREFIX + length..];
    }
    messages
}

/// An answer whose headers are those of gRPC and whose body is given as it goes over the wire; status and message are
/// for its trailers to say.
pub fn raw(body: impl AsRef<[u8]>) -> Answer {
    Answer::with_status(200).header("content-type", "application/grpc").body(body)
}

/// A message with status 0.
pub fn ok(message: impl AsRef<[u8]>) -> Answer {
    raw(frame(message, false)).trailer("grpc-status", "0")
}

/// A status without a message: headers alone, as most servers write an error ("Trailers-Only").
pub fn status(code: impl ToString, message: impl AsRef<[u8]>) -> Answer {
    raw("").header("grpc-status", code.to_string()).header("grpc-message", message).headers_only()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_from_their_frames_as_far_as_they_are_whole() {
        let body = [frame("ab", false), frame("", true), frame("cde", false)].concat();
        assert_eq!(messages(&body), [&b"ab"[..], b"", b"cde"]);
        assert_eq!(messages(&body[..body.len() - 1]).len(), 2);
    }
}
