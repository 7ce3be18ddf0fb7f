//! The client's address as a key: what proxies say of it, as far as they are trusted.

use palisade_testbed::Request;
use serde_json::{Value, json};

use crate::mesh::{Mesh, Setup};

/// With one limit on addresses.
fn start(client_ip: &Value) -> Mesh {
    let configuration = json!({
        "client_ip": client_ip,
        "limits": [{"name": "per-client", "key": [{"client_ip": {}}], "rate": "1/1d"}],
        "exempt": [{"cidr": "198.51.100.0/24"}],
    });
    Setup::new(&configuration).forwarded_as_it_comes().start()
}

fn statuses<const N: usize>(mesh: &Mesh, forwarded: [&str; N]) -> [u16; N] {
    forwarded.map(|forwarded| mesh.get(&Request::get("/").header("x-forwarded-for", forwarded)).status)
}

#[test]
fn the_trusted_proxy_has_the_last_word() {
    let mut mesh = start(&json!({"trusted_hops": 1}));
    let same = ["203.0.113.7", "203.0.113.7", "198.51.100.1, 203.0.113.7", "::ffff:203.0.113.7"];
    assert_eq!(statuses(&mesh, same), [200, 429, 429, 429]);
    assert_eq!(statuses(&mesh, ["203.0.113.8", "203.0.113.8"]), [200, 429]);
    assert_eq!(statuses(&mesh, ["198.51.100.55"; 3]), [200; 3]);
    // No address: the peer's, which all such requests share.
    assert_eq!(statuses(&mesh, ["unknown", "203.0.113.9, unknown", ""]), [200, 429, 429]);
    mesh.assert_unharmed();
}

#[test]
fn one_network_of_ipv6_is_one_client() {
    let mut mesh = start(&json!({"trusted_hops": 1, "ipv6_prefix": 64}));
    assert_eq!(statuses(&mesh, ["2001:db8::1", "2001:DB8:0:0:ffff::2", "2001:db8:0:1::1"]), [200, 429, 200]);
    mesh.assert_unharmed();
}

#[test]
fn nobody_is_trusted_who_is_not_named() {
    let mut mesh = start(&json!({}));
    assert_eq!(statuses(&mesh, ["203.0.113.7", "203.0.113.8", "198.51.100.1"]), [200, 429, 429]);
    mesh.assert_unharmed();
}
