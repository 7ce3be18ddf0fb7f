//! `upstream`: the filter in a cluster, behind Envoy's tracer, where it runs once for each attempt.

use anyhow::{Context, Result};
use palisade_testbed::envoy::config::capabilities_mut;
use palisade_testbed::{Request, Response, checkout, http1};
use serde_json::{Value, json};

use crate::mesh::{PLUGIN, TOKEN_SHA256, edit_plugin};
use crate::trace::{Trace, traceparent};
use crate::traced::{Traced, manager_mut};

const TRACE_ID: &str = "4bf92f3577b34da6a300000000000001";
const ATTEMPTS: usize = 3;

/// A coin toss for whoever is no VIP.
fn coin() -> Value {
    json!({"mode": "upstream", "default": {"sample": "50%"}})
}

fn start(configuration: &Value, change: impl FnOnce(&mut Value) -> Result<()>) -> Traced {
    Traced::start("upstream", |builder| builder.plugin_configuration(PLUGIN, configuration)?.edit(change))
}

/// Every attempt fails; the client has the last one's answer.
fn retry(bootstrap: &mut Value) -> Result<()> {
    let route = manager_mut(bootstrap, 0)?.pointer_mut("/route_config/virtual_hosts/0/routes/0/route");
    route.context("no route")?["retry_policy"] =
        json!({"retry_on": "5xx", "num_retries": ATTEMPTS - 1, "retry_back_off": {"base_interval": "0.001s"}});
    Ok(())
}

#[test]
fn a_retry_is_decided_like_the_first_attempt() {
    for spans in ["of each attempt", "of the request alone", "none"] {
        let traced = start(&coin(), |bootstrap| {
            retry(bootstrap)?;
            let tracing = &mut manager_mut(bootstrap, 0)?["tracing"];
            match spans {
                "of each attempt" => assert_eq!(tracing["spawn_upstream_span"], true),
                "of the request alone" => tracing["spawn_upstream_span"] = json!(false),
                _ => *tracing = Value::Null,
            }
            Ok(())
        });
        let mut sampled = 0;
        for inbound in [None, Some("garbage".to_owned()), Some(traceparent(&"f".repeat(32), "00"))] {
            for _ in 0..20 {
                traced.upstream.forget();
                let request = Request::get("/orders").header("x-upstream-status", "503");
                let request = match &inbound {
                    Some(inbound) => request.header("traceparent", inbound),
                    None => request,
                };
                assert_eq!(http1::exchange(traced.addr(), &request).unwrap().status, 503);
                let attempts = traced.upstream.received();
                let attempts: Vec<_> = attempts.iter().map(|attempt| Trace::read(&attempt.headers)).collect();
                let decided: Vec<_> =
                    attempts.iter().map(|trace| (&trace.trace_id, &trace.flags, &trace.state)).collect();
                assert_eq!(decided.len(), ATTEMPTS, "{spans}: {inbound:?}");
                assert!(decided.windows(2).all(|pair| pair[0] == pair[1]), "{spans}: {inbound:?}: {attempts:?}");
                sampled += usize::from(attempts[0].sampled());
            }
        }
        // Twenty certain ones, and forty coins.
        assert!((21..60).contains(&sampled), "{spans}: {sampled}");
        // Older Envoys count in the cluster's scope.
        let scope = if checkout::envoy_release().unwrap() < (1, 40) { "cluster.upstream." } else { "" };
        let decisions = traced.envoy.stats(&format!("{scope}wasmcustom.palisade.trace_sampler.decisions")).unwrap();
        assert_eq!(decisions.values().sum::<u64>(), 60 * ATTEMPTS as u64, "each attempt counts: {decisions:?}");
    }
}

#[test]
fn a_parent_counts_where_the_configuration_says_so() {
    let configuration = json!({
        "mode": "upstream",
        "parent": {"policy": "respect_if_sampled"},
        "rules": [{"match": {"headers": [{"name": "x-user-tier", "exact": "vip"}]}, "sample": "100%"}],
        "default": {"sample": "0%"},
    });
    let traced = start(&configuration, |_| Ok(()));
    for (flags, tier, expected) in [("01", "free", "01"), ("00", "free", "00"), ("00", "vip", "01")] {
        let request = Request::get("/").header("x-user-tier", tier).header("traceparent", traceparent(TRACE_ID, flags));
        let trace = Trace::of(&http1::exchange(traced.addr(), &request).unwrap());
        assert_eq!((&*trace.trace_id, &*trace.flags), (TRACE_ID, expected), "{tier} under {flags}");
    }
}

