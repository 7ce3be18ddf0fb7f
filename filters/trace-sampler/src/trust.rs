//! Which callers may name a trace and decide about it.

use palisade_sdk::{
    config::{FromConfig, FromFields, Node, Object},
    matching::{Attributes, Cidr, ClientIp, Field},
};

const PRINCIPAL: &[&str] = &["connection", "uri_san_peer_certificate"];

/// The callers whose trace context is taken up: by address or by the identity in their certificate.
#[derive(Clone, Debug)]
pub struct Trust {
    cidrs: Vec<Cidr>,
    principals: Vec<Principal>,
}

/// The URI in a peer's certificate: `spiffe://cluster.local/ns/shop/sa/web`, or the beginning of one and a `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Principal {
    Exact(String),
    Prefix(String),
}

impl Trust {
    /// Whether the peer of this request is one of the trusted callers.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub fn admits<A: Attributes>(&self, request: &A) -> Result<bool, A::Error> {
        if !self.cidrs.is_empty()
            && !is_forwarded(request)?
            && let Field::One(peer) = ClientIp::default().resolve(request)?
            && self.cidrs.iter().any(|cidr| cidr.contains(peer))
        {
            return Ok(true);
        }
        if self.principals.is_empty() {
            return Ok(false);
        }
        let presented = request.property(PRINCIPAL)?;
        Ok(presented.is_some_and(|presented| self.principals.iter().any(|principal| principal.is(&presented))))
    }
}

/// Whether Envoy has taken the address from `x-forwarded-for`, as it does unless `use_remote_address` is set: it then
/// has port 0, which no peer has (measured on 1.40).
fn is_forwarded<A: Attributes>(request: &A) -> Result<bool, A::Error> {
    Ok(request.property(&["source", "address"])?.is_some_and(|address| address.ends_with(b":0")))
}

impl FromFields for Trust {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        if object.is_empty() {
            return object.error("expected \"cidrs\" or \"principals\"; to trust nobody, write an empty list");
        }
        let cidrs = object.optional("cidrs");
        let principals = object.optional("principals");
        Some(Self { cidrs: cidrs?.unwrap_or_default(), principals: principals?.unwrap_or_default() })
    }
}

impl Principal {
    fn is(&self, presented: &[u8]) -> bool {
        match self {
            Self::Exact(uri) => presented == uri.as_bytes(),
            Self::Prefix(prefix) => presented.starts_with(prefix.as_bytes()),
        }
    }
}

impl FromConfig for Principal {
    fn from_config(node: Node<'_>) -> Option<Self> {
        const EXPECTED: &str = "a URI such as \"spiffe://cluster.local/ns/shop/*\", with a \"*\" at most at its end";
        let text = node.text(EXPECTED)?;
        match text.strip_suffix('*') {
            _ if text.is_empty() => node.expected(EXPECTED),
            Some(prefix) if !prefix.contains('*') => Some(Self::Prefix(prefix.to_owned())),
            None if !text.contains('*') => Some(Self::Exact(text.to_owned())),
            _ => node.malformed(EXPECTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use palisade_sdk::config;

    use super::*;
    use crate::fake::Request;

    fn trust(json: &str) -> Trust {
        config::parse(json.as_bytes()).unwrap()
    }

    fn errors(json: &str) -> String {
        config::parse::<Trust>(json.as_bytes()).unwrap_err().to_string()
    }

    fn from(address: &str) -> Request {
        Request::default().property("source.address", address)
    }

    fn identified(uri: &str) -> Request {
        from("203.0.113.9:1234").property("connection.uri_san_peer_certificate", uri)
    }

    #[test]
    fn a_peer_is_trusted_by_its_address() {
        let trust = trust(r#"{"cidrs": ["10.0.0.0/8", "2001:db8::/32"]}"#);
        assert_eq!(trust.admits(&from("10.1.2.3:4567")), Ok(true));
        assert_eq!(trust.admits(&from("[2001:db8::1]:4567")), Ok(true));
        assert_eq!(trust.admits(&from("11.1.2.3:4567")), Ok(false));
        assert_eq!(trust.admits(&Request::default()), Ok(false), "a peer without an address");
    }

    #[test]
    fn forwarded_addresses_count_for_nothing() {
        let trust = trust(r#"{"cidrs": ["10.0.0.0/8"]}"#);
        assert_eq!(trust.admits(&from("11.1.2.3:4567").header("x-forwarded-for", "10.1.2.3")), Ok(false));
        assert_eq!(trust.admits(&from("10.1.2.3:0")), Ok(false), "Envoy has taken it from the header");
    }

    #[test]
    fn a_peer_is_trusted_by_its_certificate() {
        let trust = trust(r#"{"principals": ["spiffe://cluster.local/*", "spiffe://other/ns/edge/sa/gateway"]}"#);
        assert_eq!(trust.admits(&identified("spiffe://cluster.local/ns/shop/sa/web")), Ok(true));
        assert_eq!(trust.admits(&identified("spiffe://other/ns/edge/sa/gateway")), Ok(true));
        assert_eq!(trust.admits(&identified("spiffe://other/ns/edge/sa/gateway2")), Ok(false));
        assert_eq!(trust.admits(&identified("spiffe://cluster.local.evil/ns/shop")), Ok(false));
        assert_eq!(trust.admits(&from("203.0.113.9:1234")), Ok(false), "a peer without a certificate");
    }

    #[test]
    fn address_or_certificate_is_enough() {
        let trust = trust(r#"{"cidrs": ["10.0.0.0/8"], "principals": ["spiffe://cluster.local/*"]}"#);
        assert_eq!(trust.admits(&from("10.1.2.3:4567")), Ok(true));
        assert_eq!(trust.admits(&identified("spiffe://cluster.local/ns/shop/sa/web")), Ok(true));
        assert_eq!(trust.admits(&identified("spiffe://other/ns/shop/sa/web")), Ok(false));
    }

    #[test]
    fn an_empty_list_trusts_nobody() {
        assert_eq!(trust(r#"{"cidrs": []}"#).admits(&identified("spiffe://cluster.local/x")), Ok(false));
    }

    #[test]
    fn what_trusts_by_nothing_or_by_a_pattern_is_refused() {
        assert!(errors("{}").contains("to trust nobody, write an empty list"));
        for principal in ["", "spiffe://*/ns/shop", "spiffe://a/**"] {
            let errors = errors(&format!(r#"{{"principals": ["{principal}"]}}"#));
            assert!(errors.starts_with("principals[0]: expected a URI"), "{errors}");
        }
    }
}
