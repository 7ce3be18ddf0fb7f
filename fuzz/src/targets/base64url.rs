//! Base64url, in which tokens are written.

use palisade_auth::base64url::{decode, encode};

use super::Target;

/// The target.
pub const TARGET: Target = Target { name: "base64url", words: &["=", "-", "_", "+", "/", "A", "Zg", "\n", "."], run };

/// Holds that each text has one writing, and that every writing of bytes is read.
pub fn run(data: &[u8]) {
    if let Some(bytes) = decode(data) {
        assert_eq!(encode(&bytes).as_bytes(), data, "two writings mean the same bytes");
    }
    assert_eq!(decode(encode(data).as_bytes()).as_deref(), Some(data));
}
