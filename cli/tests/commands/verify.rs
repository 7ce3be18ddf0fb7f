//! `palisade verify`: each refusal with its message, its place and its exit code.

use std::fs;

use crate::house::{self, House, stderr};

/// What was refused, where, and with which exit code.
type Expected<'a> = (&'a str, &'a str, i32);

struct Verified {
    code: i32,
    told: String,
}

fn verify(house: &House, config: &str, options: &[&str]) -> Verified {
    house.write("config.yaml", config);
    let arguments = [&["verify", "config.yaml", "--dist", "dist"], options].concat();
    let output = house.palisade(&arguments);
    Verified { code: output.status.code().unwrap(), told: stderr(&output) }
}

fn accepted(house: &House, config: &str, options: &[&str]) {
    let verified = verify(house, config, options);
    assert_eq!(verified.code, 0, "{}\n{config}", verified.told);
}

fn refused(house: &House, config: &str, (place, what, code): Expected<'_>) {
    let verified = verify(house, config, &[]);
    assert!(verified.told.contains(&format!("config.yaml: {place}: {what}")), "{place}: {what}\n{}", verified.told);
    assert_eq!(verified.code, code, "{}", verified.told);
}

/// A bootstrap as `pin` has written it, with the cluster that the module comes from.
fn bootstrap(house: &House) -> String {
    house.render();
    let filters = house.read("dist/envoy/probe.yaml");
    format!(
        "static_resources:\n  clusters:\n  - name: palisade_modules\n    load_assignment: {{endpoints: [{{lb_endpoints: [{{}}]}}]}}\n{filters}"
    )
}

const PLUGIN: &str = "http_filters[0].typed_config.config";

#[test]
fn what_pin_has_written_is_accepted() {
    let house = House::new();
    accepted(&house, &bootstrap(&house), &[]);
    accepted(&house, &house.read("dist/envoy/probe.yaml"), &[]);
    accepted(&house, &house.read("dist/envoy/probe.local.yaml"), &[]);
    accepted(&house, &house.read("dist/envoy-1.36/probe.yaml"), &["--envoy", "1.36"]);
}

#[test]
fn each_mistake_in_a_bootstrap_is_refused() {
    let house = House::new();
    let (config, hash) = (bootstrap(&house), house.sha256());
    let remote = "vm_config.code.remote";
    let capabilities = "vm_config.capability_restriction_config.allowed_capabilities";
    let of_observer = house.sha256_of("trace_sampler");
    for (from, to, (field, what, code)) in [
        (hash.as_str(), hash.to_uppercase().as_str(), (format!("{remote}.sha256"), "`", 10)),
        (&hash, &hash[..54], (format!("{remote}.sha256"), "`", 10)),
        (&hash, "", (format!("{remote}.sha256"), "`` is not 64", 10)),
        (&hash, &"0".repeat(64), (format!("{remote}.sha256"), "not the hash of probe", 11)),
        (&hash, &of_observer, (format!("{remote}.sha256"), "not the hash of probe", 11)),
        ("FAIL_CLOSED", "FAIL_OPEN", ("failure_policy".into(), "FAIL_OPEN lets requests pass", 15)),
        ("failure_policy: FAIL_CLOSED", "fail_open: true", ("fail_open".into(), "deprecated, and lets", 15)),
        ("      random_get: {}", "", (capabilities.into(), "lacks the host function random_get", 17)),
        ("proxy_on_log: {}", "", (capabilities.into(), "lacks the callback proxy_on_log", 17)),
        (
            "random_get: {}",
            "random_get: {}\n            proxy_done: {}",
            (capabilities.into(), "allows proxy_done", 17),
        ),
        ("num_retries: 10", "num_retries: 0", (format!("{remote}.retry_policy.num_retries"), "missing or 0", 18)),
        (
            "cluster: palisade_modules",
            "cluster: other",
            (format!("{remote}.http_uri.cluster"), "no cluster is named `other`", 19),
        ),
        (
            "lb_endpoints: [{}]",
            "lb_endpoints: []",
            (format!("{remote}.http_uri.cluster"), "the cluster `palisade_modules` has no", 19),
        ),
        ("remote:", "elsewhere:", ("vm_config.code".into(), "name the module by either", 20)),
    ] {
        let broken = config.replacen(from, to, 1);
        assert_ne!(broken, config, "{from}");
        refused(&house, &broken, (&format!("{PLUGIN}.{field}"), what, code));
    }
}

#[test]
fn a_list_beside_vm_config_is_refused_unless_the_release_is_one_that_has_it_there() {
    let house = House::new();
    house.render();
    let config = house.read("dist/envoy-1.36/probe.yaml");
    refused(&house, &config, (&format!("{PLUGIN}.capability_restriction_config"), "deprecated: since Envoy 1.40", 16));
}

#[test]
fn only_a_filter_that_observes_or_is_allowed_to_may_let_requests_pass_when_it_fails() {
    let house = House::new();
    let config = bootstrap(&house).replace("FAIL_CLOSED", "FAIL_OPEN");
    accepted(&house, &config, &["--allow", "probe"]);
    assert_eq!(verify(&house, &config, &["--allow", "auth"]).code, 15);
    let observer =
        config.replace(&house.sha256(), &house.sha256_of("trace_sampler")).replace("probe.wasm", "trace_sampler.wasm");
    accepted(&house, &observer, &[]);
}

