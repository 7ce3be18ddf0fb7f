//! The client's address as a key: what proxies say of it, as far as they are trusted.

use palisade_testbed::Request;
use serde_json::{Value, json};

use crate::mesh::Mesh;

/// With one limit on addresses.
fn start(client_ip: &Value) -> Mesh {
    Mesh::with(&json!({
        "client_ip": client_ip,
        "limits": [{"name": "per-client", "key": [{"client_ip": {}}], "rate": "1/1d"}],
        "exempt": [{"cidr": "198.51.100.0/24"}],
    }))
}

/// All addresses below 203.0.0.0: to what a client on loopback sends, Envoy adds the address of its own machine.
fn trusting() -> Value {
    json!({"trusted_cidrs": ["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/5", "200.0.0.0/7", "202.0.0.0/8"]})
}

fn statuses<const N: usize>(mesh: &Mesh, forwarded: [&str; N]) -> [u16; N] {
    forwarded.map(|forwarded| mesh.get(&Request::get("/").header("x-forwarded-for", forwarded)).status)
}

#[test]
fn what_a_client_writes_in_front_of_a_trusted_proxys_word_changes_nothing() {
    let mut mesh = start(&trusting());
    let same = ["203.0.113.7", "203.0.113.7", "203.0.113.9, 203.0.113.7", "::ffff:203.0.113.7"];
    assert_eq!(statuses(&mesh, same), [200, 429, 429, 429]);
    assert_eq!(statuses(&mesh, ["203.0.113.8", "203.0.113.8"]), [200, 429]);
    assert_eq!(statuses(&mesh, ["198.51.100.55"; 3]), [200; 3]);
    // No address: that of the last proxy, which all such requests share.
    assert_eq!(statuses(&mesh, ["unknown", "203.0.113.9, unknown"]), [200, 429]);
    mesh.assert_unharmed();
}

#[test]
fn one_network_of_ipv6_is_one_client() {
    let mut mesh = start(&trusting());
    assert_eq!(statuses(&mesh, ["2001:db8::1", "2001:DB8:0:0:ffff::2", "2001:db8:0:1::1"]), [200, 429, 200]);
    mesh.assert_unharmed();
}

#[test]
fn nobody_is_trusted_who_is_not_named() {
    let mut mesh = start(&json!({}));
    assert_eq!(statuses(&mesh, ["203.0.113.7", "203.0.113.8", "198.51.100.1"]), [200, 429, 429]);
    mesh.assert_unharmed();
}
