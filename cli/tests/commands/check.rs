//! `palisade check`, with configs of the filters of this project.

use crate::house::{House, stderr};

#[test]
fn a_config_is_read_in_yaml_and_in_json() {
    let house = House::new();
    house.write("good.yaml", "default: {sample: 10%}\n");
    house.write("good.json", r#"{"default": {"sample": "10%"}}"#);
    for file in ["good.yaml", "good.json"] {
        let output = house.palisade(&["check", "trace-sampler", file]);
        assert!(output.status.success(), "{file}: {}", stderr(&output));
    }
}

#[test]
fn all_errors_are_told_with_their_paths() {
    let house = House::new();
    house.write("bad.yaml", "defualt: {sample: 10%}\nrules:\n- {match: {methods: GET}, sample: 10}\n");
    let output = house.palisade(&["check", "trace-sampler", "bad.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    for error in [
        "bad.yaml is no config of trace-sampler",
        "\n  defualt: unknown field",
        "\n  rules[0].match.methods: ",
        "\n  rules[0].sample: ",
    ] {
        assert!(told.contains(error), "{error}: {told}");
    }
}

#[test]
fn the_module_without_services_is_held_to_what_it_reads() {
    let house = House::new();
    let config = "limits:\n- name: a\n  key: [{client_ip: {}}]\n  rate: 10/1s\n  rls: {cluster: rls, domain: d, descriptors: [[{key: a, value: {client_ip: {}}}]], failure_mode: local}\n";
    house.write("global.yaml", config);
    let output = house.palisade(&["check", "rate-limit", "global.yaml"]);
    assert!(stderr(&output).contains("limits[0].rls: this module asks no service"), "{}", stderr(&output));
    let output = house.palisade(&["check", "rate-limit-global", "global.yaml"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn what_is_no_config_at_all_is_told() {
    let house = House::new();
    for (content, message) in
        [("", "the config is empty"), ("{\"a\": 1", "not valid JSON"), ("a: [", "neither JSON nor YAML")]
    {
        house.write("config", content);
        let told = stderr(&house.palisade(&["check", "auth", "config"]));
        assert!(told.contains(message), "{content}: {told}");
    }
    assert!(stderr(&house.palisade(&["check", "auth", "missing"])).contains("cannot read missing"));
    assert!(stderr(&house.palisade(&["check", "auht", "config"])).contains("no such filter; there is auth"));
}

#[test]
fn yaml_in_flow_style_is_not_taken_for_broken_json() {
    let house = House::new();
    house.write("flow.yaml", "{rules: [], default: {sample: 10%}}\n");
    let output = house.palisade(&["check", "trace-sampler", "flow.yaml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    house.write("flow.yaml", "{defualt: {sample: 10%}}\n");
    let output = house.palisade(&["check", "trace-sampler", "flow.yaml"]);
    assert!(stderr(&output).contains("\n  defualt: unknown field"), "{}", stderr(&output));
}
