use std::sync::LazyLock;
use std::time;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::{self, FromFields, Object};
use crate::matching::{ClientIp, Selector};

/// A config with everything that the grammar has.
struct Config;

struct Action;

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        let rules = Rules::<Action>::from_fields(object);
        let default = object.required::<Action>("default");
        let client_ip = object.optional::<ClientIp>("client_ip");
        let key = object.optional::<Vec<Selector>>("key");
        let timeout = object.optional::<time::Duration>("timeout");
        let limit = object.optional::<Size>("limit");
        let policy = object.optional_with("policy", |node| node.one_of(&[("respect", ()), ("ignore", ())]));
        let secret = object.optional::<Secret>("secret");
        let read = rules.is_some() && default.is_some() && client_ip.is_some() && key.is_some();
        let read = read && timeout.is_some() && limit.is_some();
        (read && policy.is_some() && secret.is_some()).then_some(Self)
    }
}

impl FromFields for Action {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        object.required::<Percent>("sample").map(|_| Self)
    }
}

impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        "Config".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .fields_of::<Rules<Action>>()
            .required::<Action>("default", "Where no rule matches.")
            .optional::<ClientIp>("client_ip", "Which address is the client's.")
            .optional::<Vec<Selector>>("key", "What is counted.")
            .optional::<Duration>("timeout", "How long to wait.")
            .optional::<Size>("limit", "How much to read.")
            .optional_with("policy", "What a parent decides.", |_| one_of(&["respect", "ignore"]))
            .optional::<Secret>("secret", "What nobody else knows.")
            .build()
    }
}

impl JsonSchema for Action {
    fn schema_name() -> Cow<'static, str> {
        "Action".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator).required::<Percent>("sample", "The share that is sampled.").build()
    }
}

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = schemars::schema_for!(Config).to_value();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
});

fn reader_accepts(config: &Value) -> Result<(), String> {
    config::parse::<Config>(config.to_string().as_bytes()).map(|_| ()).map_err(|errors| errors.to_string())
}

