//! The objects of Kubernetes that `palisade pin` makes of the templates in `envoy/`.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::house::{House, stderr};

/// The templates whose filters a mesh can take over.
const CONFIGS: [&str; 7] = [
    "auth",
    "chain",
    "data-masking",
    "rate-limit",
    "rate-limit.global",
    "trace-sampler.propagate",
    "trace-sampler.span-export",
];
const CHAIN: [&str; 4] = ["auth", "rate_limit", "trace_sampler", "data_masking"];

#[test]
fn the_definition_of_each_object_accepts_it() {
    let house = pinned();
    let schema: Value = serde_saphyr::from_str(include_str!("../crds.yaml")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut seen = BTreeMap::new();
    for (file, object) in objects(&house) {
        if let Err(error) = schema.validate(&object) {
            panic!("{file}: {}: {error}", error.instance_path());
        }
        *seen.entry(object["kind"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    let kinds = ["EnvoyExtensionPolicy", "EnvoyFilter", "EnvoyPatchPolicy", "TrafficExtension", "WasmPlugin"];
    assert_eq!(seen.keys().collect::<Vec<_>>(), kinds);
}

#[test]
fn each_config_has_its_objects_and_verify_accepts_them() {
    let house = pinned();
    for config in CONFIGS {
        let istio = [
            "envoy-filter",
            "envoy-filter.1.36",
            "wasm-plugin",
            "wasm-plugin.oci",
            "traffic-extension",
            "traffic-extension.oci",
        ];
        let files = istio.map(|kind| format!("dist/istio/{config}.{kind}.yaml")).into_iter();
        let files = files.chain(["yaml", "oci.yaml"].map(|end| format!("dist/envoy-gateway/{config}.{end}")));
        for file in files {
            let release = if file.contains("1.36") { "1.36" } else { "1.40" };
            let output = house.palisade(&["verify", "--dist", "dist", "--envoy", release, &file]);
            assert!(output.status.success(), "{file}: {}", stderr(&output));
        }
    }
}

#[test]
fn over_http_a_module_is_named_by_its_hash_and_an_image_by_its_digest_alone() {
    let house = pinned();
    let hash = house.sha256_of("rate_limit");
    let http = spec(&house, "istio/rate-limit.wasm-plugin.yaml");
    assert_eq!(http["url"], "http://palisade-modules:8080/modules/rate_limit.wasm");
    assert_eq!(http["sha256"], hash.as_str());
    let oci = spec(&house, "istio/rate-limit.traffic-extension.oci.yaml");
    assert_eq!(oci["wasm"]["url"], format!("oci://{}", image("rate_limit")));
    assert_eq!(oci["wasm"].get("sha256"), None);
    let gateway = spec(&house, "envoy-gateway/rate-limit.yaml");
    assert_eq!(gateway["wasm"][0]["code"]["http"]["sha256"], hash.as_str());
    let gateway = spec(&house, "envoy-gateway/rate-limit.oci.yaml");
    assert_eq!(gateway["wasm"][0]["code"]["image"], json!({"url": image("rate_limit")}));
}

#[test]
fn a_filter_has_the_config_that_it_has_in_envoy() {
    let house = pinned();
    let envoy = documents(&house, "envoy/chain.yaml").remove(0);
    let manager = envoy.pointer("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config").unwrap();
    let filters = manager["http_filters"].as_array().unwrap();
    let plugins = of_kind(&house, "istio/chain.wasm-plugin.yaml", "WasmPlugin");
    let gateway = spec(&house, "envoy-gateway/chain.yaml");
    let patches = spec(&house, "istio/chain.envoy-filter.yaml");
    for (index, plugin) in plugins.iter().enumerate() {
        let expected = &filters[index]["typed_config"]["config"]["configuration"]["value"];
        assert!(expected.is_object());
        assert_eq!(plugin["spec"]["pluginConfig"], *expected);
        assert_eq!(gateway["wasm"][index]["config"], *expected);
        assert_eq!(patches["configPatches"][plugins.len() - 1 - index]["patch"]["value"], filters[index]);
    }
}

#[test]
fn a_config_whose_envoy_traces_has_no_objects() {
    let house = pinned();
    for config in ["envoy-decision", "thin-out", "two-passes", "upstream", "kill-switch"] {
        assert!(house.path(&format!("dist/envoy/trace-sampler.{config}.yaml")).exists(), "{config}");
        assert!(!house.path(&format!("dist/envoy-gateway/trace-sampler.{config}.yaml")).exists(), "{config}");
    }
}

#[test]
fn the_chain_keeps_its_order_in_every_mesh() {
    let house = pinned();
    let plugins = of_kind(&house, "istio/chain.wasm-plugin.yaml", "WasmPlugin");
    let mut plugins: Vec<_> = plugins.iter().map(|plugin| &plugin["spec"]).collect();
    plugins.sort_by_key(|spec| -spec["priority"].as_i64().unwrap());
    assert_eq!(plugins.iter().map(|spec| spec["pluginName"].as_str().unwrap()).collect::<Vec<_>>(), CHAIN);

    let gateway = spec(&house, "envoy-gateway/chain.yaml");
    assert_eq!(names(&gateway["wasm"], "/name"), CHAIN);

    // Each is put before all that are there: before Istio's own, which see of a caller what auth says, and not what he says.
    let patches = spec(&house, "istio/chain.envoy-filter.yaml")["configPatches"].clone();
    let filters = patches.as_array().unwrap().iter().filter(|patch| patch["applyTo"] == "HTTP_FILTER");
    let (filters, operations): (Vec<_>, Vec<_>) =
        filters.rev().map(|patch| (patch.clone(), patch["patch"]["operation"].clone())).unzip();
    assert_eq!(names(&Value::Array(filters), "/patch/value/typed_config/config/name"), CHAIN);
    assert_eq!(operations, ["INSERT_FIRST"; 4]);
}

#[test]
fn the_clusters_that_filters_call_come_with_them() {
    let house = pinned();
    let clusters = of_kind(&house, "istio/chain.wasm-plugin.yaml", "EnvoyFilter");
    assert_eq!(names(&clusters[0]["spec"]["configPatches"], "/patch/value/name"), ["idp", "rls"]);
    let clusters = of_kind(&house, "envoy-gateway/chain.yaml", "EnvoyPatchPolicy");
    assert_eq!(names(&clusters[0]["spec"]["jsonPatches"], "/operation/value/name"), ["idp", "rls"]);
    assert!(of_kind(&house, "envoy-gateway/rate-limit.yaml", "EnvoyPatchPolicy").is_empty());
    // Where Envoy itself fetches the modules, it needs the cluster of their server too.
    let patches = &spec(&house, "istio/chain.envoy-filter.yaml")["configPatches"];
    assert!(names(patches, "/patch/value/name").contains(&"palisade_modules".to_owned()));
}

#[test]
fn secrets_come_from_the_environment_of_the_proxy() {
    let house = pinned();
    let plugin = spec(&house, "istio/auth.wasm-plugin.yaml");
    assert_eq!(plugin["vmConfig"]["env"], json!([{"name": "PARTNER_KEY", "valueFrom": "HOST"}]));
    let policy = spec(&house, "envoy-gateway/auth.yaml");
    assert_eq!(policy["wasm"][0]["env"]["hostKeys"], json!(["PARTNER_KEY"]));
}

#[test]
fn an_image_without_a_digest_or_of_no_module_is_refused() {
    let house = House::shipped();
    for (argument, message) in [
        ("rate_limit=registry.example/rate_limit:1", "a tag can be moved to another image"),
        (
            &format!("rate_limit=registry.example/rate_limit@sha256:{}", house.sha256_of("rate_limit")),
            "the hash of rate_limit",
        ),
        ("limiter=registry.example/limiter:1", "the image of `limiter`: the lock has no such module"),
        ("rate_limit", "write MODULE="),
    ] {
        let output = house.palisade(&["pin", "--dist", "dist", "--templates", "envoy", "--image", argument]);
        assert!(!output.status.success() && stderr(&output).contains(message), "{argument}: {}", stderr(&output));
    }
    assert!(!house.path("dist/istio").exists());
}

/// All of `envoy/`, pinned, with an image for each module.
fn pinned() -> House {
    let house = House::shipped();
    let modules = house.modules();
    let images: Vec<_> = modules.iter().map(|name| format!("--image={name}={}", image(name))).collect();
    let images = images.iter().map(String::as_str);
    let arguments: Vec<_> = ["pin", "--dist", "dist", "--templates", "envoy"].into_iter().chain(images).collect();
    let output = house.palisade(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    house
}

fn image(module: &str) -> String {
    format!("registry.example/palisade/{}@sha256:{}", module.replace('_', "-"), "d".repeat(64))
}

fn objects(house: &House) -> Vec<(String, Value)> {
    let mut objects = Vec::new();
    for folder in ["istio", "envoy-gateway"] {
        for entry in fs::read_dir(house.path("dist").join(folder)).unwrap() {
            let file = format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap());
            objects.extend(documents(house, &file).into_iter().map(|object| (file.clone(), object)));
        }
    }
    objects
}

fn documents(house: &House, file: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&house.read(&format!("dist/{file}"))).unwrap()
}

fn of_kind(house: &House, file: &str, kind: &str) -> Vec<Value> {
    documents(house, file).into_iter().filter(|object| object["kind"] == kind).collect()
}

/// That of the first object.
fn spec(house: &House, file: &str) -> Value {
    documents(house, file)[0]["spec"].clone()
}

fn names(list: &Value, path: &str) -> Vec<String> {
    list.as_array().unwrap().iter().filter_map(|item| item.pointer(path)?.as_str().map(str::to_owned)).collect()
}
