//! A sidecar: the filter on what enters a service, and on what leaves it.

use std::net::SocketAddr;

use anyhow::Context;
use palisade_testbed::{Request, http1};
use serde_json::{Value, json};

use crate::mesh::{Mesh, PLUGIN, VERSIONS};
use crate::trace::Trace;

const SAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-01";
const UNSAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-00";

/// Envoy with the shipped listener, and with a copy of it for what leaves a service.
struct Sidecar(Mesh);

impl Sidecar {
    fn start(configuration: &Value) -> Self {
        let mesh = Mesh::start(|builder| {
            builder.plugin_configuration(PLUGIN, configuration)?.edit(|bootstrap| {
                let listeners = bootstrap["static_resources"]["listeners"].as_array_mut().context("no listeners")?;
                listeners[0]["traffic_direction"] = json!("INBOUND");
                let mut egress = listeners[0].clone();
                egress["name"] = json!("egress");
                egress["traffic_direction"] = json!("OUTBOUND");
                listeners.push(egress);
                Ok(())
            })
        });
        Self(mesh.unwrap())
    }

    fn addr(&self, listener: &str) -> SocketAddr {
        self.0.envoy.addr(listener).unwrap()
    }
}

/// Harness: `traceparent_ows_handling` and `tracestate_ows_handling`.
#[test]
fn spaces_and_tabs_around_values_are_none_of_them() {
    let sidecar = Sidecar::start(&json!({"parent_id": "always", "default": {"sample": "100%"}}));
    for listener in ["ingress", "egress"] {
        let addr = sidecar.addr(listener);
        for (before, after) in [(" ", ""), ("\t", ""), ("", " "), ("", "\t"), ("\t ", " \t")] {
            for name in ["traceparent", "TraceParent", "TRACEPARENT"] {
                let request = Request::get("/").header(name, format!("{before}{SAMPLED}{after}"));
                let trace = Trace::of(&http1::exchange(addr, &request).unwrap());
                assert_eq!((&*trace.trace_id, &*trace.flags), (&SAMPLED[3..35], "01"), "{listener} {request:?}");
                assert_ne!(trace.parent_id, SAMPLED[36..52]);
            }
        }
        for (list, members) in [
            ("foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3"),
            ("foo=1\t \t,\t \tbar=2,\t \tbaz=3", "foo=1,bar=2,baz=3"),
            (" foo=1", "foo=1"),
            ("\tfoo=1", "foo=1"),
            ("foo=1 ", "foo=1"),
            ("foo=1\t", "foo=1"),
            ("\t foo=1 \t", "foo=1"),
            ("foo=a\tb", ""),
        ] {
            let request = Request::get("/").header("traceparent", UNSAMPLED).header("tracestate", list);
            let trace = Trace::of(&http1::exchange(addr, &request).unwrap());
            let seen: Vec<_> = trace.state.split(',').map(|member| member.trim_matches([' ', '\t'])).collect();
            assert_eq!(seen.join(","), members, "{listener} {list:?}");
        }
    }
}

#[test]
fn each_hop_is_a_parent_of_the_next_in_one_trace() {
    let sidecar = Sidecar::start(&json!({"parent_id": "always", "default": {"sample": "100%"}}));
    for (version, exchange) in VERSIONS {
        let inbound = exchange(sidecar.addr("ingress"), &Request::get("/")).unwrap();
        let (first, echo) = (Trace::of(&inbound), inbound.echo().unwrap());
        // The service passes on what it received.
        let request = ["traceparent", "tracestate"]
            .iter()
            .fold(Request::get("/"), |request, name| request.header(name, echo.header(name)[0]));
        let second = Trace::of(&exchange(sidecar.addr("egress"), &request).unwrap());
        assert_eq!((&first.trace_id, &*second.flags, &*second.state), (&second.trace_id, "03", "ot=th:0"), "{version}");
        assert_ne!(first.parent_id, second.parent_id, "{version}");
    }
}
