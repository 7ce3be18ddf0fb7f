//! `parent.trust`: whose traces are continued, by address and by certificate.

use palisade_testbed::envoy::config::set_cluster_address;
use palisade_testbed::{Envoy, Request, http1};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use serde_json::{Value, json};

use crate::mesh::{Mesh, PLUGIN, VERSIONS, edit_manager};
use crate::trace::{Trace, traceparent};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn configuration(trust: Value) -> Value {
    json!({"parent": {"trust": trust}, "default": {"sample": "0%"}})
}

/// A sampled parent, whose decision counts where it is trusted.
fn request() -> Request {
    Request::get("/").header("traceparent", traceparent(TRACE_ID, "01")).header("tracestate", "foo=1")
}

fn assert_trusted(response: &palisade_testbed::Response, trusted: bool, case: &str) {
    let trace = Trace::of(response);
    assert_eq!(trace.trace_id == TRACE_ID, trusted, "{case}");
    let expected = if trusted { ("01", "foo=1") } else { ("02", "") };
    assert_eq!((&*trace.flags, &*trace.state), expected, "{case}");
}

/// Without `use_remote_address` Envoy takes the address in `x-forwarded-for` for the caller's, which anybody can write.
#[test]
fn x_forwarded_for_makes_nobody_trusted() {
    for use_remote_address in [false, true] {
        let mesh = with_remote_address(use_remote_address, "10.0.0.0/8");
        for (version, exchange) in VERSIONS {
            for forwarded in ["10.0.0.1", "192.0.2.1, 10.0.0.1", "10.0.0.1, 127.0.0.1", "10.0.0.1:80", "nobody"] {
                let response = exchange(mesh.addr(), &request().header("x-forwarded-for", forwarded)).unwrap();
                let case = format!("{version}, {forwarded}, use_remote_address: {use_remote_address}");
                assert_trusted(&response, false, &case);
            }
        }
    }
}

#[test]
fn a_trusted_caller_may_speak_for_others() {
    let mesh = with_remote_address(true, "127.0.0.0/8");
    for forwarded in ["192.0.2.1", "10.0.0.1, 192.0.2.1", "nobody"] {
        assert_trusted(&mesh.get(&request().header("x-forwarded-for", forwarded)), true, forwarded);
    }
}

fn with_remote_address(use_remote_address: bool, cidr: &str) -> Mesh {
    let mesh = Mesh::start(|builder| {
        builder.plugin_configuration(PLUGIN, &configuration(json!({"cidrs": [cidr]})))?.edit(|bootstrap| {
            edit_manager(bootstrap, |manager| manager["use_remote_address"] = json!(use_remote_address))
        })
    });
    mesh.unwrap()
}

#[test]
fn a_caller_is_trusted_by_the_uri_in_its_certificate() {
    let authority = Authority::new();
    let server = authority.issue(SanType::DnsName("localhost".try_into().unwrap()));
    let mesh = Mesh::start(|builder| {
        let trust = json!({"principals": ["spiffe://cluster.local/ns/shop/*", "spiffe://cluster.local/gateway"]});
        builder.plugin_configuration(PLUGIN, &configuration(trust))?.edit(|bootstrap| {
            bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"] = json!({
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                    "require_client_certificate": true,
                    "common_tls_context": authority.context(&server),
                },
            });
            Ok(())
        })
    })
    .unwrap();
    for (uri, trusted) in [
        ("spiffe://cluster.local/ns/shop/sa/web", true),
        ("spiffe://cluster.local/gateway", true),
        ("spiffe://cluster.local/gateway2", false),
        ("spiffe://cluster.local/ns/shopping/sa/web", false),
        ("spiffe://elsewhere/ns/shop/sa/web", false),
    ] {
        let client = authority.issue(SanType::URI(uri.try_into().unwrap()));
        let caller = caller(&authority.context(&client), mesh.addr());
        let response = http1::exchange(caller.addr("ingress").unwrap(), &request()).unwrap();
        assert_trusted(&response, trusted, uri);
    }
}

/// An Envoy that calls `target` with a certificate, and has no filter.
fn caller(context: &Value, target: std::net::SocketAddr) -> Envoy {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "route_config": {"virtual_hosts": [{
            "name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "target"}}],
        }]},
        "http_filters": [{"name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        }}],
    });
    let mut bootstrap = json!({"static_resources": {
        "listeners": [{
            "name": "ingress",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
        }],
        "clusters": [{
            "name": "target",
            "load_assignment": {"cluster_name": "target", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}}},
            ]}]},
            "transport_socket": {
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                    "sni": "localhost",
                    "common_tls_context": context,
                },
            },
        }],
    }});
    set_cluster_address(&mut bootstrap, "target", target).unwrap();
    Envoy::from_value(bootstrap).concurrency(1).start().unwrap()
}

/// A certificate authority for both sides.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::default();
        // Another name than that of the certificates, which would pass for self-signed otherwise.
        parameters.distinguished_name.push(DnType::CommonName, "authority");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, name: SanType) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.subject_alt_names.push(name);
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Envoy's `CommonTlsContext`: who it is, and that it wants the same authority from its peer.
    fn context(&self, identity: &Identity) -> Value {
        json!({
            "tls_certificates": [{
                "certificate_chain": {"inline_string": identity.certificate},
                "private_key": {"inline_string": identity.key},
            }],
            "validation_context": {"trusted_ca": {"inline_string": self.0.pem()}},
        })
    }
}
