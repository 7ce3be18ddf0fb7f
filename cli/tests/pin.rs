//! `palisade pin`, on a dist directory with one small module.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use palisade::lock::{Lock, Module};
use palisade::pin;
use palisade::wasm::Interface;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

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
    let error = pin::render(&house.path("envoy"), &house.path("dist")).unwrap_err().to_string();
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

/// A directory with `envoy/`, and `dist/` with one module and its lock.
struct House {
    directory: TempDir,
}

impl House {
    fn new() -> Self {
        let house = Self { directory: TempDir::new().unwrap() };
        let bytes = wat::parse_str(MODULE).unwrap();
        let interface = Interface::read(&bytes).unwrap();
        let lock = Lock::new(vec![Module {
            name: "probe".into(),
            version: "1.2.3".into(),
            file: "modules/probe.wasm".into(),
            sha256: hex::encode(Sha256::digest(&bytes)),
            size: bytes.len(),
            toolchain: "wat".into(),
            exports: interface.exports,
            imports: interface.imports,
            labels: vec!["tier".into()],
        }]);
        house.write("dist/modules/probe.wasm", bytes);
        house.write("dist/palisade.lock", serde_json::to_vec(&lock).unwrap());
        house.write("envoy/probe.yaml", TEMPLATE);
        house
    }

    fn render(&self) {
        pin::render(&self.path("envoy"), &self.path("dist")).unwrap();
    }

    fn check(&self, config: &str) -> anyhow::Result<Vec<pin::Pinned>> {
        self.write("config.yaml", config);
        pin::check(&[self.path("config.yaml")], &self.path("dist"))
    }

    fn refusal(&self, config: &str) -> String {
        self.check(config).unwrap_err().to_string()
    }

    fn sha256(&self) -> String {
        Lock::read(&self.path("dist")).unwrap().module("probe").unwrap().sha256.clone()
    }

    fn palisade(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        command.current_dir(self.directory.path()).args(arguments).output().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        fs::write(path, content).unwrap();
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const MODULE: &str = r#"(module
  (import "env" "proxy_log" (func $log))
  (import "wasi_snapshot_preview1" "random_get" (func $random))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) i32.const 0)
  (func (export "proxy_on_context_create"))
  (func (export "proxy_on_request_headers") call $random)
  (func (export "proxy_on_log") call $log))"#;

const TEMPLATE: &str = r#"
http_filters:
- name: probe # why this filter is here
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
    config:
      name: probe
      failure_policy: FAIL_CLOSED
      vm_config: !pin probe
"#;

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
