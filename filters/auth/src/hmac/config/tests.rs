use palisade_sdk::config;

use super::*;

fn parse(fields: &str) -> Result<HmacConfig, String> {
    config::parse(format!("{{{fields}}}").as_bytes()).map_err(|errors| errors.to_string())
}

const CLIENT: &str = r#""id": "partner", "secret": "a secret of thirty-two bytes ...""#;

fn with_client(fields: &str) -> Result<HmacConfig, String> {
    parse(&format!(r#""clients": [{{{CLIENT}, {fields}}}]"#))
}

fn with_fields(fields: &str) -> Result<HmacConfig, String> {
    parse(&format!(r#""clients": [{{{CLIENT}}}], {fields}"#))
}

#[test]
fn clients_are_all_that_it_takes() {
    let config = parse(&format!(r#""clients": [{{{CLIENT}}}]"#)).unwrap();
    let (keyid, key) = &config.verifier.keys[0];
    assert_eq!((keyid.as_str(), config.verifier.keys.len()), ("partner", 1));
    assert_eq!((key.client.as_str(), key.covered.as_slice()), ("partner", COVERED.map(str::to_owned).as_slice()));
    assert_eq!(config.verifier.max_age, Duration::from_secs(300));
    assert_eq!(config.verifier.clock_skew, Duration::from_secs(60));
    assert_eq!((config.max_body, config.body_timeout), (1024 * 1024, Duration::from_secs(15)));
    assert_eq!(config.replay_cache, 65_536);
}

#[test]
fn every_field_is_read() {
    let config = parse(&format!(
        r#""clients": [{{{CLIENT}}}, {{"id": "partner", "keyid": "new", "secret_base64": "AAECAwQFBgcICQoLDA0ODw==",
           "covered": ["@target-uri"]}}, {{"id": "x", "secret": {{"env": "KEY"}}}}],
           "covered": ["@method", "date"], "max_age": "10s", "clock_skew": "0s", "max_body": "0B",
           "body_timeout": "1ms", "replay_cache": 64.0"#
    ));
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    let keys = &config.verifier.keys;
    let covered = |place: usize| keys[place].1.covered.clone();
    assert_eq!(keys.iter().map(|(keyid, _)| keyid.as_str()).collect::<Vec<_>>(), ["partner", "new", "x"]);
    assert_eq!(keys[1].1.client, "partner");
    assert_eq!(
        (covered(1), covered(0)),
        (vec!["@target-uri".to_owned()], vec!["@method".to_owned(), "date".to_owned()])
    );
    assert_eq!((config.verifier.max_age, config.verifier.clock_skew), (Duration::from_secs(10), Duration::ZERO));
    assert_eq!((config.max_body, config.body_timeout, config.replay_cache), (0, Duration::from_millis(1), 64));
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    for (fields, reason) in [
        ("", "missing field \"clients\""),
        (r#""clients": []"#, "clients: expected a list with at least one item"),
        (
            r#""clients": [{"id": "a"}]"#,
            "clients[0]: expected exactly one of \"secret\" or \"secret_base64\", found none",
        ),
        (r#""clients": [{"secret": "0123456789abcdef"}]"#, "clients[0]: missing field \"id\""),
        (r#""clients": [{"id": "", "secret": "0123456789abcdef"}]"#, "clients[0].id: expected a name of 1 to 256"),
        (r#""clients": [{"id": "é", "secret": "0123456789abcdef"}]"#, "clients[0].id: expected a name of 1 to 256"),
        (r#""clients": [{"id": "a", "secret": "too short"}]"#, "clients[0].secret: the secret has less than 16 bytes"),
        (
            r#""clients": [{"id": "a", "secret_base64": "AAEC"}]"#,
            "clients[0].secret_base64: the secret has less than 16",
        ),
        (
            r#""clients": [{"id": "a", "secret_base64": "not base64 at all !!"}]"#,
            "clients[0].secret_base64: the secret is not base64",
        ),
        (
            r#""clients": [{"id": "a", "secret": "0123456789abcdef"}, {"id": "b", "keyid": "a", "secret": "0123456789abcdef"}]"#,
            "clients[1]: another client in the list has the same keyid",
        ),
    ] {
        let error = parse(fields).err().unwrap_or_else(|| panic!("{fields}"));
        assert!(error.contains(reason), "{fields}: {error}");
        assert!(!error.contains("too short") && !error.contains("base64 at all"), "{error}");
    }
    for (fields, reason) in [
        (r#""covered": []"#, "covered: expected a list with at least one item"),
        (r#""covered": ["@status"]"#, "covered[0]: expected @method, @target-uri"),
        (r#""covered": ["Date"]"#, "covered[0]: expected @method, @target-uri"),
        (r#""covered": ["date", "date"]"#, "covered[1]: is in the list already"),
        (r#""max_age": "0s""#, "max_age: too short"),
        (r#""max_age": "500ms""#, "max_age: too short"),
        (r#""max_age": "61m""#, "max_age: longer than \"1h\""),
        (r#""clock_skew": 60"#, "clock_skew: expected a duration"),
        (r#""max_body": "65MiB""#, "max_body: expected a size of up to \"64MiB\""),
        (r#""body_timeout": "0s""#, "body_timeout: too short"),
        (r#""replay_cache": 63"#, "replay_cache: expected an integer from 64 to 1048576, found the number 63"),
        (r#""replay_cahce": 64"#, "replay_cahce: unknown field, did you mean \"replay_cache\"?"),
    ] {
        let error = with_fields(fields).err().unwrap_or_else(|| panic!("{fields}"));
        assert!(error.contains(reason), "{fields}: {error}");
    }
    let error = with_client(r#""covered": ["@path", "@query-param"]"#).err().unwrap();
    assert!(error.contains("clients[0].covered[1]: expected @method"), "{error}");
}

#[cfg(feature = "schema")]
mod schema {
    use schemars::SchemaGenerator;
    use serde_json::{Value, json};

    use super::*;

    fn is_valid(config: &Value) -> bool {
        let schema = SchemaGenerator::default().into_root_schema_for::<HmacConfig>();
        jsonschema::validator_for(schema.as_value()).unwrap().is_valid(config)
    }

    fn is_read(config: &Value) -> bool {
        config::parse::<HmacConfig>(config.to_string().as_bytes()).is_ok()
    }

    fn with(field: &str, value: Value) -> Value {
        let mut config = json!({"clients": [{"id": "a", "secret": "0123456789abcdef"}]});
        config[field] = value;
        config
    }

    #[test]
    fn schema_and_parser_accept_and_refuse_the_same_shapes() {
        let client = |fields: Value| {
            let mut client = json!({"id": "a", "secret": "0123456789abcdef"});
            client.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            with("clients", json!([client]))
        };
        let good = [
            with("covered", json!(["@method", "x-a"])),
            with("max_age", json!("5m")),
            with("clock_skew", json!("0s")),
            with("max_body", json!("1MiB")),
            with("body_timeout", json!("1s")),
            with("replay_cache", json!(64)),
            client(json!({"keyid": "k", "covered": ["@target-uri"]})),
            client(json!({"secret": {"env": "KEY"}})),
            with("clients", json!([{"id": "a", "secret_base64": "AAECAwQFBgcICQoLDA0ODw=="}])),
        ];
        for config in good {
            assert!(is_valid(&config) && is_read(&config), "{config}");
        }
        let bad = [
            json!({}),
            with("clients", json!([])),
            with("clients", json!({})),
            with("clients", json!([{"id": "a"}])),
            with("clients", json!([{"secret": "0123456789abcdef"}])),
            client(json!({"secret_base64": "AAECAwQFBgcICQoLDA0ODw=="})),
            client(json!({"secret": ""})),
            client(json!({"secret": {"var": "KEY"}})),
            client(json!({"id": ""})),
            client(json!({"id": "é"})),
            client(json!({"key": "x"})),
            with("covered", json!([])),
            with("covered", json!(["@status"])),
            with("covered", json!(["Date"])),
            with("covered", json!(["date", "date"])),
            with("max_age", json!(300)),
            with("max_body", json!(1024)),
            with("replay_cache", json!(1)),
            with("replay_cache", json!("64")),
            with("other", json!(1)),
        ];
        for config in bad {
            assert!(!is_valid(&config) && !is_read(&config), "{config}");
        }
    }
}
