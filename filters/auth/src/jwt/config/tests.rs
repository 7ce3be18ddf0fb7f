use palisade_sdk::config;
use serde_json::{Value, json};

use super::*;

const KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn keys() -> Value {
    json!({"keys": [serde_json::from_str::<Value>(KEY).unwrap()]})
}

/// The config of a provider with these fields in their place; `null` takes one away.
fn with(others: Value) -> Value {
    let mut config = json!({"issuer": "https://idp.example", "jwks": {"inline": keys()}});
    for (name, value) in others.as_object().unwrap() {
        match value {
            Value::Null => config.as_object_mut().unwrap().remove(name),
            value => config.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    config
}

fn parse(others: Value) -> Result<ProviderConfig, String> {
    config::parse(with(others).to_string().as_bytes()).map_err(|errors| errors.to_string())
}

#[test]
fn a_provider_needs_an_issuer_and_keys() {
    let provider = parse(json!({})).unwrap();
    assert_eq!(provider.rules.algorithms, DEFAULT_ALGORITHMS);
    assert_eq!(provider.rules.requirements.require, ["exp"]);
    assert_eq!(provider.rules.requirements.clock_skew, Duration::from_secs(60));
    assert_eq!((provider.rules.longest, provider.cache_size), (8_192, 1_024));
    assert_eq!(provider.from, Sources::bearer());
    assert_eq!(
        parse(json!({"issuer": null, "jwks": null})).unwrap_err(),
        "config: missing field \"issuer\"\nconfig: missing field \"jwks\""
    );
}

#[test]
fn a_set_may_be_an_object_or_a_text() {
    assert!(parse(json!({"jwks": {"inline": keys().to_string()}})).is_ok());
    assert_eq!(
        parse(json!({"jwks": {"inline": "{}"}})).unwrap_err(),
        "jwks.inline: no key set: a JSON object with a list \"keys\" of objects, and no member twice"
    );
    assert!(parse(json!({"jwks": {"inline": 1}})).is_err());
}

#[test]
fn a_mistake_in_an_inline_key_is_reported_and_a_foreign_one_is_not() {
    let key = |others: Value| {
        let mut set = keys();
        let mut key = set["keys"][0].clone();
        key.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        set["keys"].as_array_mut().unwrap().push(key);
        parse(json!({"jwks": {"inline": set}}))
    };
    assert!(key(json!({"use": "enc"})).is_ok());
    assert_eq!(
        key(json!({"d": "SECRET"})).unwrap_err(),
        "jwks.inline: keys[1] holds a private key; give its public part only"
    );
    assert_eq!(
        key(json!({"x": "SECRET!"})).unwrap_err(),
        "jwks.inline: keys[1] has a member that is missing or malformed"
    );
    let weak = json!({"jwks": {"inline": {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}}});
    assert!(parse(weak).unwrap_err().starts_with("jwks.inline: keys[0] is no sound key"));
}

#[test]
fn algorithms_and_keys_must_fit() {
    assert_eq!(
        parse(json!({"algorithms": ["RS256"]})).unwrap_err(),
        "jwks: holds no key for any of the \"algorithms\""
    );
    assert_eq!(
        parse(json!({"algorithms": ["EdDSA", "HS256"]})).unwrap_err(),
        "algorithms: HS256 needs a key of type \"oct\" in \"jwks\", as long as its hash at least"
    );
    let remote = json!({"remote": {"cluster": "idp", "path": "/jwks.json"}});
    assert!(matches!(parse(json!({"jwks": remote})).unwrap().keys, Keys::Remote(_)));
    assert_eq!(
        parse(json!({"jwks": remote, "algorithms": ["RS256", "HS256"]})).unwrap_err(),
        "algorithms: HS256 needs a secret, which is never fetched: use \"inline\" keys"
    );
    assert!(parse(json!({"algorithms": ["EdDSA", "EdDSA"]})).unwrap_err().contains("in the list already"));
    assert!(parse(json!({"algorithms": ["none"]})).is_err());
    assert!(parse(json!({"algorithms": []})).is_err());
}

#[test]
fn every_mistake_is_reported_at_once() {
    let errors = parse(json!({
        "issuer": "", "audiences": [], "clock_skew": 60, "typ": [""], "strict_kid": "yes", "max_token": "61KiB",
        "cache": {"entries": -1, "ttl": "5"}, "isuer": "x",
    }))
    .unwrap_err();
    for path in
        ["issuer:", "audiences:", "clock_skew:", "typ[0]:", "strict_kid:", "max_token:", "cache.entries:", "cache.ttl:"]
    {
        assert!(errors.lines().any(|line| line.starts_with(path)), "{path} in {errors}");
    }
    assert!(errors.contains("isuer: unknown field, did you mean \"issuer\"?"), "{errors}");
}

#[test]
fn a_shared_secret_may_stand_in_the_environment() {
    let keys = |k: Value| json!({"jwks": {"inline": {"keys": [{"kty": "oct", "k": k}]}}, "algorithms": ["HS512"]});
    let Keys::Inline(set) = parse(keys(json!({"env": "JWT_KEY"}))).unwrap().keys else { panic!("no keys") };
    assert!(set.has_key_for(Algorithm::Hs(Hash::Sha512)));
    for (k, error) in [
        (json!({}), "jwks.inline.keys[0].k: missing field \"env\""),
        (json!({"env": "a b"}), "jwks.inline.keys[0].k.env: expected the name of an environment variable"),
        (json!({"env": "A", "x": 1}), "jwks.inline.keys[0].k.x: unknown field"),
    ] {
        let errors = parse(keys(k)).unwrap_err();
        assert!(errors.starts_with(error), "{errors}");
    }
}

#[test]
fn providers_have_names_that_metrics_can_bear() {
    fn parse(section: Value) -> Result<Vec<String>, String> {
        struct Section(Vec<(String, ProviderConfig)>);
        impl FromFields for Section {
            fn from_fields(object: &mut Object<'_>) -> Option<Self> {
                object.required_with("providers", super::providers).map(Self)
            }
        }
        let config = json!({"providers": section}).to_string();
        let section: Result<Section, _> = config::parse(config.as_bytes());
        section
            .map(|section| section.0.into_iter().map(|(name, _)| name).collect())
            .map_err(|errors| errors.to_string())
    }
    assert_eq!(
        parse(json!({"main": with(json!({})), "b-2_C": with(json!({}))})),
        Ok(vec!["b-2_C".into(), "main".into()])
    );
    assert!(parse(json!({"a b": with(json!({}))})).is_err());
    assert!(parse(json!({"": with(json!({}))})).is_err());
    assert_eq!(parse(json!({})).unwrap_err(), "providers: expected at least one provider");
    assert!(parse(json!({"main": {}})).unwrap_err().starts_with("providers.main: missing field"));
}

#[cfg(feature = "schema")]
#[test]
fn the_schema_takes_what_the_parser_takes_and_no_wrong_shape() {
    let schema = schemars::schema_for!(ProviderConfig);
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    for good in [
        json!({}),
        json!({"jwks": {"inline": keys().to_string()}}),
        json!({"jwks": {"remote": {"cluster": "idp", "path": "/jwks.json"}}}),
        json!({"audiences": ["shop"], "lenient_audience": true, "algorithms": ["EdDSA"], "typ": ["at+jwt"], "require": [],
               "clock_skew": "1m", "max_token_age": "1h", "reject_future_iat": true, "strict_kid": true,
               "max_token": "4KiB", "from": [{"cookie": "sid"}], "cache": {"entries": 0, "ttl": "1m"}}),
    ] {
        assert!(validator.is_valid(&with(good.clone())), "{good}");
        assert!(parse(good.clone()).is_ok(), "{good}");
    }
    for wrong in [
        json!({"issuer": null}),
        json!({"issuer": ""}),
        json!({"jwks": {}}),
        json!({"jwks": {"inline": {"keys": []}}}),
        json!({"jwks": {"inline": keys(), "remote": {}}}),
        json!({"audiences": []}),
        json!({"audiences": "shop"}),
        json!({"algorithms": ["none"]}),
        json!({"algorithms": ["EdDSA", "EdDSA"]}),
        json!({"typ": [""]}),
        json!({"require": "exp"}),
        json!({"clock_skew": 60}),
        json!({"strict_kid": "yes"}),
        json!({"cache": {"entries": 1_048_577}}),
        json!({"cache": {"max": 1}}),
        json!({"unknown": 1}),
    ] {
        assert!(!validator.is_valid(&with(wrong.clone())), "{wrong}");
        assert!(parse(wrong.clone()).is_err(), "{wrong}");
    }
}
