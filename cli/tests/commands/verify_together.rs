//! `palisade verify`, on several files that need each other.

use serde_json::{Value, json};

use crate::house::{House, stderr};
use crate::verify::bootstrap;

/// The exit code, and what is told.
fn verify(house: &House, files: &[(&str, &Value)]) -> (i32, String) {
    for (name, config) in files {
        house.write(name, config.to_string());
    }
    let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
    let output = house.palisade(&[&["verify", "--dist", "dist"], &names[..]].concat());
    (output.status.code().unwrap(), stderr(&output))
}

/// A bootstrap with this cluster, and without filters.
fn with_cluster(name: &str) -> Value {
    let assignment = json!({"endpoints": [{"lb_endpoints": [{}]}]});
    json!({"static_resources": {"clusters": [{"name": name, "load_assignment": assignment}]}})
}

/// A file of listeners with the filter of `dist/envoy/probe.yaml`.
fn listeners(house: &House) -> Value {
    let config: Value = serde_saphyr::from_str(&bootstrap(house)).unwrap();
    json!({"resources": [{"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "filter_chains": config["http_filters"]}]})
}

#[test]
fn the_clusters_of_a_file_of_listeners_are_those_of_the_bootstrap_beside_it() {
    let house = House::new();
    let listeners = listeners(&house);
    let together = |cluster: &str| verify(&house, &[("a.json", &with_cluster(cluster)), ("b.json", &listeners)]);
    let (code, told) = together("palisade_modules");
    assert_eq!(code, 0, "{told}");
    let (code, told) = together("other");
    assert_eq!(code, 19, "{told}");
    assert!(told.contains("b.json: resources[0].filter_chains[0]") && told.contains("no cluster is named"), "{told}");
    assert_eq!(verify(&house, &[("b.json", &listeners)]).0, 0, "its bootstrap is not there");
    let (code, told) = verify(&house, &[("a.json", &with_cluster("palisade_modules"))]);
    assert_eq!(code, 27, "{told}");
}

#[test]
fn the_clusters_of_a_mesh_are_not_looked_for_in_a_bootstrap() {
    let house = House::new();
    let filter =
        json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "spec": listeners(&house)});
    let own = serde_saphyr::from_str(&bootstrap(&house)).unwrap();
    let (code, told) = verify(&house, &[("a.json", &own), ("b.json", &filter), ("c.json", &with_cluster("other"))]);
    assert_eq!(code, 0, "{told}");
}

#[test]
fn a_config_that_is_left_to_discovery_is_verified_beside_what_names_it() {
    let house = House::new();
    let filter = &listeners(&house)["resources"][0]["filter_chains"][0];
    let wasm = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    let source = json!({"path_config_source": {"path": "probe.yaml"}});
    let discovered = json!({"http_filters": [{"name": "probe", "config_discovery": {"config_source": source, "type_urls": [wasm]}}]});
    let extension = |name: &str| {
        let kind = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
        json!({"resources": [{"@type": kind, "name": name, "typed_config": filter["typed_config"]}]})
    };
    let (code, told) = verify(&house, &[("a.json", &discovered), ("b.json", &extension("probe"))]);
    assert_eq!(code, 0, "{told}");
    for files in [&[("a.json", &discovered)][..], &[("a.json", &discovered), ("b.json", &extension("other"))]] {
        let (code, told) = verify(&house, files);
        assert_eq!(code, 20, "{told}");
        assert!(told.contains("a.json: http_filters[0].config_discovery: the config of `probe` comes from"), "{told}");
    }
}

#[test]
fn a_config_that_is_left_to_discovery_may_be_another_patch_of_an_envoy_filter() {
    let house = House::new();
    let filter = &listeners(&house)["resources"][0]["filter_chains"][0];
    let wasm = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    let discovered = json!({"name": "probe", "config_discovery": {"config_source": {"ads": {}}, "type_urls": [wasm]}});
    let object = |patch: &Value| {
        let first = json!({"applyTo": "HTTP_FILTER", "patch": {"operation": "INSERT_BEFORE", "value": discovered}});
        let object = json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "spec": {"configPatches": [first, patch]}});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [object]});
        [object, list]
    };
    let extension = json!({"name": "probe", "typed_config": filter["typed_config"]});
    let patch = json!({"applyTo": "EXTENSION_CONFIG", "patch": {"operation": "ADD", "value": extension}});
    for object in object(&patch) {
        let (code, told) = verify(&house, &[("a.json", &object)]);
        assert_eq!(code, 0, "{told}");
    }
    for (pointer, other) in [("/applyTo", "CLUSTER"), ("/patch/operation", "MERGE"), ("/patch/value/name", "other")] {
        let mut patch = patch.clone();
        *patch.pointer_mut(pointer).unwrap() = other.into();
        for object in object(&patch) {
            let (code, told) = verify(&house, &[("a.json", &object)]);
            assert_eq!(code, 20, "{other}: {told}");
            assert!(told.contains("config_discovery: the config of `probe` comes from elsewhere"), "{told}");
        }
    }
    let mut open = patch.clone();
    open["patch"]["value"]["typed_config"]["config"]["failure_policy"] = "FAIL_OPEN".into();
    for object in object(&open) {
        assert_eq!(verify(&house, &[("a.json", &object)]).0, 15);
    }
}

#[test]
fn one_file_that_is_none_hides_nothing_of_the_others() {
    let house = House::new();
    let open = bootstrap(&house).replace("FAIL_CLOSED", "FAIL_OPEN");
    let open = serde_saphyr::from_str(&open).unwrap();
    let (code, told) = verify(&house, &[("a.json", &json!({"a": 1})), ("b.json", &open)]);
    assert_eq!(code, 27, "{told}");
    assert!(
        told.contains("a.json: it loads no Wasm module") && told.contains("b.json: ") && told.contains("[15]"),
        "{told}"
    );
}
