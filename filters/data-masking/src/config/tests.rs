use palisade_sdk::config;
#[cfg(feature = "schema")]
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::*;

fn read(config: &Value) -> Result<Config, String> {
    config::parse(config.to_string().as_bytes()).map_err(|errors| errors.to_string())
}

/// What is wrong with a rule that has this detector.
fn detector_error(detector: &Value) -> String {
    read(&json!({"rules": [{"detectors": [detector]}]})).unwrap_err()
}

/// A config with every field of the filter's own.
fn full() -> Value {
    json!({
        "rules": [{
            "name": "all",
            "direction": ["request", "response"],
            "match": {"path": {"prefix": "/"}},
            "fields": [{"path": "$..a['b'][0].*", "name": "secret", "action": "remove"}],
            "detectors": [
                {"type": "email", "name": "mail", "action": {"replace": "[{{type}}]"}},
                {"regex": "EMP-\\d+", "name": "employee", "max_len": 6, "action": {"mask": {}}},
            ],
            "exclude": {"fields": ["$.order"]},
            "keys": true,
            "grpc": {"fields": [{"path": [1, 3], "name": "pin", "action": {"mask": {}}}]},
            "url": {
                "for": "logs",
                "query": [{"name": "user id", "action": "remove"}],
                "segments": [{"segment": 2, "action": {"mask": {}}}],
            },
        }],
        "rule_by_route": true,
        "bodies": {
            "content_types": ["application/json", "text/*"],
            "encodings": "gzip",
            "max_hold": "4KiB",
            "max_decoded": "1MiB",
            "numbers": "zero",
            "sniff": true,
            "on_error": "pass",
            "on_invalid": "fail",
            "on_undecodable": "pass",
            "on_partial": "pass",
        },
        "headers": [{"name": "x-user", "direction": ["request"], "action": {"mask": {}}}, {"name": "x-note", "direction": ["access_log"]}],
        "cookies": [{"name": "sid", "direction": ["request"], "action": "remove"}],
        "client_ip": {"trusted_hops": 1},
        "report_only": true,
    })
}

#[test]
fn every_field_is_read() {
    let config = read(&full()).unwrap();
    assert_eq!(config.bodies.max_hold, 4096);
    assert_eq!(config.bodies.max_decoded, 1 << 20);
    assert_eq!(config.bodies.encodings, Encodings::Gzip);
    assert_eq!(config.bodies.on_invalid, Some(OnInvalid::Fail));
    assert!(config.report_only && config.options().report_only);
    let masking = &config.rules.iter().next().unwrap().action;
    assert!(masking.directions.request && masking.directions.response && masking.policy.keys);
    let names: Vec<_> = masking.policy.entries().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["mail", "employee", "secret", "pin"]);
}

#[test]
fn without_a_word_about_it_responses_are_masked_and_failures_fail() {
    let config = read(&json!({"rules": [{"detectors": [{"type": "email", "action": "remove"}]}]})).unwrap();
    let masking = &config.rules.iter().next().unwrap().action;
    assert!(!masking.directions.request && masking.directions.response);
    let Bodies { on_error, on_undecodable, on_partial, on_invalid, .. } = config.bodies;
    assert_eq!([on_error, on_undecodable, on_partial], [Otherwise::Fail; 3]);
    assert_eq!(on_invalid, None);
}

#[test]
fn a_config_that_masks_nothing_is_refused() {
    for config in [json!({}), json!({"rules": []}), json!({"headers": [{"name": "x-user"}]})] {
        assert!(read(&config).unwrap_err().starts_with("rules: expected at least one rule"), "{config}");
    }
    let error = read(&json!({"rules": [{"name": "a"}]})).unwrap_err();
    assert_eq!(error, "rules[0]: a rule needs `fields`, `detectors`, `grpc` or `url`: this one would mask nothing");
}

#[test]
fn a_regex_that_says_too_little_is_refused() {
    for (regex, expected) in [
        ("a*", "nothing bounds the length of its matches"),
        ("(a|b+)c", "nothing bounds the length of its matches"),
        ("a?", "it matches an empty text"),
        ("a{0,5}|b", "it matches an empty text"),
        ("(", "not a regular expression"),
        (r"(a)\1", "not a regular expression"),
        ("(?=a)b", "not a regular expression"),
        ("^a", "^, $, \\A and \\z have no place here"),
        ("a{1,9000}", "exceeded size limit"),
    ] {
        let error = detector_error(&json!({"name": "x", "regex": regex, "action": "remove"}));
        assert!(error.starts_with("rules[0].detectors[0].regex: ") && error.contains(expected), "{regex}: {error}");
    }
    let bounded = json!({"name": "x", "regex": "a+", "max_len": 16, "action": "remove"});
    assert!(read(&json!({"rules": [{"detectors": [bounded]}]})).is_ok());
}

#[test]
fn a_detector_is_one_thing_and_has_a_name() {
    for (detector, expected) in [
        (json!({"action": "remove"}), "expected either \"type\" or \"regex\", found none"),
        (json!({"type": "email", "regex": "a", "action": "remove"}), "found both"),
        (json!({"regex": "a", "action": "remove"}), "needs a `name`"),
        (json!({"type": "e-mail", "action": "remove"}), "there is no such detector; there is credit_card, iban"),
        (json!({"type": "email", "max_len": 5, "action": "remove"}), "there is none here"),
        (json!({"type": "email", "name": "a b", "action": "remove"}), "a name of 1 to 64"),
        (json!({"type": "email"}), "missing field \"action\""),
    ] {
        let error = detector_error(&detector);
        assert!(error.contains(expected), "{detector}: {error}");
    }
}

