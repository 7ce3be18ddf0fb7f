//! Host names, and patterns of them.

use crate::config::{FromConfig, Node};

/// The host in an authority: without port, without a trailing dot.
///
/// `example.com:8080` and `example.com.` are the host `example.com`, `[::1]:80` is `[::1]`.
pub(super) fn of_authority(authority: &[u8]) -> &[u8] {
    let colon = authority.iter().rposition(|byte| *byte == b':');
    let host = match colon.and_then(|at| authority.split_at_checked(at)) {
        Some((host, port)) if port.iter().skip(1).all(u8::is_ascii_digit) && !is_inside_brackets(host) => host,
        _ => authority,
    };
    host.strip_suffix(b".").unwrap_or(host)
}

/// A host name, or `*.` and a domain: every name below that domain, at any depth, but not the domain itself.
#[derive(Debug, Clone)]
pub(super) enum HostPattern {
    Exact(String),
    /// Holds the domain with a dot before it.
    Below(String),
}

impl HostPattern {
    pub(super) fn matches(&self, host: &[u8]) -> bool {
        match self {
            Self::Exact(name) => host.eq_ignore_ascii_case(name.as_bytes()),
            Self::Below(domain) => {
                let start = host.len().checked_sub(domain.len()).filter(|start| *start > 0);
                let end = start.and_then(|start| host.get(start..));
                end.is_some_and(|end| end.eq_ignore_ascii_case(domain.as_bytes()))
            }
        }
    }
}

impl FromConfig for HostPattern {
    fn from_config(node: Node<'_>) -> Option<Self> {
        const EXPECTED: &str = "a host name such as \"example.com\" or \"*.example.com\"";
        let text = node.text(EXPECTED)?;
        let (wildcard, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_address = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).filter(|_| !wildcard);
        let valid = match address {
            Some(address) => !address.is_empty() && address.bytes().all(is_address),
            None => !name.starts_with('.') && !name.ends_with('.') && !name.is_empty() && name.bytes().all(is_name),
        };
        match (valid, wildcard) {
            (false, _) => node.malformed(&[EXPECTED, ", without port"].concat()),
            (true, false) => Some(Self::Exact(name.to_owned())),
            (true, true) => Some(Self::Below([".", name].concat())),
        }
    }
}

fn is_inside_brackets(before_colon: &[u8]) -> bool {
    before_colon.starts_with(b"[") && !before_colon.ends_with(b"]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn pattern(text: &str) -> Option<HostPattern> {
        config::parse(&serde_json::to_vec(text).unwrap()).ok()
    }

    #[test]
    fn a_host_has_no_port_and_no_trailing_dot() {
        let cases: [(&[u8], &[u8]); 10] = [
            (b"example.com", b"example.com"),
            (b"example.com:8080", b"example.com"),
            (b"example.com:", b"example.com"),
            (b"example.com.", b"example.com"),
            (b"example.com.:80", b"example.com"),
            (b"[::1]", b"[::1]"),
            (b"[::1]:80", b"[::1]"),
            (b"example.com:http", b"example.com:http"),
            (b"", b""),
            (b":80", b""),
        ];
        for (authority, host) in cases {
            assert_eq!(of_authority(authority), host, "{}", authority.escape_ascii());
        }
    }

    #[test]
    fn hosts_are_compared_without_case() {
        assert!(pattern("Example.com").unwrap().matches(b"eXample.COM"));
        assert!(!pattern("example.com").unwrap().matches(b"www.example.com"));
    }

    #[test]
    fn a_wildcard_is_every_name_below_its_domain() {
        let below = pattern("*.example.com").unwrap();
        assert!(below.matches(b"www.example.com"));
        assert!(below.matches(b"a.b.EXAMPLE.com"));
        assert!(!below.matches(b"example.com"));
        assert!(!below.matches(b".example.com"));
        assert!(!below.matches(b"badexample.com"));
    }

    #[test]
    fn what_no_host_can_be_is_refused() {
        for text in
            ["", "*", "*.", "*.*.com", "a*.com", "example.com:80", "http://example.com", "a b", ".com", "com.", "[]"]
        {
            assert!(pattern(text).is_none(), "{text:?}");
        }
    }
}
