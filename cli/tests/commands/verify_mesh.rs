//! `palisade verify`, on objects of Istio, Envoy Gateway and Kubernetes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::house::House;
use crate::verify::{accepted, bootstrap, refused, verify};

fn wasm_plugin(url: &str, fields: &str) -> String {
    format!(
        "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: probe}}\nspec:\n  url: {url}\n  vmConfig: {{env: []}}\n{fields}"
    )
}

#[test]
fn each_mistake_in_a_wasm_plugin_is_refused() {
    let house = House::new();
    let (hash, digest) = (house.sha256(), "ab".repeat(32));
    let pinned = format!("  sha256: {hash}\n");
    let http = "http://modules/probe.wasm";
    accepted(&house, &wasm_plugin(http, &pinned), &[]);
    accepted(&house, &wasm_plugin(&format!("oci://registry/probe:1.2.3@sha256:{digest}"), ""), &[]);
    accepted(&house, &wasm_plugin("oci://registry:5000/probe:1.2.3", &format!("  sha256: {digest}\n")), &[]);
    accepted(&house, &wasm_plugin("file:///modules/probe.wasm", ""), &[]);
    let upper = format!("  sha256: {}\n", hash.to_uppercase());
    let other = format!("  sha256: {digest}\n");
    let of_module = format!("oci://registry/probe@sha256:{hash}");
    let open = format!("{pinned}  failStrategy: FAIL_OPEN\n");
    for (url, fields, expected) in [
        (http, "", ("spec.sha256", "`` is not 64", 10)),
        (http, upper.as_str(), ("spec.sha256", "`", 10)),
        (http, &other, ("spec.sha256", "not the hash of probe", 11)),
        ("oci://registry/probe:1", "", ("spec.sha256", "missing: a tag can be moved", 10)),
        ("oci://registry/probe:1", &pinned, ("spec.sha256", "the hash of probe; an image is named", 12)),
        (&of_module, "", ("spec.url", "the hash of probe; an image is named", 12)),
        ("oci://registry/probe@sha256:AB", "", ("spec.url", "`AB` is not 64", 10)),
        ("file:///modules/probe.wasm", &pinned, ("spec.sha256", "Istio compares no hash", 14)),
        ("file:///modules/other.wasm", "", ("spec.url", "`/modules/other.wasm` is named like no module", 20)),
        (http, &open, ("spec.failStrategy", "FAIL_OPEN lets requests pass", 15)),
    ] {
        refused(&house, &wasm_plugin(url, fields), expected);
    }
}

#[test]
fn the_digest_of_an_image_is_told_from_a_hash_where_the_image_is_named_too() {
    let house = House::new();
    let digest = "ab".repeat(32);
    let image = wasm_plugin(&format!("oci://registry/probe@sha256:{digest}"), "");
    let http = wasm_plugin("http://modules/probe.wasm", &format!("  sha256: {digest}\n"));
    refused(
        &house,
        &format!("{image}---\n{http}"),
        ("document 2.spec.sha256", "the digest of an image's manifest", 13),
    );
}

#[test]
fn a_traffic_extension_is_read_like_a_wasm_plugin() {
    let house = House::new();
    let config = |hash: &str| {
        format!(
            "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nspec:\n  phase: AUTHN\n  wasm:\n    url: http://modules/probe.wasm\n    sha256: {hash}\n"
        )
    };
    accepted(&house, &config(&house.sha256()), &[]);
    refused(&house, &config("zz"), ("spec.wasm.sha256", "`zz` is not 64", 10));
}

#[test]
fn an_envoy_filter_is_read_like_envoy_s_own_config() {
    let house = House::new();
    house.render();
    let filter = house.read("dist/envoy/probe.yaml");
    let filter: serde_json::Value = serde_saphyr::from_str(&filter).unwrap();
    let object = |filter: &serde_json::Value| {
        let patch = serde_json::json!({"applyTo": "HTTP_FILTER", "patch": {"operation": "INSERT_BEFORE", "value": filter["http_filters"][0]}});
        serde_json::json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "spec": {"configPatches": [patch]}}).to_string()
    };
    accepted(&house, &object(&filter), &[]);
    let mut broken = filter.clone();
    broken["http_filters"][0]["typed_config"]["config"]["failure_policy"] = "FAIL_OPEN".into();
    let place = "spec.configPatches[0].patch.value.typed_config.config.failure_policy";
    refused(&house, &object(&broken), (place, "FAIL_OPEN lets requests pass", 15));
}

