use palisade_sdk::config;

use super::*;

const REQUIRED: &str = r#""cluster": "idp", "client_id": "gw", "client_secret": "canary""#;

fn parse(fields: &str) -> Result<IntrospectionConfig, String> {
    config::parse(format!("{{{fields}}}").as_bytes()).map_err(|errors| errors.to_string())
}

#[test]
fn a_cluster_and_credentials_are_all_that_it_takes() {
    let config = parse(REQUIRED).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((config.authority.as_deref(), config.path.as_str()), (None, "/introspect"));
    assert_eq!((config.timeout, config.cache), (Duration::from_secs(1), Duration::from_secs(30)));
    assert_eq!((config.cache_size, config.max_token, config.on_error), (1024, 8192, OnError::Refuse));
    assert_eq!(config.from, Sources::bearer());
    assert!(config.issuer.is_none() && config.audiences.is_empty() && config.scopes.is_empty());
}

#[test]
fn every_field_is_read() {
    let config = parse(&format!(
        r#"{REQUIRED}, "authority": "idp.example:8443", "path": "/oauth2/introspect?x", "timeout": "200ms", "cache": "0s",
           "cache_size": 1.0, "issuer": "https://idp.example", "audiences": ["shop", "cart"], "scopes": ["read"],
           "clock_skew": "0s", "from": [{{"header": "x-token"}}], "max_token": "1KiB", "on_error": "allow_if_jwt_valid""#
    ));
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((config.authority.as_deref(), config.path.as_str()), (Some("idp.example:8443"), "/oauth2/introspect?x"));
    assert_eq!(
        (config.timeout, config.cache, config.clock_skew),
        (Duration::from_millis(200), Duration::ZERO, Duration::ZERO)
    );
    assert_eq!((config.cache_size, config.max_token, config.on_error), (1, 1024, OnError::AllowIfJwtValid));
    assert_eq!(config.issuer.as_deref(), Some("https://idp.example"));
    assert_eq!(
        (config.audiences, config.scopes),
        (vec!["shop".to_owned(), "cart".to_owned()], vec!["read".to_owned()])
    );
    assert_ne!(config.from, Sources::bearer());
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    for field in ["cluster", "client_id", "client_secret"] {
        assert!(parse("").err().unwrap().contains(&format!("missing field \"{field}\"")), "{field}");
    }
    for (fields, reason) in [
        (r#""path": "introspect""#, "path: expected a path such as"),
        (r#""path": "/a b""#, "path: expected a path such as"),
        (r#""authority": "a\r\nb""#, "authority: expected a host such as"),
        (r#""timeout": "0s""#, "timeout: an answer takes a while"),
        (r#""cache": "2h""#, "cache: longer than \"1h\""),
        (r#""cache_size": 0"#, "cache_size: expected an integer from 1 to 1048576"),
        (r#""audiences": []"#, "audiences: expected a list with at least one item"),
        (r#""scopes": ["read write"]"#, "scopes[0]: expected a scope without blanks"),
        (r#""max_token": "65KiB""#, "max_token: expected a size from \"1B\" to \"64KiB\""),
        (r#""on_error": "allow""#, "on_error: expected \"refuse\" or \"allow_if_jwt_valid\""),
        (r#""isuer": "x""#, "isuer: unknown field, did you mean \"issuer\"?"),
    ] {
        let error = parse(&format!("{REQUIRED}, {fields}")).err().unwrap_or_else(|| panic!("{fields}"));
        assert!(error.contains(reason) && !error.contains("canary"), "{fields}: {error}");
    }
}

#[cfg(feature = "schema")]
#[test]
fn schema_and_parser_accept_and_refuse_the_same_shapes() {
    use serde_json::{Value, json};

    let schema = schemars::SchemaGenerator::default().into_root_schema_for::<IntrospectionConfig>();
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    let with = |field: &str, value: Value| {
        let mut config = json!({"cluster": "idp", "client_id": "gw", "client_secret": {"env": "SECRET"}});
        config[field] = value;
        config
    };
    let is_read = |config: &Value| config::parse::<IntrospectionConfig>(config.to_string().as_bytes()).is_ok();
    for (field, value) in [
        ("authority", json!("idp.example")),
        ("path", json!("/x")),
        ("client_secret", json!("x")),
        ("timeout", json!("1s")),
        ("cache", json!("0s")),
        ("cache_size", json!(1)),
        ("issuer", json!("x")),
        ("audiences", json!(["x"])),
        ("scopes", json!(["a:b/c"])),
        ("clock_skew", json!("0s")),
        ("from", json!([{"cookie": "sid"}, {"header": "authorization", "prefix": "Bearer "}])),
        ("max_token", json!("8KiB")),
        ("on_error", json!("allow_if_jwt_valid")),
    ] {
        let config = with(field, value);
        assert!(validator.is_valid(&config) && is_read(&config), "{config}");
    }
    for (field, value) in [
        ("cluster", json!("")),
        ("authority", json!("a b")),
        ("path", json!("x")),
        ("client_id", json!(1)),
        ("client_secret", json!("")),
        ("timeout", json!(1)),
        ("cache", json!("30")),
        ("cache_size", json!(0)),
        ("issuer", json!("")),
        ("audiences", json!("x")),
        ("audiences", json!([])),
        ("scopes", json!(["a b"])),
        ("from", json!([])),
        ("max_token", json!(8)),
        ("on_error", json!("allow")),
        ("other", json!(1)),
    ] {
        let config = with(field, value);
        assert!(!validator.is_valid(&config) && !is_read(&config), "{config}");
    }
}
