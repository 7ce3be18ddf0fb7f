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

#[test]
fn a_file_is_read_by_its_name_and_as_envoy_reads_it() {
    let house = House::new();
    let check = |name: &str, content: &str| {
        house.write(name, content);
        stderr(&house.palisade(&["check", "trace-sampler", name]))
    };
    let trailing = r#"{"default": {"sample": "10%"},}"#;
    assert_eq!(check("a.yaml", trailing), "", "YAML may have a comma at the end");
    assert!(check("a.json", trailing).contains("not valid JSON"));
    let merged = "base: &base {sample: 10%}\ndefault: {<<: *base}\n";
    assert!(check("b.yaml", merged).contains("merge key"), "{}", check("b.yaml", merged));
    let two = "default: {sample: 10%}\n---\ndefault: {sample: 20%}\n";
    assert!(check("c.yaml", two).contains("there are 2 documents"), "{}", check("c.yaml", two));
}

#[test]
fn the_config_of_a_fused_module_is_read_by_all_of_its_filters() {
    let house = House::new();
    let check = |filters: &str, content: &str| {
        house.write("fused.yaml", content);
        let output = house.palisade(&["check", filters, "fused.yaml"]);
        (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output)))
    };
    let (auth, sampler) = ("auth: {default: {allow: anonymous}}\n", "trace_sampler: {default: {sample: 1%}}\n");
    let both = format!("{auth}{sampler}");
    let taken = (true, "fused.yaml: a config of trace-sampler-span-export,auth\n".to_owned());
    assert_eq!(check("trace-sampler-span-export,auth", &both), taken);
    let (taken, told) =
        check("auth,trace-sampler,rate-limit", &format!("{sampler}auth: {{defualt: 1}}\nmasking: {{}}\n"));
    assert!(!taken);
    for error in [
        "fused.yaml is no config of auth,trace-sampler,rate-limit:",
        "\n  auth.defualt: unknown field",
        "\n  config: missing field \"rate_limit\"",
        "\n  masking: unknown field; the filters' are auth, trace_sampler, rate_limit",
    ] {
        assert!(told.contains(error), "{error}: {told}");
    }
    for (filters, content, told) in [
        ("auth,trace-sampler", "[]", "config: expected an object"),
        ("auth,trace-sampler", "{\"auth\": 1", "config: not valid JSON"),
        ("auth,trace-sampler", "auth: 1\ntrace_sampler: []\n", "\n  auth: expected an object"),
        ("auth,auth", &both, "auth and auth cannot be fused"),
        ("auth,aut", &both, "no such filter; there is auth"),
    ] {
        let (taken, all) = check(filters, content);
        assert!(!taken && all.contains(told), "{told}: {all}");
    }
}
