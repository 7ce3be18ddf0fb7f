//! The field `cost` of a limit: how much one request takes.

use palisade_sdk::config::{FromConfig, FromFields, Node, Object, Size};
use palisade_sdk::matching::Selector;

/// The most that a count in a slot can be.
pub(super) const MOST_COUNTED: u64 = u32::MAX as u64;

/// How much one request takes.
#[derive(Clone, Debug)]
pub(crate) enum Cost {
    /// 1.
    One,
    /// As the request says.
    Request { value: Selector, default: u64, max: u64 },
    /// As a header of the response says.
    ResponseHeader { name: String, default: u64, max: u64 },
    /// 1 for so many bytes of the response's body.
    ResponseBytes { per: u64, max: u64 },
}

// === impl Cost ===

impl Cost {
    /// Whether it is known only after the response.
    pub(crate) fn is_after(&self) -> bool {
        matches!(self, Self::ResponseHeader { .. } | Self::ResponseBytes { .. })
    }
}

impl FromFields for Cost {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let max = object.or("max", counted, MOST_COUNTED);
        let (of_header, of_bytes) = (object.has("response_header"), object.has("response_bytes"));
        let per = object.or("response_bytes", bytes, 1);
        let name = object.or("response_header", response_header, String::new());
        if of_header && of_bytes {
            return object.error("expected \"response_header\" or \"response_bytes\", found both");
        }
        if of_bytes {
            return Some(Self::ResponseBytes { per, max });
        }
        let default = object.or("default", counted_or_none, 1);
        if of_header {
            return Some(Self::ResponseHeader { name, default, max });
        }
        let value = Selector::from_fields(object);
        if default == 0 {
            return object.error_at("default", "expected at least 1: a request that costs nothing is not limited");
        }
        Some(Self::Request { value: value?, default, max })
    }
}

fn counted(node: Node<'_>) -> Option<u64> {
    node.integer(1..=MOST_COUNTED)
}

fn counted_or_none(node: Node<'_>) -> Option<u64> {
    node.integer(0..=MOST_COUNTED)
}

fn bytes(node: Node<'_>) -> Option<u64> {
    let bytes = Size::from_config(node)?.bytes();
    if bytes > 0 { Some(bytes) } else { node.error("expected at least \"1B\"") }
}

fn response_header(node: Node<'_>) -> Option<String> {
    const EXPECTED: &str = "the name of a header, such as \"x-cost\"";
    let name = node.text(EXPECTED)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_token) {
        Some(name.to_ascii_lowercase())
    } else {
        node.malformed(EXPECTED)
    }
}