/// A config that is valid but for these fields.
fn with(fields: Value) -> Value {
    let mut config = json!({"default": {"sample": "1%"}});
    for (name, value) in fields.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

fn with_match(matcher: Value) -> Value {
    with(json!({"rules": [{"match": matcher, "sample": "1%"}]}))
}

fn with_key(selector: Value) -> Value {
    with(json!({"key": [selector]}))
}

fn accepted() -> Vec<Value> {
    vec![
        with(json!({})),
        with(json!({"rules": [], "rule_by_route": true})),
        with(json!({"rules": [{"sample": "0.5%"}, {"name": "a-B_9", "sample": "100.0%"}]})),
        with(json!({"client_ip": {}})),
        with(json!({"client_ip": {"trusted_hops": 1.0, "ipv6_prefix": 128}})),
        with(json!({"client_ip": {"trusted_cidrs": ["10.0.0.0/8", "::1", "2001:db8::/32"]}})),
        with(json!({"timeout": "0ms", "limit": "999999999GiB", "policy": "ignore"})),
        with(json!({"timeout": "999999999999d", "limit": "0B"})),
        with(json!({"secret": "s3cret"})),
        with(json!({"secret": {"env": "KEY"}})),
        with_match(json!({"path": {"exact": "/"}, "methods": ["GET", "M-SEARCH"], "hosts": ["a", "*.a-b.c", "[::1]"]})),
        with_match(json!({"path": {"prefix": "/a%20b/"}, "client_ip": ["1.2.3.4"]})),
        with_match(json!({"path": {"regex": "/[a-z]+"}})),
        with_match(json!({"path": {"template": "/a/{b_1}/*/c//**"}})),
        with_match(json!({"path": {"template": "/**"}})),
        with_match(json!({"headers": [{"name": ":path", "exact": ""}, {"name": "X-A", "present": false}]})),
        with_match(json!({"query": [{"name": "a b", "prefix": "x"}, {"name": "c", "suffix": "x"}]})),
        with_match(json!({"values": [{"of": {"claim": "sub"}, "contains": "x"}, {"of": {"route": {}}, "regex": "x"}]})),
        with_match(json!({"not": {"not": {"methods": ["GET"]}}})),
        with_key(json!({"header": "x", "or": {"cookie": "c", "or": {"query": "q"}}})),
        with_key(json!({"client_ip": {}, "or": {"literal": ""}})),
        with_key(json!({"path": {"segment": 1.0}, "or": {"method": {}, "or": {"host": {}}}})),
        with_key(json!({"property": ["source", "address"]})),
    ]
}

fn refused() -> Vec<Value> {
    let mut refused = vec![
        json!({}),
        json!([]),
        json!(null),
        json!("x"),
        with(json!({"unknown": 1})),
        with(json!({"default": {}})),
        with(json!({"default": {"sample": "1%", "name": "x"}})),
        with(json!({"rules": {}})),
        with(json!({"rules": null})),
        with(json!({"rules": ["x"]})),
        with(json!({"rules": [{}]})),
        with(json!({"rules": [{"sample": "1%", "unknown": 1}]})),
        with(json!({"rules": [{"sample": "1%", "name": "a b"}]})),
        with(json!({"rules": [{"sample": "1%", "name": "default"}]})),
        with(json!({"rule_by_route": "true"})),
        with(json!({"client_ip": {"trusted_hops": 0}})),
        with(json!({"client_ip": {"trusted_hops": 1.5}})),
        with(json!({"client_ip": {"trusted_cidrs": []}})),
        with(json!({"client_ip": {"trusted_cidrs": ["localhost"]}})),
        with(json!({"client_ip": {"ipv6_prefix": 129}})),
        with(json!({"policy": "respct"})),
        with(json!({"policy": 1})),
        with(json!({"secret": ""})),
        with(json!({"secret": 1})),
        with(json!({"secret": {}})),
        with(json!({"secret": {"env": "A-B"}})),
        with(json!({"secret": {"env": "9"}})),
        with(json!({"secret": {"env": "KEY", "or": "x"}})),
        with(json!({"key": {"header": "x"}})),
    ];
    let samples = [json!(10), json!("10"), json!("101%"), json!(".5%"), json!("1e1%"), json!("10 %"), json!(null)];
    refused.extend(samples.into_iter().map(|sample| json!({"default": {"sample": sample}})));
    let timeouts = [json!(60), json!("60"), json!("1.5s"), json!("-1s"), json!("1w"), json!("1234567890123s")];
    refused.extend(timeouts.into_iter().map(|timeout| with(json!({"timeout": timeout}))));
    let limits = [json!(8), json!("8"), json!("8KB"), json!("8kib"), json!("1234567890B")];
    refused.extend(limits.into_iter().map(|limit| with(json!({"limit": limit}))));
    let matchers = [
        json!({}),
        json!({"pth": {}}),
        json!({"path": "/a"}),
        json!({"path": {}}),
        json!({"path": {"exact": "a"}}),
        json!({"path": {"exact": "/a?b"}}),
        json!({"path": {"exact": "/a", "prefix": "/a"}}),
        json!({"path": {"template": "/**/a"}}),
        json!({"path": {"template": "/a{b}"}}),
        json!({"path": {"template": ""}}),
        json!({"methods": []}),
        json!({"methods": ["get"]}),
        json!({"methods": [""]}),
        json!({"hosts": ["*"]}),
        json!({"hosts": ["a:80"]}),
        json!({"hosts": ["a."]}),
        json!({"headers": [{"exact": "a"}]}),
        json!({"headers": [{"name": "a"}]}),
        json!({"headers": [{"name": "a b", "exact": "a"}]}),
        json!({"headers": [{"name": "a", "exact": "a", "present": true}]}),
        json!({"headers": [{"name": "a", "exact": 1}]}),
        json!({"headers": [{"name": "a", "prefix": ""}]}),
        json!({"headers": [{"name": "a", "exact": "a", "invert": true}]}),
        json!({"query": [{"name": "", "exact": "a"}]}),
        json!({"values": [{"exact": "a"}]}),
        json!({"values": [{"of": {}, "exact": "a"}]}),
        json!({"client_ip": ["x"]}),
        json!({"client_ip": "10.0.0.0/8"}),
        json!({"not": {}}),
        json!({"not": [{"methods": ["GET"]}]}),
    ];
    refused.extend(matchers.into_iter().map(with_match));
    let selectors = [
        json!({}),
        json!("x"),
        json!({"header": ""}),
        json!({"header": "a", "cookie": "b"}),
        json!({"or": {"literal": "x"}}),
        json!({"literal": "x", "or": {}}),
        json!({"cookie": "a b"}),
        json!({"claim": ""}),
        json!({"client_ip": null}),
        json!({"method": {"x": 1}}),
        json!({"path": {}}),
        json!({"path": {"segment": 0}}),
        json!({"path": {"segment": "1"}}),
        json!({"property": []}),
        json!({"property": [1]}),
        json!({"property": vec!["a"; 17]}),
    ];
    refused.extend(selectors.into_iter().map(with_key));
    refused
}

#[test]
fn what_the_reader_accepts_the_schema_accepts() {
    for config in accepted() {
        assert_eq!(reader_accepts(&config), Ok(()), "{config}");
        assert!(SCHEMA.is_valid(&config), "{config}: {:?}", SCHEMA.validate(&config));
    }
}

#[test]
fn what_the_reader_refuses_for_its_shape_the_schema_refuses() {
    for config in refused() {
        assert!(reader_accepts(&config).is_err(), "{config}");
        assert!(!SCHEMA.is_valid(&config), "{config}");
    }
}

#[test]
fn what_the_reader_alone_knows_the_schema_accepts() {
    for config in [
        with(json!({"rules": [{"name": "a", "sample": "1%"}, {"name": "a", "sample": "1%"}]})),
        with(json!({"client_ip": {"trusted_hops": 1, "trusted_cidrs": ["::1"]}})),
        with_match(json!({"path": {"regex": "("}})),
        with_match(json!({"client_ip": ["1.2.3.4/99"]})),
    ] {
        assert!(reader_accepts(&config).is_err(), "{config}");
        assert!(SCHEMA.is_valid(&config), "{config}");
    }
}

/// The schema of one text field agrees with the reader of it on a text.
fn agree(config: Value) -> Result<(), TestCaseError> {
    prop_assert_eq!(reader_accepts(&config).is_ok(), SCHEMA.is_valid(&config), "{}", config);
    Ok(())
}

proptest! {
    #[test]
    fn they_agree_on_every_unit(percent in "[0-9]{0,4}(\\.[0-9]{0,20})?%?", duration in "[0-9]{0,14}(ms|s|m|h|d|w| s|)", size in "[0-9]{0,10}(B|KiB|MiB|GiB|K|)") {
        agree(json!({"default": {"sample": percent}}))?;
        agree(with(json!({"timeout": duration})))?;
        agree(with(json!({"limit": size})))?;
    }

    #[test]
    fn they_agree_on_names_and_paths(text in any::<String>(), path in "[a/*{}?#b_]{0,10}", host in "[*.a:\\[\\]-]{0,6}", token in "[ -~é]{0,5}") {
        for text in [&text, &path, &host, &token] {
            agree(with_match(json!({"path": {"template": text}})))?;
            agree(with_match(json!({"path": {"prefix": text}})))?;
            agree(with_match(json!({"hosts": [text]})))?;
            agree(with_match(json!({"methods": [text]})))?;
            agree(with_match(json!({"headers": [{"name": text, "suffix": text}]})))?;
            agree(with_key(json!({"cookie": text})))?;
            agree(with(json!({"rules": [{"name": text, "sample": "1%"}]})))?;
        }
    }

    #[test]
    fn every_address_that_the_reader_accepts_the_schema_accepts(address in any::<std::net::IpAddr>(), prefix in 0..200) {
        for range in [address.to_string(), format!("{address}/{prefix}")] {
            let config = with_match(json!({"client_ip": [range]}));
            prop_assert!(reader_accepts(&config).is_err() || SCHEMA.is_valid(&config), "{}", config);
        }
    }
}
