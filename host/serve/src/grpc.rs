//! gRPC on the wire: messages with their length in front of them.

/// A message in its frame, not compressed.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), message].concat()
}

/// Bytes as they come, out of which messages are taken.
#[derive(Default)]
pub(crate) struct Messages(Vec<u8>);

/// A message that is compressed, though nobody asked for that.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Compressed;

impl Messages {
    /// Adds bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next message, once it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, Compressed> {
        let Some((head, rest)) = self.0.split_first_chunk::<5>() else { return Ok(None) };
        let [flags, length @ ..] = *head;
        if flags != 0 {
            return Err(Compressed);
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        let Some((message, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        let (message, rest) = (message.to_vec(), rest.to_vec());
        self.0 = rest;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_however_their_bytes_come_in() {
        let bytes = [framed(b"one"), framed(b""), framed(b"two")].concat();
        for size in 1..bytes.len() {
            let (mut messages, mut seen) = (Messages::default(), Vec::new());
            for piece in bytes.chunks(size) {
                messages.push(piece);
                while let Some(message) = messages.next().unwrap() {
                    seen.push(message);
                }
            }
            assert_eq!(seen, [&b"one"[..], b"", b"two"], "{size}");
        }
    }

    #[test]
    fn a_compressed_message_is_none() {
        let mut messages = Messages::default();
        messages.push(&[1, 0, 0, 0, 0]);
        assert_eq!(messages.next(), Err(Compressed));
    }
}