#[test]
fn each_mistake_in_an_envoy_extension_policy_is_refused() {
    let house = House::new();
    let (hash, digest) = (house.sha256(), "ab".repeat(32));
    let policy = |plugin: &str| {
        format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nspec:\n  wasm:\n  - name: probe\n    code:\n      {plugin}\n"
        )
    };
    let http = |hash: &str| format!("{{type: HTTP, http: {{url: 'http://modules/probe.wasm', sha256: '{hash}'}}}}");
    let image = |hash: &str| format!("{{type: Image, image: {{url: 'registry/probe:1', sha256: '{hash}'}}}}");
    let place = |field: &str| format!("spec.wasm[0].{field}");
    accepted(&house, &policy(&http(&hash)), &[]);
    accepted(&house, &policy(&image(&digest)), &[]);
    refused(&house, &policy(&http(&digest)), (&place("code.http.sha256"), "not the hash of probe", 11));
    refused(&house, &policy(&image(&hash)), (&place("code.image.sha256"), "the hash of probe; an image", 12));
    refused(&house, &policy("{type: HTTP}"), (&place("code"), "name the module by either", 20));
    let open = policy(&format!("{}\n    failOpen: true", http(&hash)));
    refused(&house, &open, (&place("failOpen"), "true lets requests pass", 15));
}

#[test]
fn what_stands_beside_an_object_of_kubernetes_is_inspected_too() {
    let house = House::new();
    house.render();
    let good: serde_json::Value = serde_saphyr::from_str(&house.read("dist/envoy/probe.yaml")).unwrap();
    let mut open = good.clone();
    open["http_filters"][0]["typed_config"]["config"]["failure_policy"] = "FAIL_OPEN".into();
    let place = "resources[0].http_filters[0].typed_config.config.failure_policy";
    let expected = (place, "FAIL_OPEN lets requests pass", 15);
    refused(&house, &serde_json::json!({"items": [good], "resources": [open]}).to_string(), expected);
    for url in ["http://modules/probe.wasm", "file:///modules/probe.wasm"] {
        let fields = if url.starts_with("http") { format!("  sha256: {}\n", house.sha256()) } else { String::new() };
        let plugin = wasm_plugin(url, &fields);
        accepted(&house, &plugin, &[]);
        refused(&house, &format!("{plugin}resources: [{open}]\n"), expected);
    }
}

#[test]
fn an_address_is_told_by_its_scheme_in_any_case_and_without_one_is_an_image() {
    let house = House::new();
    let (hash, digest) = (house.sha256(), "ab".repeat(32));
    let (of_module, of_image) = (format!("  sha256: {hash}\n"), format!("  sha256: {digest}\n"));
    for (url, fields) in [
        ("registry/probe:1.2.3", &of_image),
        ("registry:5000/probe", &of_image),
        ("OCI://registry/probe", &of_image),
        ("HTTPS://modules/probe.wasm", &of_module),
        ("File:///modules/probe.wasm", &String::new()),
    ] {
        accepted(&house, &wasm_plugin(url, fields), &[]);
    }
    for (url, fields, expected) in [
        ("registry/probe:1.2.3", &of_module, ("spec.sha256", "the hash of probe; an image is named", 12)),
        ("Oci://registry/probe", &of_module, ("spec.sha256", "the hash of probe; an image is named", 12)),
        ("FILE:///modules/probe.wasm", &of_module, ("spec.sha256", "Istio compares no hash", 14)),
        ("HTTP://modules/probe.wasm", &of_image, ("spec.sha256", "not the hash of probe", 11)),
    ] {
        refused(&house, &wasm_plugin(url, fields), expected);
    }
    let pair = format!(
        "{}---\n{}",
        wasm_plugin("registry/probe", &of_image),
        wasm_plugin("http://modules/probe.wasm", &of_image)
    );
    refused(&house, &pair, ("document 2.spec.sha256", "the digest of an image's manifest", 13));
}

#[test]
fn each_item_of_a_list_is_inspected_once() {
    let house = House::new();
    let list = |kind: &str| {
        let plugin = wasm_plugin("http://modules/probe.wasm", "  sha256: zz\n");
        let plugin: serde_json::Value = serde_saphyr::from_str(&plugin).unwrap();
        serde_json::json!({"apiVersion": "v1", "kind": kind, "items": [plugin]}).to_string()
    };
    refused(&house, &list("List"), ("items[0].spec.sha256", "`zz` is not 64", 10));
    assert_eq!(verify(&house, &list("List"), &[]).told.matches("items[0]").count(), 1);
    let other = verify(&house, &list("Other"), &[]);
    assert_ne!(other.code, 0, "{}", other.told);
}

