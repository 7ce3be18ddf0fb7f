//! `palisade verify`: each refusal with its message, its place and its exit code.

use std::fs;

use crate::house::{self, House, stderr};

/// What was refused, where, and with which exit code.
pub(crate) type Expected<'a> = (&'a str, &'a str, i32);

pub(crate) struct Verified {
    pub(crate) code: i32,
    pub(crate) told: String,
}

pub(crate) fn verify(house: &House, config: &str, options: &[&str]) -> Verified {
    house.write("config.yaml", config);
    let arguments = [&["verify", "config.yaml", "--dist", "dist"], options].concat();
    let output = house.palisade(&arguments);
    Verified { code: output.status.code().unwrap(), told: stderr(&output) }
}

pub(crate) fn accepted(house: &House, config: &str, options: &[&str]) {
    let verified = verify(house, config, options);
    assert_eq!(verified.code, 0, "{}\n{config}", verified.told);
}

pub(crate) fn refused(house: &House, config: &str, (place, what, code): Expected<'_>) {
    let verified = verify(house, config, &[]);
    assert!(verified.told.contains(&format!("config.yaml: {place}: {what}")), "{place}: {what}\n{}", verified.told);
    assert_eq!(verified.code, code, "{}", verified.told);
}

/// A bootstrap as `pin` has written it, with the cluster that the module comes from.
pub(crate) fn bootstrap(house: &House) -> String {
    house.render();
    let filters = house.read("dist/envoy/probe.yaml");
    format!(
        "static_resources:\n  clusters:\n  - name: palisade_modules\n    load_assignment: {{endpoints: [{{lb_endpoints: [{{}}]}}]}}\n{filters}"
    )
}

pub(crate) const PLUGIN: &str = "http_filters[0].typed_config.config";

#[test]
fn what_pin_has_written_is_accepted() {
    let house = House::new();
    accepted(&house, &bootstrap(&house), &[]);
    accepted(&house, &house.read("dist/envoy/probe.yaml"), &[]);
    let as_text = bootstrap(&house).replacen("num_retries: 10", "num_retries: '10'", 1);
    accepted(&house, &as_text, &[]);
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
        ("num_retries: 10", "num_retries: '0'", (format!("{remote}.retry_policy.num_retries"), "missing or 0", 18)),
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
    assert_eq!(verified.code, 27);
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
fn a_merge_key_is_refused_because_envoy_does_not_merge() {
    let house = House::new();
    let config = bootstrap(&house);
    let merged = config.replacen("failure_policy: FAIL_CLOSED", "<<: {failure_policy: FAIL_CLOSED}", 1);
    assert_ne!(merged, config);
    let verified = verify(&house, &merged, &[]);
    assert!(
        verified.told.contains("config.yaml: no YAML: ") && verified.told.contains("merge key"),
        "{}",
        verified.told
    );
    assert_eq!(verified.code, 27);
}

#[test]
fn a_field_that_envoy_skips_is_not_read() {
    let house = House::new();
    house.render();
    let local = house.read("dist/envoy/probe.local.yaml");
    let remote = house.read("dist/envoy/probe.yaml");
    for (config, from, to) in [
        (&local, "filename: ", "inline_bytes: AGFzbQEAAAA=\n            !ignore filename: "),
        (&local, "filename: ", "inline_bytes: AGFzbQEAAAA=\n            !<!ignore> filename: "),
        (&remote, "capability_restriction_config:", "!ignore capability_restriction_config:"),
        (&remote, "allowed_capabilities:", "!ignore allowed_capabilities:"),
        (&remote, "failure_policy:", "failure_policy: FAIL_OPEN\n      !ignore failurePolicy:"),
    ] {
        let skipped = config.replacen(from, to, 1);
        assert_ne!(skipped, *config, "{from}");
        let verified = verify(&house, &skipped, &[]);
        assert!(
            verified.told.contains("config.yaml: no YAML: ") && verified.told.contains("!ignore"),
            "{to}: {}",
            verified.told
        );
        assert_eq!(verified.code, 27);
    }
}

#[test]
fn tags_of_yaml_s_own_change_nothing_as_for_envoy() {
    let house = House::new();
    house.render();
    let local = house.read("dist/envoy/probe.local.yaml");
    accepted(&house, &local.replacen("filename: ", "filename: !!str ", 1), &[]);
    let file = "filename: /etc/palisade/modules/probe.wasm";
    let encoded = local.replacen(file, "filename: !!binary L2V0Yy9wYWxpc2FkZS9tb2R1bGVzL3Byb2JlLndhc20=", 1);
    let place = format!("{PLUGIN}.vm_config.code.local.filename");
    refused(&house, &encoded, (&place, "`L2V0", 20));
}

#[test]
fn a_local_module_is_a_file_and_nothing_else_too() {
    let house = House::new();
    house.render();
    let local = house.read("dist/envoy/probe.local.yaml");
    let place = format!("{PLUGIN}.vm_config.code.local");
    for other in ["inline_bytes: AGFzbQEAAAA=", "inlineString: module", "environment_variable: MODULE"] {
        let both = local.replacen("filename: ", &format!("{other}\n            filename: "), 1);
        assert_ne!(both, local);
        refused(&house, &both, (&place, "only `filename` is understood", 20));
    }
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