#[test]
fn clusters_that_come_from_elsewhere_are_not_missed() {
    let house = House::new();
    let config = bootstrap(&house).replacen("name: palisade_modules", "name: other", 1);
    assert_eq!(verify(&house, &config, &[]).code, 19);
    accepted(&house, &format!("dynamic_resources: {{cds_config: {{path_config_source: {{path: x}}}}}}\n{config}"), &[]);
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_the_first_gives_the_exit_code() {
    let house = House::new();
    let config = bootstrap(&house).replace("FAIL_CLOSED", "FAIL_OPEN").replace("num_retries: 10", "");
    let verified = verify(&house, &config, &[]);
    assert!(verified.told.contains("[15]") && verified.told.contains("[18]"), "{}", verified.told);
    assert_eq!(verified.code, 18);
}

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
fn a_module_that_is_not_the_one_of_the_lock_is_refused_whatever_the_config_says() {
    let house = House::new();
    let config = bootstrap(&house);
    let path = house.path("dist/modules/probe.wasm");
    let module = fs::read(&path).unwrap();
    for byte in [0, module.len() / 2, module.len() - 1] {
        let mut flipped = module.clone();
        flipped[byte] ^= 1;
        fs::write(&path, flipped).unwrap();
        let verified = verify(&house, &config, &[]);
        assert!(verified.told.contains("is not the module of the lock"), "{}", verified.told);
        assert_eq!(verified.code, 22);
    }
    fs::write(&path, module).unwrap();
    accepted(&house, &config, &[]);
}

#[test]
fn a_component_is_refused_although_the_lock_names_it() {
    let house = House::new();
    let config = bootstrap(&house);
    let component = b"\0asm\x0d\0\x01\0";
    let old = house.sha256();
    let new = house::sha256(component);
    fs::write(house.path("dist/modules/probe.wasm"), component).unwrap();
    house.write("dist/palisade.lock", house.read("dist/palisade.lock").replace(&old, &new));
    let verified = verify(&house, &config, &[]);
    assert!(verified.told.contains("probe.wasm: a component; Envoy loads core modules only"), "{}", verified.told);
    assert_eq!(verified.code, 21);
}

#[test]
fn a_file_that_loads_nothing_is_not_taken_for_a_verified_one() {
    let house = House::new();
    let verified = verify(&house, "static_resources: {}\n", &[]);
    assert!(verified.told.contains("loads no Wasm module"), "{}", verified.told);
    assert_eq!(verified.code, 1);
}

#[test]
fn the_help_names_each_exit_code() {
    let output = House::new().palisade(&["verify", "--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    for (_, code, what) in palisade::refusal::RULES {
        assert!(help.contains(&format!("{code}  {what}")), "{help}");
    }
}

#[test]
fn a_field_in_both_of_its_spellings_is_refused_because_envoy_takes_the_last_one() {
    let house = House::new();
    let config: serde_json::Value = serde_saphyr::from_str(&bootstrap(&house)).unwrap();
    for (within, field, twin) in [
        ("", "failure_policy", ("failurePolicy", "FAIL_OPEN".into())),
        ("", "fail_open", ("failOpen", true.into())),
        ("", "vm_config", ("vmConfig", serde_json::json!({}))),
        ("/vm_config", "capability_restriction_config", ("capabilityRestrictionConfig", serde_json::json!({}))),
        ("/vm_config/code/remote", "http_uri", ("httpUri", serde_json::json!({}))),
    ] {
        let mut config = config.clone();
        let object = config.pointer_mut(&format!("/http_filters/0/typed_config/config{within}")).unwrap();
        object[twin.0] = twin.1;
        object.as_object_mut().unwrap().entry(field).or_insert(false.into());
        let place = format!("{PLUGIN}{}.{field}", within.replace('/', "."));
        refused(&house, &config.to_string(), (&place, "stands here in both of its spellings", 25));
    }
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
fn a_merge_key_is_refused_because_envoy_does_not_merge() {
    let house = House::new();
    let config = bootstrap(&house);
    let merged = config.replacen("failure_policy: FAIL_CLOSED", "<<: {failure_policy: FAIL_CLOSED}", 1);
    assert_ne!(merged, config);
    let verified = verify(&house, &merged, &[]);
    assert!(verified.told.contains("merge key"), "{}", verified.told);
    assert_eq!(verified.code, 1);
}

#[test]
fn a_lock_that_is_not_the_one_of_the_sums_is_refused_without_a_key_too() {
    let house = House::new();
    let config = bootstrap(&house);
    let lock = house.read("dist/palisade.lock");
    house.write("dist/palisade.lock", format!("{lock}\n"));
    let verified = verify(&house, &config, &[]);
    assert!(verified.told.contains("palisade.lock: not the file that SHA256SUMS names"), "{}", verified.told);
    assert_eq!(verified.code, 22);
    house.write("dist/palisade.lock", lock);
    fs::remove_file(house.path("dist/SHA256SUMS")).unwrap();
    let verified = verify(&house, &config, &[]);
    assert!(verified.told.contains("SHA256SUMS does not name the lock"), "{}", verified.told);
    assert_eq!(verified.code, 22);
}

#[test]
fn a_lock_that_grants_what_its_module_does_not_import_is_refused_whatever_the_sums_say() {
    let house = House::new();
    let config = bootstrap(&house);
    let (old, sums) = (house.read("dist/palisade.lock"), house.read("dist/SHA256SUMS"));
    for (from, to) in [("random_get", "fd_write"), ("\"proxy_on_log\",", "")] {
        let new = old.replacen(from, to, 1);
        assert_ne!(new, old, "{from}");
        house.write("dist/palisade.lock", &new);
        house.write("dist/SHA256SUMS", sums.replace(&house::sha256(old.as_bytes()), &house::sha256(new.as_bytes())));
        let verified = verify(&house, &config, &[]);
        assert!(verified.told.contains("probe.wasm: its imports and exports are not those"), "{}", verified.told);
        assert_eq!(verified.code, 22);
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