#[test]
fn what_cannot_be_masked_is_refused() {
    let with = |name: &str, value: Value| {
        let mut config = full();
        config[name] = value;
        read(&config).unwrap_err()
    };
    for name in [":path", "content-length", "Transfer-Encoding", "host", "content-type"] {
        assert!(with("headers", json!([{"name": name}])).contains("frames or routes"), "{name}");
    }
    for kind in ["application/grpc", "application/grpc+proto"] {
        assert!(with("bodies", json!({"content_types": [kind]})).contains("masked by `grpc` in a rule"), "{kind}");
    }
    let grpc = |paths: &[&[u32]]| {
        let fields: Vec<_> = paths.iter().map(|path| json!({"path": path, "action": "report"})).collect();
        with("rules", json!([{"grpc": {"fields": fields}}]))
    };
    assert!(grpc(&[&[1, 3], &[2], &[1]]).contains("one path leads into the field of another"));
    let url = |url: Value| with("rules", json!([{"url": url}]));
    assert!(url(json!({"query": []})).contains("missing field \"for\""));
    let removed = json!({"for": "logs", "segments": [{"segment": 1, "action": "remove"}]});
    assert!(url(removed).contains("a segment cannot be removed"));
    let cookie = json!([{"name": "sid", "direction": ["access_log"]}]);
    assert!(with("cookies", cookie).contains("a cookie is logged by `headers`"));
    for (direction, rule) in [("request", "response"), ("response", "request")] {
        let detectors = json!([{"type": "email", "action": "remove"}]);
        let mut config = json!({"rules": [{"direction": [rule], "detectors": detectors}]});
        for field in ["headers", "cookies"] {
            config[field] = json!([{"name": "x", "direction": [direction]}]);
            let error = read(&config).unwrap_err().to_string();
            assert!(error.contains(&format!("{field}: no rule has that direction")), "{error}");
            config[field] = json!([]);
        }
    }
    assert!(with("bodies", json!({"content_types": ["json"]})).contains("a media type such as"));
    assert!(with("bodies", json!({"max_hold": "1B"})).contains("from 256B to 64KiB"));
    assert!(with("bodies", json!({"encodings": "br"})).contains("expected \"identity\" or \"gzip\""));
    assert!(with("rules", json!([{"fields": [{"path": "a.b", "action": "remove"}]}])).contains("RFC 9535"));
    assert!(with("report_onyl", json!(true)).contains("did you mean \"report_only\"?"));
}

/// The examples of the README.
fn examples() -> Vec<Value> {
    let readme = include_str!("../../README.md");
    let examples = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    examples.map(|yaml| serde_saphyr::from_str(yaml).unwrap()).collect()
}

#[test]
fn the_examples_of_the_readme_are_read() {
    let examples = examples();
    assert!(!examples.is_empty());
    for example in examples {
        if let Err(error) = read(&example) {
            panic!("{example}: {error}");
        }
    }
}

#[cfg(feature = "schema")]
#[test]
fn the_schema_accepts_what_the_reader_accepts() {
    let schema: Value = SchemaGenerator::default().into_root_schema_for::<Config>().into();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for config in examples().into_iter().chain([full()]) {
        let errors: Vec<_> = validator.iter_errors(&config).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{config}: {errors:?}");
    }
    for (pointer, value) in [
        ("/bodies/max_hold", json!(4096)),
        ("/bodies/on_error", json!("ignore")),
        ("/rules/0/direction", json!(["sideways"])),
        ("/rules/0/direction", json!([])),
        ("/rules/0/detectors/0/type", json!("e-mail")),
        ("/rules/0/detectors/0/name", json!("a b")),
        ("/rules/0/detectors/1/max_len", json!(0)),
        ("/rules/0/fields/0/path", json!("a")),
        ("/rules/0/exclude", json!({})),
        ("/headers/0/name", json!("a b")),
        ("/headers/0/direction", json!(["logs"])),
        ("/cookies/0/direction", json!(["access_log"])),
        ("/rules/0/grpc/fields/0/path", json!([])),
        ("/rules/0/grpc/fields/0/path/0", json!(0)),
        ("/rules/0/url/for", json!("clients")),
        ("/rules/0/url/query/0/name", json!("")),
        ("/rules/0/url/segments/0/segment", json!(0)),
        ("/report_only", json!("yes")),
    ] {
        let mut config = full();
        *config.pointer_mut(pointer).unwrap() = value;
        assert!(!validator.is_valid(&config), "the schema accepts {config}");
        assert!(read(&config).is_err(), "the reader accepts {config}");
    }
}

/// The names of all fields, of the filter's own types.
#[cfg(feature = "schema")]
fn fields(schema: &Value, names: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(properties) = members.get("properties").and_then(Value::as_object) {
                names.extend(properties.keys().cloned());
            }
            members.values().for_each(|value| fields(value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| fields(value, names)),
        _ => {}
    }
}

#[cfg(feature = "schema")]
#[test]
fn the_readme_names_every_field() {
    let schema: Value = SchemaGenerator::default().into_root_schema_for::<Config>().into();
    let readme = include_str!("../../README.md");
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        if !["Bodies", "Detecting", "Exclude", "Field", "Masking", "MessageField", "Messages", "Url"]
            .contains(&name.as_str())
        {
            continue;
        }
        let mut names = Vec::new();
        fields(definition, &mut names);
        for field in names {
            assert!(readme.contains(&format!("`{field}`")), "{name}.{field} is not in the README");
        }
    }
}