#[test]
fn an_item_of_a_list_that_names_its_kind_is_inspected_although_it_does_not() {
    let house = House::new();
    let plugin = |sha256: &str| serde_json::json!({"spec": {"url": "http://modules/probe.wasm", "sha256": sha256}});
    let list = |version: &str, kind: &str, item| {
        serde_json::json!({"apiVersion": version, "kind": kind, "items": [item]}).to_string()
    };
    let plugins = |sha256: &str| list("extensions.istio.io/v1alpha1", "WasmPluginList", plugin(sha256));
    accepted(&house, &plugins(&house.sha256()), &[]);
    refused(&house, &plugins("zz"), ("items[0].spec.sha256", "`zz` is not 64", 10));
    let open = bootstrap(&house).replace("FAIL_CLOSED", "FAIL_OPEN");
    let place = "items[0].data[bootstrap].http_filters[0].typed_config.config.failure_policy";
    let maps = list("v1", "ConfigMapList", serde_json::json!({"data": {"bootstrap": open}}));
    refused(&house, &maps, (place, "FAIL_OPEN lets requests pass", 15));
}

#[test]
fn a_config_map_is_read_as_the_configs_that_it_holds() {
    let house = House::new();
    let map = |name: &str, text: &str| serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {name: text, "notes.txt": "a: [b\n- c"}});
    let config = bootstrap(&house);
    let open = config.replace("FAIL_CLOSED", "FAIL_OPEN");
    let place =
        |within: &str, name: &str| format!("{within}data[{name}].http_filters[0].typed_config.config.failure_policy");
    let expected = "FAIL_OPEN lets requests pass";
    for name in ["envoy.yaml", "bootstrap"] {
        accepted(&house, &map(name, &config).to_string(), &[]);
        refused(&house, &map(name, &open).to_string(), (&place("", name), expected, 15));
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [map(name, &open)]});
        refused(&house, &list.to_string(), (&place("items[0].", name), expected, 15));
    }
    let of_cluster = config.replacen("name: palisade_modules", "name: other", 1);
    assert_eq!(verify(&house, &map("envoy.yaml", &of_cluster).to_string(), &[]).code, 19);
}

#[test]
fn a_config_map_with_an_entry_that_only_others_can_read_is_refused() {
    let house = House::new();
    let config = bootstrap(&house);
    let good = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"envoy.yaml": config}});
    for (name, text) in [
        ("envoy.yaml", "<<: {}\n"),
        ("bootstrap", "node: {}\nnode: {}\nplugin: {vm_config: {}}\n"),
        ("bootstrap", "node: {}\nnode: {}\nplugin: {vmConfig: {}}\n"),
        ("envoy.pb_text", "type_url: \"type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\" {\n"),
    ] {
        let binary = STANDARD.encode(text);
        for (field, text) in [("data", text), ("binaryData", &binary)] {
            let mut map = good.clone();
            map[field][name] = text.into();
            let broken = verify(&house, &map.to_string(), &[]);
            assert!(broken.told.contains(&format!("no YAML: {field}[{name}]: ")), "{text}: {}", broken.told);
            assert_eq!(broken.code, 27);
        }
    }
    let mut map = good.clone();
    map["binaryData"] = serde_json::json!({"probe.wasm": STANDARD.encode(b"\0asm\x01\0\0\0\xff")});
    accepted(&house, &map.to_string(), &[]);
    map["binaryData"] = serde_json::json!({"probe.wasm": "no base64"});
    let broken = verify(&house, &map.to_string(), &[]);
    assert!(broken.told.contains("binaryData[probe.wasm]: no base64"), "{}", broken.told);
}

#[test]
fn a_config_map_is_found_in_a_list_within_a_list_and_in_binary_data() {
    let house = House::new();
    let config = bootstrap(&house);
    let open = config.replace("FAIL_CLOSED", "FAIL_OPEN");
    let list = |config: &str| {
        let encoded = STANDARD.encode(config);
        let (first, rest) = encoded.split_at(76);
        let binary = serde_json::json!({"envoy.yaml": format!("{first}\n{rest}\n")});
        let map = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "binaryData": binary});
        let inner = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [map]});
        serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [inner]}).to_string()
    };
    accepted(&house, &list(&config), &[]);
    let place = "items[0].items[0].binaryData[envoy.yaml].http_filters[0].typed_config.config.failure_policy";
    refused(&house, &list(&open), (place, "FAIL_OPEN lets requests pass", 15));
}