/// What the host tells the filter of a cluster: all that rules can ask for. It sees what the route leaves of the headers.
#[test]
fn rules_read_in_a_cluster_what_they_read_in_a_listener() {
    let matched = |name: &str, matcher: Value| {
        let mut rule =
            json!({"name": name, "match": {"headers": [{"name": "x-ask", "exact": name}]}, "sample": "100%"});
        for (part, value) in matcher.as_object().into_iter().flatten() {
            match (&mut rule["match"][part], value) {
                (Value::Array(there), Value::Array(more)) => there.extend(more.iter().cloned()),
                (there, more) => *there = more.clone(),
            }
        }
        rule
    };
    let is = |selector: Value, value: &str| json!({"values": [{"of": selector, "exact": value}]});
    let seen = [
        matched("path", json!({"path": {"template": "/users/{id}"}, "methods": ["GET"], "hosts": ["testbed.local"]})),
        matched("query", json!({"query": [{"name": "a", "exact": "b"}]})),
        matched("address", json!({"client_ip": ["0.0.0.0/0", "::/0"]})),
        matched("added", json!({"headers": [{"name": "x-added", "present": true}]})),
        matched("route", is(json!({"route": {}}), "only")),
        matched("claim", is(json!({"claim": "plan"}), "vip")),
        matched("property", is(json!({"property": ["xds", "cluster_name"]}), "upstream")),
    ];
    let unseen = [matched("removed", json!({"headers": [{"name": "x-removed", "present": true}]}))];
    let configuration = json!({
        "mode": "upstream",
        "force": {"token_sha256": TOKEN_SHA256},
        "rules": seen.iter().chain(&unseen).collect::<Vec<_>>(),
        "default": {"sample": "0%"},
    });
    let traced = start(&configuration, |bootstrap| {
        let manager = manager_mut(bootstrap, 0)?;
        let route = manager.pointer_mut("/route_config/virtual_hosts/0/routes/0").context("no route")?;
        route["name"] = json!("only");
        route["request_headers_to_remove"] = json!(["x-removed"]);
        route["request_headers_to_add"] = json!([{"header": {"key": "x-added", "value": "1"}}]);
        let filters = manager["http_filters"].as_array_mut().context("no filters")?;
        filters.insert(0, publish(r#"{"claims": {"plan": "vip"}}"#));
        Ok(())
    });
    let ask = |name: &str, value: &str| -> Response {
        let request = Request::get("/users/7?a=b").header("x-removed", "1").header(name, value);
        http1::exchange(traced.addr(), &request).unwrap()
    };
    for (rules, expected) in [(&seen[..], "01"), (&unseen, "00")] {
        for rule in rules {
            let name = rule["name"].as_str().unwrap();
            assert_eq!(Trace::of(&ask("x-ask", name)).flags, expected, "{name}");
        }
    }
    for (token, expected, passed_on) in [("open sesame", "01", 1), ("guess", "00", 0)] {
        let response = ask("x-debug-trace", token);
        let tokens = response.echo().unwrap().header("x-debug-trace").len();
        assert_eq!((&*Trace::of(&response).flags, tokens), (expected, passed_on), "{token}");
    }
}

/// Where the auth filter publishes who is calling.
fn publish(identity: &str) -> Value {
    json!({"name": "publish", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
        "on_request_headers": [{
            "object_key": "wasm.palisade.identity",
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": identity}},
        }],
    }})
}

#[test]
fn a_routes_metadata_chooses_the_rule_in_a_cluster_too() {
    let configuration = json!({
        "mode": "upstream",
        "rule_by_route": true,
        "rules": [{"name": "vip", "sample": "100%"}],
        "default": {"sample": "0%"},
    });
    for (rule, expected) in [("vip", "01"), ("nobody", "00")] {
        let traced = start(&configuration, |bootstrap| {
            let route = manager_mut(bootstrap, 0)?.pointer_mut("/route_config/virtual_hosts/0/routes/0");
            route.context("no route")?["metadata"] = json!({"filter_metadata": {"palisade": {"trace_sampler": rule}}});
            Ok(())
        });
        assert_eq!(Trace::of(&http1::exchange(traced.addr(), &Request::get("/")).unwrap()).flags, expected, "{rule}");
    }
}

#[test]
fn the_shipped_list_of_capabilities_is_in_force_in_a_cluster_and_suffices() {
    assert_eq!(decides_without(None), (true, false));
    assert_eq!(decides_without(Some("proxy_get_header_map_pairs")), (false, true));
    assert_eq!(decides_without(Some("proxy_on_request_headers")), (false, false));
}

/// Whether a VIP is sampled below a parent that is not, and whether Envoy complains, with a capability taken away.
fn decides_without(missing: Option<&str>) -> (bool, bool) {
    let traced = Traced::start("upstream", |builder| {
        builder.edit(|bootstrap| {
            edit_plugin(bootstrap, |plugin| {
                let list = capabilities_mut(plugin, checkout::envoy_release().unwrap()).as_object_mut().unwrap();
                assert!(missing.is_none_or(|missing| list.remove(missing).is_some()), "{missing:?} is not in the list");
            })
        })
    });
    let request = Request::get("/").header("x-user-tier", "vip").header("traceparent", traceparent(TRACE_ID, "00"));
    let trace = Trace::of(&http1::exchange(traced.addr(), &request).unwrap());
    (trace.sampled(), traced.envoy.log().contains("restricted"))
}

/// A module that is fetched comes after the cluster was accepted. Every request to it is refused then.
#[test]
fn no_request_passes_a_broken_configuration() {
    let traced = start(
        &json!({"mode": "upstream", "parent": {"trust": {"cidrs": []}}, "default": {"sample": "1%"}}),
        |_| Ok(()),
    );
    for _ in 0..4 {
        assert_eq!(http1::exchange(traced.addr(), &Request::get("/")).unwrap().status, 503);
    }
    assert_eq!(traced.upstream.count(), 0);
    assert!(traced.envoy.log().contains("parent.trust: "), "{}", traced.envoy.log());
}
