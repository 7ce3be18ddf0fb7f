//! Parts of a key that stand in no header: what other filters, the route and proxies say.

use palisade_issuer::Issuer;
use palisade_testbed::{Request, checkout};
use serde_json::{Value, json};

use crate::mesh::{Mesh, Setup};
use crate::times;

fn by(part: Value) -> Value {
    json!({"limits": [{"name": "per-key", "key": [part], "on_missing": "deny", "rate": "1/1d"}]})
}

fn statuses<const N: usize>(mesh: &Mesh, requests: [Request; N]) -> [u16; N] {
    requests.map(|request| mesh.get(&request).status)
}

/// A filter of Envoy's own.
fn filter(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}"));
    json!({"name": name, "typed_config": config})
}

/// The auth filter, which publishes one claim of a token.
fn auth(issuer: &Issuer) -> Value {
    let module = checkout::root().unwrap().join("dist/modules/auth.wasm");
    let provider = json!({
        "issuer": "https://idp.example",
        "jwks": {"inline": {"keys": [issuer.jwk("EdDSA")]}},
        "forward": {"claims": [{"claim": "sub", "header": "x-auth-sub"}]},
    });
    filter(
        "auth",
        "wasm.v3.Wasm",
        json!({"config": {
            "name": "auth",
            "failure_policy": "FAIL_CLOSED",
            "allow_on_headers_stop_iteration": true,
            "vm_config": {"runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": module}}},
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.Struct",
                "value": {
                    "jwt": {"providers": {"main": provider}},
                    "rules": [{"match": {"path": {"exact": "/open"}}, "allow": "anonymous"}],
                    "default": {"require": {"jwt": "main"}},
                },
            },
        }}),
    )
}

#[test]
fn a_claim_is_what_the_auth_filter_has_verified_and_nothing_that_a_client_says() {
    let issuer = Issuer::new();
    let expires = times::now().as_secs() + 3600;
    // Two tokens of one caller: it is the claim that counts.
    let token = |subject: &str, more: u64| {
        let claims = json!({"iss": "https://idp.example", "sub": subject, "exp": expires + more});
        format!("Bearer {}", issuer.token("EdDSA", &json!({"alg": "EdDSA"}), &claims))
    };
    let with = |token: &str| Request::get("/").header("authorization", token);
    let mut mesh = Setup::new(&by(json!({"claim": "sub"}))).behind(auth(&issuer)).start();
    let requests = [with(&token("alice", 0)), with(&token("alice", 1)), with(&token("bob", 0))];
    assert_eq!(statuses(&mesh, requests), [200, 429, 200]);
    let forged =
        Request::get("/open").header("x-auth-sub", "carol").header("wasm.palisade.identity", r#"{"sub":"carol"}"#);
    assert_eq!(mesh.get(&forged).status, 429, "without a claim");
    mesh.assert_unharmed();
}

#[test]
fn filter_state_and_dynamic_metadata_are_what_other_filters_have_set() {
    let state = filter(
        "state",
        "set_filter_state.v3.Config",
        json!({"on_request_headers": [{
            "object_key": "shop.tenant",
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": "%REQ(x-tenant)%"}, "omit_empty_values": true},
            "skip_if_empty": true,
        }]}),
    );
    let metadata = filter(
        "metadata",
        "header_to_metadata.v3.Config",
        json!({"request_rules": [{
            "header": "x-tenant",
            "on_header_present": {"metadata_namespace": "shop", "key": "tenant"},
        }]}),
    );
    for (set, path) in [
        (state, json!(["filter_state", "shop.tenant"])),
        (metadata, json!(["metadata", "filter_metadata", "shop", "tenant"])),
    ] {
        let mut mesh = Setup::new(&by(json!({"property": path}))).behind(set).start();
        let of = |tenant: &str| Request::get("/").header("x-tenant", tenant);
        assert_eq!(
            statuses(&mesh, [of("one"), of("one"), of("two"), Request::get("/")]),
            [200, 429, 200, 429],
            "{path}"
        );
        mesh.assert_unharmed();
    }
}

#[test]
fn a_route_is_known_by_its_name_and_its_metadata() {
    let route = |prefix: &str, name: &str, tenant: &str| {
        json!({
            "match": {"prefix": prefix}, "name": name, "route": {"cluster": "upstream"},
            "metadata": {"filter_metadata": {"shop": {"tenant": tenant}}},
        })
    };
    let routes = json!({"route_config": {"name": "ingress", "virtual_hosts": [{
        "name": "all", "domains": ["*"],
        "routes": [route("/a", "orders", "one"), route("/b", "orders", "two"), route("/", "rest", "two")],
    }]}});
    let metadata = json!({"property": ["xds", "route_metadata", "filter_metadata", "shop", "tenant"]});
    for (part, expected) in [(json!({"route": {}}), [200, 429, 200]), (metadata, [200, 200, 429])] {
        let mut mesh = Setup::new(&by(part.clone())).manager(routes.clone()).start();
        assert_eq!(statuses(&mesh, ["/a", "/b", "/"].map(Request::get)), expected, "{part}");
        mesh.assert_unharmed();
    }
}

/// To what a client on loopback sends, Envoy would add the address of its own machine, which is not that of its peer.
#[test]
fn hops_are_counted_from_the_last_proxy() {
    for (client_ip, expected) in [
        (json!({}), [200, 429, 429]),
        (json!({"trusted_hops": 1}), [200, 429, 200]),
        (json!({"trusted_hops": 2}), [200, 200, 429]),
    ] {
        let mut configuration = by(json!({"client_ip": {}}));
        configuration["client_ip"] = client_ip.clone();
        let mut mesh = Setup::new(&configuration).manager(json!({"skip_xff_append": true})).start();
        let through = |forwarded: &str| Request::get("/").header("x-forwarded-for", forwarded);
        let requests = [
            through("203.0.113.1, 203.0.113.9"),
            through("203.0.113.2, 203.0.113.9"),
            through("203.0.113.1, 203.0.113.8"),
        ];
        assert_eq!(statuses(&mesh, requests), expected, "{client_ip}");
        mesh.assert_unharmed();
    }
}
