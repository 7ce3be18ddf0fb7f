//! The address of the client, and ranges of addresses.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::{Attributes, Field};
use crate::config::{FromConfig, FromFields, Node, Object};

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Which address counts as the client's: the field `client_ip` of a filter's config.
///
/// By default it is the peer's, as Envoy gives it in the property `source.address`; that is already the client's where
/// Envoy's own `xff_num_trusted_hops` or original IP detection is set up. `x-forwarded-for` is read only as far as
/// proxies in front of Envoy are trusted, from its right end, where each proxy has added the address of its peer.
/// Envoy itself adds its peer there (`use_remote_address`); a last entry that is the peer is therefore not counted.
#[derive(Debug, Clone)]
pub struct ClientIp {
    trust: Trust,
    ipv6_prefix: u32,
}

#[derive(Debug, Clone)]
enum Trust {
    Nobody,
    /// So many proxies stand in front of Envoy.
    Hops(u64),
    /// Addresses of proxies; the client is the first address that is not among them.
    Proxies(Vec<Cidr>),
}

/// A range of addresses such as `10.0.0.0/8`, or one address. Bits after the prefix do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u32,
}

// === impl ClientIp ===

impl ClientIp {
    /// The client's address; IPv4-mapped IPv6 addresses are returned as IPv4.
    ///
    /// It is absent where the peer has no IP address, such as on a Unix socket. Where a proxy that is trusted wrote
    /// something that is no address, or fewer addresses than there are hops, it is the last address known for certain:
    /// the peer's for `trusted_hops`, the trusted proxy's for `trusted_cidrs`.
    ///
    /// # Errors
    ///
    /// When the host refuses to answer.
    pub fn resolve<A: Attributes>(&self, attributes: &A) -> Result<Field<IpAddr>, A::Error> {
        let peer = attributes.property(&["source", "address"])?;
        let Some(peer) = peer.and_then(|peer| parse_address(&peer)) else {
            return Ok(Field::Absent);
        };
        if let Trust::Nobody = self.trust {
            return Ok(Field::One(peer));
        }
        Ok(match attributes.header(X_FORWARDED_FOR)? {
            Field::Absent => Field::One(peer),
            Field::One(forwarded) => Field::One(self.walk(peer, &forwarded)),
            Field::Many => Field::Many,
        })
    }

    /// The address for use in a key: IPv6 addresses are cut to `ipv6_prefix` bits, since one client has many.
    pub fn key(&self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shr(self.ipv6_prefix).map_or(u128::MAX, |rest| !rest);
                Ipv6Addr::from_bits(v6.to_bits() & mask).into()
            }
        }
    }

    fn walk(&self, peer: IpAddr, forwarded: &[u8]) -> IpAddr {
        let mut entries =
            forwarded.rsplit(|byte| *byte == b',').map(|entry| parse_address(entry.trim_ascii())).peekable();
        entries.next_if_eq(&Some(peer));
        match &self.trust {
            Trust::Nobody => peer,
            Trust::Hops(hops) => {
                let mut client = peer;
                for _ in 0..*hops {
                    match entries.next() {
                        Some(Some(address)) => client = address,
                        _ => return peer,
                    }
                }
                client
            }
            Trust::Proxies(proxies) => {
                let mut client = peer;
                while proxies.iter().any(|proxy| proxy.contains(client)) {
                    match entries.next() {
                        Some(Some(address)) => client = address,
                        _ => break,
                    }
                }
                client
            }
        }
    }
}

impl Default for ClientIp {
    fn default() -> Self {
        Self { trust: Trust::Nobody, ipv6_prefix: 64 }
    }
}

impl FromFields for ClientIp {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let hops = object.optional_with("trusted_hops", |node| node.integer(1..=32));
        let proxies = object.optional_with("trusted_cidrs", |node| node.non_empty_list(Cidr::from_config));
        let ipv6_prefix = object
            .optional_with("ipv6_prefix", |node| node.integer(1..=128).and_then(|prefix| u32::try_from(prefix).ok()));
        let trust = match (hops?, proxies?) {
            (Some(_), Some(_)) => {
                return object.error("give either \"trusted_hops\" or \"trusted_cidrs\", not both");
            }
            (Some(hops), None) => Trust::Hops(hops),
            (None, Some(proxies)) => Trust::Proxies(proxies),
            (None, None) => Trust::Nobody,
        };
        Some(Self { trust, ipv6_prefix: ipv6_prefix?.unwrap_or(64) })
    }
}

// === impl Cidr ===

impl Cidr {
    /// Whether the address lies in the range. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (differing, width) = match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => (u128::from(network.to_bits() ^ address.to_bits()), 32_u32),
            (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits() ^ address.to_bits(), 128),
            _ => return false,
        };
        differing.checked_shr(width.saturating_sub(self.prefix)).unwrap_or(0) == 0
    }

    fn parse(text: &str) -> Option<Self> {
        let (network, prefix) = text.split_once('/').map_or((text, None), |(network, prefix)| (network, Some(prefix)));
        let network: IpAddr = network.parse().ok()?;
        if network != network.to_canonical() {
            return None;
        }
        let width = if network.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.len() <= 3 && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().ok()?
            }
            Some(_) => return None,
            None => width,
        };
        (prefix <= width).then_some(Self { network, prefix })
    }
}

impl FromConfig for Cidr {
    fn from_config(node: Node<'_>) -> Option<Self> {
        const EXPECTED: &str = "a range of addresses such as \"10.0.0.0/8\" or \"2001:db8::/32\", or one address";
        let text = node.text(EXPECTED)?;
        Self::parse(text).or_else(|| node.malformed(EXPECTED))
    }
}

/// An address alone or with a port: `10.0.0.1`, `10.0.0.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).filter(|text| text.contains(':'));
    let address = bare.unwrap_or(text).parse::<IpAddr>();
    let address = address.or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests;
