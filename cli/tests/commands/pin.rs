//! `palisade pin`, on a dist directory with one small module.

use std::fs;

use palisade::lock::Lock;
use palisade::pin;
use serde_json::{Value, json};

use crate::house::{House, stderr};

#[test]
fn a_template_becomes_a_remote_and_a_local_config_that_pass_the_check() {
    let house = House::new();
    let output = house.palisade(&["pin", "--dist", "dist", "--templates", "envoy"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let files = ["envoy/probe.yaml", "envoy/probe.local.yaml", "envoy-1.36/probe.yaml", "envoy-1.36/probe.local.yaml"];
    let files = files.map(|file| house.path("dist").join(file));
    let pinned = pin::check(&files, &house.path("dist")).unwrap();
    assert!(pinned.iter().all(|config| config.modules == ["probe"]), "{pinned:?}");
    let remote = house.read("dist/envoy/probe.yaml");
    assert!(remote.contains(&format!("sha256: \"{}\"", house.sha256())), "{remote}");
    assert!(remote.contains("# why this filter is here"), "{remote}");
    assert!(house.read("dist/envoy/probe.local.yaml").contains("filename: /etc/palisade/modules/probe.wasm"));
}

#[test]
fn the_labels_of_all_modules_are_written_for_bootstraps_of_one_s_own() {
    let house = House::new();
    house.render();
    let snippet: Value = serde_saphyr::from_str(&house.read("dist/stats-tags.yaml")).unwrap();
    let tag = json!({"tag_name": "tier", "regex": r"^wasmcustom\.palisade\..*(;tier=([^;]*))"});
    assert_eq!(snippet, json!({"stats_config": {"stats_tags": [tag]}}));
}

#[test]
fn a_list_that_lacks_any_callback_or_import_is_refused() {
    let house = House::new();
    house.render();
    let lock = Lock::read(&house.path("dist")).unwrap();
    let capabilities = lock.module("probe").unwrap().capabilities();
    assert_eq!(capabilities.len(), 5);
    for (directory, holder) in [("envoy", "config.vm_config"), ("envoy-1.36", "config")] {
        let config = house.read(&format!("dist/{directory}/probe.yaml"));
        let place = format!("typed_config.{holder}.capability_restriction_config.allowed_capabilities: lacks");
        for missing in &capabilities {
            let line = format!("{missing}: {{}}");
            let refusal = house.refusal(&config.replacen(&line, "", 1));
            assert!(refusal.contains(&place), "{refusal}");
            assert!(
                refusal.contains(&format!("{missing}: ")) && refusal.contains(&format!("add `{line}`")),
                "{refusal}"
            );
        }
    }
}

#[test]
fn a_config_that_would_let_requests_pass_or_fail_is_refused_with_the_remedy() {
    let house = House::new();
    house.render();
    let remote = house.read("dist/envoy/probe.yaml");
    let hash = house.sha256();
    let cases = [
        (
            "failure_policy: FAIL_CLOSED",
            "failure_policy: FAIL_OPEN",
            "failure_policy: FAIL_OPEN lets requests pass unfiltered",
        ),
        (
            "failure_policy: FAIL_CLOSED",
            "failurePolicy: FAIL_OPEN",
            "failure_policy: FAIL_OPEN lets requests pass unfiltered",
        ),
        ("failure_policy: FAIL_CLOSED", "failure_policy: 3", "failure_policy: a number lets requests pass unfiltered"),
        ("failure_policy: FAIL_CLOSED", "fail_open: true", "fail_open: deprecated, and lets requests pass unfiltered"),
        ("failure_policy: FAIL_CLOSED", "capability_restriction_config: {}", "vm_config has such a list too"),
        (&hash, &hash.to_uppercase(), "is not 64 lower-case hex digits"),
        (&hash, "abc", "is not 64 lower-case hex digits"),
        (&hash, &"0".repeat(64), "not the hash of probe, which is"),
        ("modules/probe.wasm", "modules/other.wasm\n# ", "OK"),
        ("num_retries: 10", "num_retries: 0", "retry_policy.num_retries: missing"),
        ("retry_policy:", "retry:", "retry_policy.num_retries: missing"),
        ("capability_restriction_config:", "capabilities:", "missing: probe may call everything"),
        ("random_get: {}", "proxy_http_call: {}", "allows proxy_http_call, which probe does not need"),
        ("remote:", "elsewhere:", "name the module by either `remote` or `local`"),
        ("vm_config:", "vm:", "this Wasm filter has no config.vm_config"),
    ];
    for (from, to, message) in cases {
        let config = remote.replacen(from, to, 1);
        assert_ne!(config, remote, "{from}");
        if message == "OK" {
            assert!(house.check(&config).is_ok(), "{to}");
        } else {
            let refusal = house.refusal(&config);
            assert!(refusal.contains(message), "{to}: {refusal}");
        }
    }
}

#[test]
fn local_code_must_be_a_file_that_is_named_like_a_module() {
    let house = House::new();
    house.render();
    let local = house.read("dist/envoy/probe.local.yaml");
    let refusal =
        house.refusal(&local.replace("filename: /etc/palisade/modules/probe.wasm", "filename: /x/other.wasm"));
    assert!(refusal.contains("code.local.filename: `/x/other.wasm` is named like no module of the lock"), "{refusal}");
    let refusal = house.refusal(&local.replace("filename: /etc", "inline_string: /etc"));
    assert!(refusal.contains("code.local: only `filename` is understood"), "{refusal}");
}

#[test]
fn all_problems_of_a_config_are_told_at_once() {
    let house = House::new();
    house.render();
    let config = house.read("dist/envoy/probe.yaml").replace("FAIL_CLOSED", "FAIL_OPEN").replace("num_retries: 10", "");
    let refusal = house.refusal(&config);
    assert!(refusal.contains("FAIL_OPEN lets") && refusal.contains("num_retries: missing"), "{refusal}");
}

#[test]
fn a_config_without_a_module_is_not_taken_for_a_checked_one() {
    let house = House::new();
    assert!(house.refusal("static_resources: {}\n").contains("loads no Wasm module"));
}

#[test]
fn a_template_with_a_list_of_its_own_is_held_to_the_same_check() {
    let house = House::new();
    house.write("envoy/hand.yaml", HAND_WRITTEN);
    let error = pin::render(&house.path("envoy"), &house.path("dist"), &pin::Images::new()).unwrap_err().to_string();
    assert!(
        error.contains("hand.yaml must not be loaded") && error.contains("lacks the callback proxy_on_log"),
        "{error}"
    );
    assert!(!house.path("dist/envoy").exists(), "nothing is written when one config is refused");
}

#[test]
fn a_module_that_is_not_the_lock_s_stops_the_pin() {
    let house = House::new();
    let mut tampered = fs::read(house.path("dist/modules/probe.wasm")).unwrap();
    tampered.push(0);
    fs::write(house.path("dist/modules/probe.wasm"), tampered).unwrap();
    let output = house.palisade(&["pin", "--dist", "dist", "--templates", "envoy"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("probe.wasm is not the module of the lock: its SHA-256 is "),
        "{}",
        stderr(&output)
    );
    fs::remove_file(house.path("dist/modules/probe.wasm")).unwrap();
    let output = house.palisade(&["pin", "--dist", "dist", "--templates", "envoy"]);
    assert!(stderr(&output).contains("names a module that is not there"), "{}", stderr(&output));
}

#[test]
fn without_a_lock_the_error_says_how_to_make_one() {
    let house = House::new();
    fs::remove_file(house.path("dist/palisade.lock")).unwrap();
    let output = house.palisade(&["pin", "--dist", "dist", "--templates", "envoy"]);
    assert!(stderr(&output).contains("there is no lock: run `cargo palisade build`"), "{}", stderr(&output));
}

const HAND_WRITTEN: &str = r#"
http_filters:
- name: probe
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
    config:
      name: probe
      failure_policy: FAIL_CLOSED
      vm_config:
        runtime: envoy.wasm.runtime.v8
        code: {local: {filename: /etc/palisade/modules/probe.wasm}}
        capability_restriction_config:
          allowed_capabilities: {proxy_log: {}, random_get: {}, proxy_on_context_create: {}, proxy_on_request_headers: {}}
"#;
