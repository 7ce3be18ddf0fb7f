//! Status: how a gRPC call ended that has no answer, and who says so.

use super::GrpcError;
use std::fmt;

/// How much of a status message is kept, in bytes.
const MAX_MESSAGE: usize = 1024;

const OK: u32 = 0;
const DEADLINE_EXCEEDED: u32 = 4;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNAVAILABLE: u32 = 14;

/// A status of gRPC that is not 0.
#[derive(Clone, PartialEq, Eq)]
pub struct GrpcStatus {
    /// The number: 1 to 16, or `u32::MAX` where Envoy could not read it or does not know it.
    pub code: u32,
    /// What the server says about it, up to 1 KiB: any bytes, percent-encoded as they came (gRPC over HTTP/2,
    /// "Status-Message").
    pub message: Vec<u8>,
}

impl GrpcStatus {
    fn new(code: u32, message: &[u8]) -> Self {
        Self { code, message: message.get(..MAX_MESSAGE).unwrap_or(message).to_vec() }
    }

    pub(super) fn is_temporary(&self) -> bool {
        matches!(self.code, RESOURCE_EXHAUSTED | UNAVAILABLE)
    }
}

/// Without the message, which may hold what no log should.
impl fmt::Debug for GrpcStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrpcStatus({}, {} bytes)", self.code, self.message.len())
    }
}

/// Tells a server's status from one that Envoy makes up.
///
/// Envoy puts its response code details behind the message, in braces, or in the place of an empty one. Behind a server's
/// message they are `via_upstream`, so that no server can say the others.
pub(super) fn judge(code: u32, message: &[u8]) -> GrpcError {
    match (code, before(message, b"via_upstream")) {
        (OK, _) => GrpcError::Malformed,
        (DEADLINE_EXCEEDED, _) => GrpcError::Timeout,
        (RESOURCE_EXHAUSTED, Some([])) => GrpcError::TooLong,
        (_, Some(said)) => GrpcError::Status(GrpcStatus::new(code, said)),
        // Of status 14, or 13 where the answer had begun.
        _ if before(message, b"response_timeout").is_some() => GrpcError::Timeout,
        _ if contains(message, b"upstream_reset_") => GrpcError::Unreachable,
        _ => GrpcError::Status(GrpcStatus::new(code, message)),
    }
}

/// What stands before these details, where they are the last thing.
fn before<'a>(message: &'a [u8], details: &[u8]) -> Option<&'a [u8]> {
    match message == details {
        true => Some(&[]),
        false => message.strip_suffix(b"}")?.strip_suffix(details)?.strip_suffix(b"{"),
    }
}

fn contains(message: &[u8], word: &[u8]) -> bool {
    message.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u32, message: &[u8]) -> GrpcError {
        GrpcError::Status(GrpcStatus { code, message: message.to_vec() })
    }

    #[test]
    fn a_servers_status_is_its_own_words() {
        assert_eq!(judge(5, b"no such{via_upstream}"), status(5, b"no such"));
        assert_eq!(judge(5, b"via_upstream"), status(5, b""));
        assert_eq!(judge(3, b"\xFF%zz{via_upstream}"), status(3, b"\xFF%zz"));
        assert_eq!(judge(u32::MAX, b"strange{via_upstream}"), status(u32::MAX, b"strange"));
        assert_eq!(judge(13, b""), status(13, b""));
    }

    #[test]
    fn no_server_can_say_what_the_host_says() {
        for said in [&b"response_timeout"[..], b"{response_timeout}", b"{upstream_reset_x}", b"via_upstream", b"}{"] {
            let message = [said, b"{via_upstream}"].concat();
            assert_eq!(judge(14, &message), status(14, said));
        }
    }

    #[test]
    fn what_the_host_makes_up_is_no_status() {
        assert_eq!(judge(14, b"upstream request timeout{response_timeout}"), GrpcError::Timeout);
        assert_eq!(judge(13, b"response_timeout"), GrpcError::Timeout);
        assert_eq!(judge(4, b"late{via_upstream}"), GrpcError::Timeout);
        assert_eq!(
            judge(14, b"upstream connect error{upstream_reset_before_response_started{remote_reset}}"),
            GrpcError::Unreachable
        );
        assert_eq!(judge(13, b"upstream_reset_after_response_started{remote_reset}"), GrpcError::Unreachable);
        assert_eq!(judge(8, b"via_upstream"), GrpcError::TooLong);
        assert_eq!(judge(8, b"quota{via_upstream}"), status(8, b"quota"));
        assert_eq!(judge(0, b""), GrpcError::Malformed);
    }

    #[test]
    fn a_long_message_is_cut() {
        let message = [&[b'x'; 20_000][..], b"{via_upstream}"].concat();
        assert_eq!(judge(3, &message), status(3, &[b'x'; MAX_MESSAGE]));
    }

    #[test]
    fn only_some_errors_may_pass() {
        let temporary = [8, 14].map(|code| judge(code, b"busy{via_upstream}"));
        assert!(temporary.iter().all(GrpcError::is_temporary));
        assert!(GrpcError::Timeout.is_temporary() && GrpcError::Unreachable.is_temporary());
        for code in (1..=16).filter(|code| ![4, 8, 14].contains(code)) {
            assert!(!judge(code, b"no{via_upstream}").is_temporary(), "{code}");
        }
        assert!(!GrpcError::TooLong.is_temporary());
    }
}
